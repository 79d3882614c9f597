"""``POST /api/chat``: Ollama's chats.

A ``gateway.dialects.base.ChatDialect``. Knows the fields of this one path. Without
messages the request is for loading the model: see ``gateway.api.ollama``.
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
    message_of,
)
from gateway.dialects.ollama.fields import build_parameters, read_list, read_name
from gateway.dialects.ollama.messages import build_messages
from gateway.dialects.ollama.request import OllamaRequest
from gateway.types import ChatCompletion, ChatRequest, Chunk
from gateway.validation.tools import check_tools

__all__ = [
    "CONTENT_TYPE",
    "encode_completion",
    "encode_error",
    "encode_note",
    "iter_frames",
    "parse_request",
]

CONTENT_TYPE = "application/x-ndjson"
DIALECT = "ollama_chat"

_NOTHING_YET = encode_line({"message": {"role": "assistant", "content": ""}, "done": False})


def parse_request(body: bytes, headers: Mapping[str, str]) -> OllamaRequest:
    """See ``ChatDialect.parse_request``."""
    request = parse_object(body)
    read_name(request)
    parameters, untranslated = build_parameters(request)
    canonical = {
        "model": request["model"],
        "messages": build_messages(read_list(request, "messages")),
        **parameters,
    }
    tools = list(map(_with_type, read_list(request, "tools")))
    if tools:  # Ollama's own client sends an empty list where there are none
        canonical["tools"] = tools
        check_tools(canonical)
    return OllamaRequest(canonical, DIALECT, request, untranslated)


def encode_completion(completion: ChatCompletion, request: ChatRequest) -> Any:
    """See ``ChatDialect.encode_completion``."""
    return encode_answer(completion, request, DIALECT, message_of)


def iter_frames(batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
    """See ``ChatDialect.iter_frames``."""
    return iter_lines(batches, request, DIALECT, message_of)


def encode_note(note: str, has_begun: bool) -> bytes:
    """See ``ChatDialect.encode_note``: lines have no comments, but may say nothing."""
    return _NOTHING_YET


def _with_type(tool: Any) -> Any:
    """Return a tool with the type that Ollama takes for granted."""
    return {"type": "function", **tool} if isinstance(tool, dict) else tool
