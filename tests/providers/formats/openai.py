"""OpenAI's format, for all that speak it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.providers.formats import COMPLETION_TOKENS, KEY, PROMPT_TOKENS, Answer
from tests.upstream import Request

HAS_EMBEDDINGS = True
_SSE = "text/event-stream"
_USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": COMPLETION_TOKENS,
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
}
_COMMON = {"id": "c1", "created": 1700000000, "model": "some-model"}


def configure(url: str) -> dict[str, Any]:
    return {"base_url": url, "api_key": KEY}


def answer_text(request: Request, text: str) -> Answer:
    return _answer({"content": text}, "stop")


def answer_tool_call(request: Request, name: str, arguments: str) -> Answer:
    call = {"id": "t1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return _answer({"content": None, "tool_calls": [call]}, "tool_calls")


def stream_text(request: Request, pieces: Sequence[str]) -> Answer:
    events = [_event({"role": "assistant", "content": ""})]
    events += [_event({"content": piece}) for piece in pieces]
    last = {**_COMMON, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}
    events += [_event({}, "stop"), _frame(last), b"data: [DONE]\n\n"]
    return Answer(b"".join(events), content_type=_SSE)


def answer_embeddings(request: Request, vectors: Sequence[Sequence[float]]) -> Answer:
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS}
    return _json({"object": "list", "data": data, "model": "some-model", "usage": usage})


def answer_error(status: int, message: str) -> Answer:
    error = {"message": message, "type": "some_type", "param": None, "code": None}
    return _json({"error": error}, status)


def answer_other(request: Request) -> Answer | None:
    """Have no Responses API, as most servers of this format."""
    if request.path.partition("?")[0].endswith("/responses"):
        return Answer(b"404 page not found", 404, "text/plain")
    return None


def _answer(message: dict[str, Any], reason: str) -> Answer:
    choice = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "finish_reason": reason,
    }
    return _json({**_COMMON, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def _event(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return _frame({**_COMMON, "object": "chat.completion.chunk", "choices": [choice]})


def _frame(value: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(value).encode()


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), status)
