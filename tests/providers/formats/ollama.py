"""Ollama's own format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.providers.formats import COMPLETION_TOKENS, KEY, PROMPT_TOKENS, Answer
from tests.upstream import Request

HAS_EMBEDDINGS = True
_NDJSON = "application/x-ndjson"


def configure(url: str) -> dict[str, Any]:
    return {"base_url": url, "api_key": KEY}


def answer_text(request: Request, text: str) -> Answer:
    return stream_text(request, [text])


def answer_tool_call(request: Request, name: str, arguments: str) -> Answer:
    call = {"function": {"name": name, "arguments": json.loads(arguments)}}
    return Answer(_line(tool_calls=[call]) + _line(done=True), content_type=_NDJSON)


def stream_text(request: Request, pieces: Sequence[str]) -> Answer:
    lines = b"".join([*map(_line, pieces), _line(done=True)])
    if request.path.endswith("/api/generate"):
        lines = b"".join(map(_as_generated, lines.splitlines(keepends=True)))
    return Answer(lines, content_type=_NDJSON)


def answer_embeddings(request: Request, vectors: Sequence[Sequence[float]]) -> Answer:
    value = {"model": "some-model", "embeddings": vectors, "prompt_eval_count": PROMPT_TOKENS}
    return Answer(json.dumps(value).encode())


def answer_error(status: int, message: str) -> Answer:
    return Answer(json.dumps({"error": message}).encode(), status)


def answer_other(request: Request) -> Answer | None:
    if request.path.endswith("/api/show"):
        return Answer(json.dumps({"capabilities": ["completion", "tools"]}).encode())
    if request.path.endswith("/api/tags"):
        return Answer(json.dumps({"models": [{"name": "some-model"}]}).encode())
    if request.path.endswith("/api/ps"):
        return Answer(json.dumps({"models": [{"name": "some-model"}]}).encode())
    return None


def _line(content: str = "", *, done: bool = False, **message: Any) -> bytes:
    value: dict[str, Any] = {
        "model": "some-model",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": content, **message},
        "done": done,
    }
    if done:
        counts = {"prompt_eval_count": PROMPT_TOKENS, "eval_count": COMPLETION_TOKENS}
        value |= {"done_reason": "stop", **counts}
    return json.dumps(value).encode() + b"\n"


def _as_generated(line: bytes) -> bytes:
    """Return a chat's line as one of ``/api/generate``."""
    value = json.loads(line)
    content = value.pop("message")["content"]
    return json.dumps({**value, "response": content}).encode() + b"\n"
