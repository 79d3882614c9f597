"""OpenAI's older completions of a prompt, as spoken to clients.

A ``gateway.dialects.base.ChatDialect`` for one prompt; ``split_request`` makes several of a
request with several. Knows OpenAI's wire format (openai-python 3.54). Must not know Flask,
sockets or providers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.dialects.completions.answer import add_usage, join_completions
from gateway.dialects.completions.events import EventWriter
from gateway.dialects.completions.request import (
    DIALECT,
    CompletionsRequest,
    parse_request,
    split_request,
)
from gateway.dialects.openai_chat import encode_error, encode_error_event, encode_note
from gateway.dialects.streaming import iter_encoded
from gateway.types import ChatCompletion, ChatRequest, Chunk, NativeCompletion

__all__ = [
    "CONTENT_TYPE",
    "CompletionsRequest",
    "add_usage",
    "encode_completion",
    "encode_error",
    "encode_note",
    "iter_frames",
    "iter_frames_of_all",
    "join_completions",
    "parse_request",
    "split_request",
]

CONTENT_TYPE = "text/event-stream; charset=utf-8"


def encode_completion(completion: ChatCompletion, request: ChatRequest) -> Any:
    """See ``ChatDialect.encode_completion``."""
    if isinstance(completion, NativeCompletion) and completion.dialect == DIALECT:
        return completion.raw
    return join_completions([completion], [request])


def iter_frames(batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
    """See ``ChatDialect.iter_frames``."""
    return iter_frames_of_all(iter([(batches, request)]))


def iter_frames_of_all(answers: Iterator[tuple[Iterator[list[Chunk]], Any]]) -> Iterator[bytes]:
    """Encode the streams of several prompts as one, one after the other; as ``iter_frames``."""
    writer = EventWriter()
    yield from iter_encoded(writer.iter_batches(answers), writer.encode, encode_error_event)
    yield writer.end()
