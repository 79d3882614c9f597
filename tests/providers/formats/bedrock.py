"""Amazon Bedrock's Converse format, and AWS's event stream encoding."""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Sequence
from typing import Any

from tests.providers.formats import COMPLETION_TOKENS, KEY, PROMPT_TOKENS, Answer
from tests.upstream import Request

HAS_EMBEDDINGS = False
_USAGE = {
    "inputTokens": PROMPT_TOKENS,
    "outputTokens": COMPLETION_TOKENS,
    "totalTokens": PROMPT_TOKENS + COMPLETION_TOKENS,
}
_TEXT_HEADER = 7


def configure(url: str) -> dict[str, Any]:
    return {"base_url": url, "api_key": KEY}


def answer_text(request: Request, text: str) -> Answer:
    if request.path.endswith("/converse-stream"):
        return stream_text(request, [text])
    return _message([{"text": text}], "end_turn")


def answer_tool_call(request: Request, name: str, arguments: str) -> Answer:
    use = {"toolUseId": "tooluse_1", "name": name, "input": json.loads(arguments)}
    return _message([{"toolUse": use}], "tool_use")


def stream_text(request: Request, pieces: Sequence[str]) -> Answer:
    deltas = [
        _event("contentBlockDelta", contentBlockIndex=0, delta={"text": piece}) for piece in pieces
    ]
    events = [
        _event("messageStart", role="assistant"),
        *deltas,
        _event("contentBlockStop", contentBlockIndex=0),
        _event("messageStop", stopReason="end_turn"),
        _event("metadata", usage=_USAGE, metrics={"latencyMs": 1}),
    ]
    return Answer(b"".join(events), content_type="application/vnd.amazon.eventstream")


def answer_error(status: int, message: str) -> Answer:
    return Answer(json.dumps({"message": message}).encode(), status)


def answer_other(request: Request) -> Answer | None:
    return None


def _message(content: list[dict[str, Any]], reason: str) -> Answer:
    message = {"message": {"role": "assistant", "content": content}}
    value = {"output": message, "stopReason": reason, "usage": _USAGE, "metrics": {}}
    return Answer(json.dumps(value).encode())


def _event(name: str, **payload: Any) -> bytes:
    headers = b"".join(
        struct.pack("!B", len(key)) + key + struct.pack("!BH", _TEXT_HEADER, len(value)) + value
        for key, value in (
            (b":event-type", name.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return message + struct.pack("!I", crc32(message))
