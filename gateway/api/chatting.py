"""A chat in any dialect: from the request's body to the answer, whole or as a stream.

Knows Flask and what all dialects have in common. Must not know any one of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from flask import Response, g, request

from gateway.api.body import read_body
from gateway.api.idempotency import run_once
from gateway.api.lifecycle import answer_headers, cache_control, open_client_watch
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.dialects.base import ChatDialect
from gateway.errors import GatewayError
from gateway.inference import ChatAnswer
from gateway.telemetry import RequestRecord
from gateway.transport import Watch
from gateway.types import ChatRequest

_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def answer_chat(dialect: ChatDialect) -> Response:
    """Answer the current request, a chat in ``dialect``."""
    body = read_body(services().settings.max_request_bytes)
    return answer_chat_request(dialect, dialect.parse_request(body, ClientHeaders()), body)


def answer_chat_request(dialect: ChatDialect, chat_request: ChatRequest, body: bytes) -> Response:
    """Answer ``chat_request``, which ``dialect`` made of ``body``."""
    record: RequestRecord = g.record
    record.model, record.operation = chat_request["model"], "chat"
    watch = open_client_watch()

    def answer() -> Response:
        if chat_request.get("stream"):
            return _stream(dialect, chat_request, watch, record)
        return _complete(dialect, chat_request, watch, record)

    return run_once(body, watch, record, answer)


def _complete(
    dialect: ChatDialect, chat_request: ChatRequest, watch: Watch, record: RequestRecord
) -> Response:
    asked, completion = services().inference.complete_chat(
        chat_request, watch, record, cache_control()
    )
    answer = dialect.encode_completion(completion, chat_request)
    return json_response(answer, headers=answer_headers(asked, record))


def _stream(
    dialect: ChatDialect, chat_request: ChatRequest, watch: Watch, record: RequestRecord
) -> Response:
    expect_stream(watch, record)
    answer = services().inference.stream_chat(chat_request, watch, record, cache_control())
    frames = dialect.iter_frames(answer.batches, chat_request)
    return stream_response(dialect, frames, answer, watch, record)


def expect_stream(watch: Watch, record: RequestRecord) -> None:
    """Note that the current request wants a stream, and when it has to be kept alive."""
    record.stream = True
    watch.next_ping = time.monotonic() + services().settings.ping_after


def stream_response(
    dialect: ChatDialect,
    frames: Iterator[bytes],
    answer: ChatAnswer,
    watch: Watch,
    record: RequestRecord,
) -> Response:
    """Return ``frames`` as a response; ``answer``, which they are of, is closed at its end."""
    response = Response(
        _iter_written(dialect, frames, watch, record, services().settings.ping_after),
        headers=answer_headers(answer.asked, record) | _STREAM_HEADERS,
        content_type=dialect.CONTENT_TYPE,
    )
    record.status = 499  # until the stream has ended otherwise
    response.call_on_close(lambda: _end(answer, record))
    return response


def _iter_written(
    dialect: ChatDialect,
    frames: Iterator[bytes],
    watch: Watch,
    record: RequestRecord,
    ping_after: float,
) -> Iterator[bytes]:
    """Yield what is to be written: frames as they come, and notes into silence."""
    has_begun = False
    try:
        for data in frames:
            now = time.monotonic()
            if data:
                has_begun = True
            elif now < watch.next_ping:
                continue
            else:
                data = dialect.encode_note(watch.note, has_begun)
            watch.next_ping = now + ping_after
            yield data
            record.waited += time.monotonic() - now
        record.status = 200
    except GatewayError as error:
        record.note_error(error)


def _end(answer: ChatAnswer, record: RequestRecord) -> None:
    answer.close(finished=record.status == 200)
    if record.status == 499 and not record.error:
        record.error = "client_closed_request"


class ClientHeaders(Mapping[str, str]):
    """The headers of the current request by their names in lower case, looked up when asked for."""

    def __getitem__(self, name: str) -> str:
        value: str = request.environ[f"HTTP_{name.upper().replace('-', '_')}"]
        return value

    def __iter__(self) -> Iterator[str]:
        return (name.lower() for name, _ in request.headers)

    def __len__(self) -> int:
        return len(request.headers)
