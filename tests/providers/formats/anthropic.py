"""Anthropic's Messages format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.providers.formats import COMPLETION_TOKENS, KEY, PROMPT_TOKENS, Answer
from tests.upstream import Request

HAS_EMBEDDINGS = False
_USAGE = {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS}
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "some-model"}


def configure(url: str) -> dict[str, Any]:
    return {"base_url": url, "api_key": KEY}


def answer_text(request: Request, text: str) -> Answer:
    if request.json().get("stream"):
        return stream_text(request, [text])
    return _message([{"type": "text", "text": text}], "end_turn")


def answer_tool_call(request: Request, name: str, arguments: str) -> Answer:
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": json.loads(arguments)}
    return _message([block], "tool_use")


def stream_text(request: Request, pieces: Sequence[str]) -> Answer:
    start: dict[str, Any] = {**_MESSAGE, "content": [], "stop_reason": None, "usage": _USAGE}
    deltas = [
        _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
        for piece in pieces
    ]
    events = [
        _event("message_start", message=start),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *deltas,
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn"}, usage=_USAGE),
        _event("message_stop"),
    ]
    return Answer(b"".join(events), content_type="text/event-stream")


def answer_error(status: int, message: str) -> Answer:
    error = {"type": "error", "error": {"type": "some_error", "message": message}}
    return Answer(json.dumps(error).encode(), status)


def answer_other(request: Request) -> Answer | None:
    return None


def _message(content: list[dict[str, Any]], reason: str) -> Answer:
    value = {**_MESSAGE, "content": content, "stop_reason": reason, "usage": _USAGE}
    return Answer(json.dumps({**value, "stop_sequence": None}).encode())


def _event(name: str, **fields: Any) -> bytes:
    data = json.dumps({"type": name, **fields}).encode()
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
