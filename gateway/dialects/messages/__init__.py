"""Anthropic's Messages API as spoken to clients.

A ``gateway.dialects.base.ChatDialect``. Knows its wire format (anthropic-python 2.14, API versions
2023-06-01 and 2026-10-21). Must not know Flask, sockets or providers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.dialects.messages.answer import build_message
from gateway.dialects.messages.errors import encode_error, encode_error_event
from gateway.dialects.messages.events import EventWriter, encode_note
from gateway.dialects.messages.request import DIALECT, parse_request
from gateway.dialects.streaming import iter_encoded
from gateway.types import ChatCompletion, ChatRequest, Chunk, NativeCompletion

__all__ = [
    "CONTENT_TYPE",
    "encode_completion",
    "encode_error",
    "encode_note",
    "iter_frames",
    "parse_request",
]

CONTENT_TYPE = "text/event-stream; charset=utf-8"


def encode_completion(completion: ChatCompletion, request: ChatRequest) -> Any:
    """See ``ChatDialect.encode_completion``."""
    if isinstance(completion, NativeCompletion) and completion.dialect == DIALECT:
        return completion.raw
    return build_message(completion, request["model"])


def iter_frames(batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
    """See ``ChatDialect.iter_frames``."""
    writer = EventWriter(request["model"])
    yield from iter_encoded(batches, writer.encode, encode_error_event)
    yield writer.end()
