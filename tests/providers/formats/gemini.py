"""Gemini's format, at Google AI Studio and at Vertex AI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.providers.formats import COMPLETION_TOKENS, KEY, PROMPT_TOKENS, Answer
from tests.upstream import Request

HAS_EMBEDDINGS = True
_USAGE = {
    "promptTokenCount": PROMPT_TOKENS,
    "candidatesTokenCount": COMPLETION_TOKENS,
    "totalTokenCount": PROMPT_TOKENS + COMPLETION_TOKENS,
}


def configure(url: str) -> dict[str, Any]:
    return {"base_url": url, "api_key": KEY}


def answer_text(request: Request, text: str) -> Answer:
    if "streamGenerateContent" in request.path:
        return stream_text(request, [text])
    return Answer(json.dumps(_content([{"text": text}], "STOP")).encode())


def answer_tool_call(request: Request, name: str, arguments: str) -> Answer:
    call = {"functionCall": {"name": name, "args": json.loads(arguments)}}
    return Answer(json.dumps(_content([call], "STOP")).encode())


def stream_text(request: Request, pieces: Sequence[str]) -> Answer:
    *begin, last = pieces
    events = [_content([{"text": piece}], None) for piece in begin]
    events.append(_content([{"text": last}], "STOP"))
    body = b"".join(b"data: %b\r\n\r\n" % json.dumps(event).encode() for event in events)
    return Answer(body, content_type="text/event-stream")


def answer_embeddings(request: Request, vectors: Sequence[Sequence[float]]) -> Answer:
    if ":predict" in request.path:
        values = [{"embeddings": {"values": vector}} for vector in vectors]
        return Answer(json.dumps({"predictions": values}).encode())
    return Answer(json.dumps({"embeddings": [{"values": each} for each in vectors]}).encode())


def answer_error(status: int, message: str) -> Answer:
    error = {"code": status, "message": message, "status": "SOME_STATUS"}
    return Answer(json.dumps({"error": error}).encode(), status)


def answer_other(request: Request) -> Answer | None:
    return None


def _content(parts: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": _USAGE, "modelVersion": "some-model",
            "responseId": "r1"}  # fmt: skip
