"""Cohere's format, version 2."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.providers.formats import COMPLETION_TOKENS, KEY, PROMPT_TOKENS, Answer
from tests.upstream import Request

HAS_EMBEDDINGS = True
_USAGE = {
    "billed_units": {"input_tokens": 1, "output_tokens": 1},
    "tokens": {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS},
}


def configure(url: str) -> dict[str, Any]:
    return {"base_url": url, "api_key": KEY}


def answer_text(request: Request, text: str) -> Answer:
    if request.json().get("stream"):
        return stream_text(request, [text])
    return _message({"content": [{"type": "text", "text": text}]}, "COMPLETE")


def answer_tool_call(request: Request, name: str, arguments: str) -> Answer:
    call = {"id": "t1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return _message({"tool_calls": [call], "tool_plan": ""}, "TOOL_CALL")


def stream_text(request: Request, pieces: Sequence[str]) -> Answer:
    start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
    deltas = [
        _event("content-delta", index=0, delta={"message": {"content": {"text": piece}}})
        for piece in pieces
    ]
    block = {"message": {"content": {"type": "text", "text": ""}}}
    events = [
        _event("message-start", id="c1", delta={"message": start}),
        _event("content-start", index=0, delta=block),
        *deltas,
        _event("content-end", index=0),
        _event("message-end", delta={"finish_reason": "COMPLETE", "usage": _USAGE}),
    ]
    return Answer(b"".join(events), content_type="text/event-stream")


def answer_embeddings(request: Request, vectors: Sequence[Sequence[float]]) -> Answer:
    meta = {"billed_units": {"input_tokens": PROMPT_TOKENS}}
    value = {"id": "e1", "embeddings": {"float": vectors}, "texts": [], "meta": meta}
    return Answer(json.dumps(value).encode())


def answer_error(status: int, message: str) -> Answer:
    return Answer(json.dumps({"id": "x", "message": message}).encode(), status)


def answer_other(request: Request) -> Answer | None:
    return None


def _message(fields: dict[str, Any], reason: str) -> Answer:
    message = {"role": "assistant", **fields}
    value = {"id": "c1", "message": message, "finish_reason": reason, "usage": _USAGE}
    return Answer(json.dumps(value).encode())


def _event(name: str, **fields: Any) -> bytes:
    data = json.dumps({"type": name, **fields}).encode()
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
