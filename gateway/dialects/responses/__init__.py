"""OpenAI's Responses API as spoken to clients: requests in, answers and streams out.

A ``gateway.dialects.base.ChatDialect``, stateless: nothing is stored, and no earlier answer
is known (``gateway.api.responses_api`` adds that). Must not know Flask, sockets or providers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.envelope import parse_object
from gateway.dialects.responses.events import EventWriter, build_response
from gateway.dialects.responses.request import DIALECT, build_request
from gateway.dialects.streaming import iter_encoded
from gateway.errors import GatewayError, InvalidRequestError
from gateway.sse import PING, encode_comment
from gateway.types import ChatCompletion, ChatRequest, Chunk, NativeCompletion, NativeRequest

CONTENT_TYPE = "text/event-stream; charset=utf-8"


def parse_request(body: bytes, headers: Mapping[str, str]) -> NativeRequest:
    """See ``ChatDialect.parse_request``."""
    request = parse_object(body)
    if request.get("previous_response_id") is not None:
        raise InvalidRequestError(
            "Responses are not stored here, so that 'previous_response_id' leads nowhere: send "
            "the earlier items in 'input' again.",
            param="previous_response_id",
            code="unsupported_parameter",
        )
    return build_request(request)


def encode_completion(completion: ChatCompletion, request: ChatRequest) -> Any:
    """See ``ChatDialect.encode_completion``; what came in this format goes on as it came."""
    if isinstance(completion, NativeCompletion) and completion.dialect == DIALECT:
        return completion.raw
    return build_response(completion, native_of(request))


def iter_frames(batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
    """See ``ChatDialect.iter_frames``."""
    writer = EventWriter(native_of(request))
    yield from iter_encoded(batches, writer.encode, writer.encode_error)
    yield writer.end()


def encode_note(note: str, has_begun: bool) -> bytes:
    """See ``ChatDialect.encode_note``."""
    return encode_comment(note) if note else PING


def encode_error(error: GatewayError) -> Any:
    """See ``ChatDialect.encode_error``."""
    return error.to_dict()


def native_of(request: ChatRequest) -> Mapping[str, Any]:
    """Return the request as the client sent it."""
    return request.native if isinstance(request, NativeRequest) else request
