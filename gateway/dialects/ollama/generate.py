"""``POST /api/generate``: Ollama's completions of one prompt.

A ``gateway.dialects.base.ChatDialect``. Knows the fields of this one path. Without
a prompt the request is for loading the model: see ``gateway.api.ollama``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.envelope import parse_object
from gateway.dialects.ollama.answer import (
    encode_answer,
    encode_error,
    encode_line,
    iter_lines,
    response_of,
)
from gateway.dialects.ollama.fields import (
    build_image_part,
    build_parameters,
    read_list,
    read_name,
    read_text,
)
from gateway.dialects.ollama.request import OllamaRequest
from gateway.types import ChatCompletion, ChatRequest, Chunk

__all__ = [
    "CONTENT_TYPE",
    "encode_completion",
    "encode_error",
    "encode_note",
    "iter_frames",
    "parse_request",
]

CONTENT_TYPE = "application/x-ndjson"
DIALECT = "ollama_generate"

_NATIVE_ONLY = ("suffix", "context", "raw", "template")
"""What changes the prompt in ways that a chat has no place for."""

_NOTHING_YET = encode_line({"response": "", "done": False})


def parse_request(body: bytes, headers: Mapping[str, str]) -> OllamaRequest:
    """See ``ChatDialect.parse_request``."""
    request = parse_object(body)
    read_name(request)
    parameters, untranslated = build_parameters(request)
    canonical = {"model": request["model"], "messages": _build_messages(request), **parameters}
    native_only = tuple(name for name in _NATIVE_ONLY if request.get(name))
    return OllamaRequest(canonical, DIALECT, request, untranslated, native_only)


def encode_completion(completion: ChatCompletion, request: ChatRequest) -> Any:
    """See ``ChatDialect.encode_completion``."""
    return encode_answer(completion, request, DIALECT, response_of)


def iter_frames(batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
    """See ``ChatDialect.iter_frames``."""
    return iter_lines(batches, request, DIALECT, response_of)


def encode_note(note: str, has_begun: bool) -> bytes:
    """See ``ChatDialect.encode_note``: lines have no comments, but may say nothing."""
    return _NOTHING_YET


def _build_messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the prompt as messages, none where there is no prompt."""
    prompt = read_text(request, "prompt")
    images = [
        build_image_part(image, f"images[{place}]")
        for place, image in enumerate(read_list(request, "images"))
    ]
    if not prompt and not images:
        return []
    system = read_text(request, "system")
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    text = [{"type": "text", "text": prompt}] if prompt else []
    messages.append({"role": "user", "content": [*text, *images] if images else prompt})
    return messages
