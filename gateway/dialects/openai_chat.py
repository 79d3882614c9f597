"""OpenAI's chat completions as spoken to clients: requests in, answers and streams out.

A ``gateway.dialects.base.ChatDialect``. Knows OpenAI's wire format. Must not know Flask,
sockets or providers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.envelope import check_model, check_stream, kind_of, parse_object
from gateway.dialects.openai_usage import without_usage
from gateway.dialects.streaming import iter_encoded
from gateway.errors import GatewayError, InvalidRequestError
from gateway.serialization import dumps_ascii
from gateway.sse import PING, encode_comment, encode_event
from gateway.types import (
    ChatCompletion,
    ChatRequest,
    Chunk,
    RawChunk,
    RawCompletion,
)

CONTENT_TYPE = "text/event-stream; charset=utf-8"
MAX_MESSAGES = 100_000
DONE = b"data: [DONE]\n\n"


def parse_chat_request(body: bytes) -> ChatRequest:
    """Parse the envelope of a chat request: ``model``, ``messages`` as a list, ``stream``.

    All else is for the provider to judge. Raises ``InvalidRequestError``.
    """
    request = parse_object(body)
    check_model(request)
    if "messages" not in request:
        raise InvalidRequestError(
            "Missing required parameter: 'messages'.",
            param="messages",
            code="missing_required_parameter",
        )
    if not isinstance(request["messages"], list):
        raise InvalidRequestError(
            f"'messages' must be a list of messages, not {kind_of(request['messages'])}.",
            param="messages",
            code="invalid_type",
        )
    if len(request["messages"]) > MAX_MESSAGES:
        raise InvalidRequestError(
            f"'messages' holds more than {MAX_MESSAGES} messages.",
            param="messages",
            code="array_above_max_length",
        )
    check_stream(request)
    return request


def wants_usage(request: ChatRequest) -> bool:
    """Tell whether the client asked for the usage chunk of a stream."""
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def iter_events(batches: Iterator[list[Chunk]], *, include_usage: bool) -> Iterator[bytes]:
    """Encode a stream: all chunks of a batch in one piece, then ``[DONE]``.

    A batch without chunks gives b"". A failure becomes an event with an ``error``
    object and is the end; nothing is made up after it.
    """

    def encode(batch: list[Chunk]) -> bytes:
        return b"".join([_encode(chunk, include_usage) for chunk in batch])

    yield from iter_encoded(batches, encode, encode_error_event)
    yield DONE


def encode_error_event(error: GatewayError) -> bytes:
    """Encode a failure as an event that OpenAI's SDKs raise."""
    return encode_event(dumps_ascii(error.to_dict()))


def parse_request(body: bytes, headers: Mapping[str, str]) -> ChatRequest:
    """See ``ChatDialect.parse_request``."""
    return parse_chat_request(body)


def encode_completion(completion: ChatCompletion, request: ChatRequest) -> Any:
    """See ``ChatDialect.encode_completion``; what came in this format goes on as it came."""
    return completion.raw if isinstance(completion, RawCompletion) else completion


def iter_frames(batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
    """See ``ChatDialect.iter_frames``."""
    return iter_events(batches, include_usage=wants_usage(request))


def encode_note(note: str, has_begun: bool) -> bytes:
    """See ``ChatDialect.encode_note``."""
    return encode_comment(note) if note else PING


def encode_error(error: GatewayError) -> Any:
    """See ``ChatDialect.encode_error``."""
    return error.to_dict()


def _encode(chunk: Chunk, include_usage: bool) -> bytes:
    if type(chunk) is RawChunk:
        if include_usage:
            return chunk.raw
        shown = without_usage(chunk)
        return shown.raw if shown is not None else b""
    if include_usage:
        chunk.setdefault("usage", None)
    elif "usage" in chunk:
        if not chunk["choices"]:
            return b""
        chunk = {**chunk}
        del chunk["usage"]
    return b"data: %b\n\n" % dumps_ascii(chunk)
