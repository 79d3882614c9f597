"""A chat in any dialect: from the request's body to the answer, whole or as a stream.

Knows Flask and what all dialects have in common. Must not know any one of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from flask import Response, g, request, stream_with_context

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
from gateway.types import ChatRequest, Chunk

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

    if not chat_request.get("stream"):
        return run_once(
            body, watch, record, lambda: _complete(dialect, chat_request, watch, record)
        )
    expect_stream(watch, record)
    return run_once(
        body,
        watch,
        record,
        lambda: _stream(dialect, chat_request, watch, record),
        lambda pieces: stream_late(dialect, chat_request, pieces, watch, record),
    )


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


def stream_late(
    dialect: ChatDialect,
    chat_request: ChatRequest,
    pieces: Iterator[bytes],
    watch: Watch,
    record: RequestRecord,
) -> Response:
    """Return a response that begins before its answer is there: ``pieces`` has b"" until then.

    What is raised instead of an answer becomes the dialect's error event.
    """
    ping_after = services().settings.ping_after

    def iter_written() -> Iterator[bytes]:
        try:
            yield from _iter_kept_alive(dialect, pieces, watch, record, ping_after)
        except GatewayError as error:
            record.note_error(error)
            with suppress(GatewayError):
                yield from dialect.iter_frames(map(_fail, [error]), chat_request)

    response = Response(
        stream_with_context(iter_written()),
        headers=_STREAM_HEADERS,
        content_type=dialect.CONTENT_TYPE,
    )
    record.status = 499  # until the stream has ended otherwise
    response.call_on_close(lambda: _note_end(record))
    return response


def _fail(error: GatewayError) -> list[Chunk]:
    raise error


def _iter_written(
    dialect: ChatDialect,
    frames: Iterator[bytes],
    watch: Watch,
    record: RequestRecord,
    ping_after: float,
) -> Iterator[bytes]:
    """Yield what is to be written, and note how it ended."""
    try:
        yield from _iter_kept_alive(dialect, frames, watch, record, ping_after)
        record.status = 200
    except GatewayError as error:
        record.note_error(error)


def _iter_kept_alive(
    dialect: ChatDialect,
    frames: Iterator[bytes],
    watch: Watch,
    record: RequestRecord,
    ping_after: float,
) -> Iterator[bytes]:
    """Yield frames as they come, and notes into silence."""
    has_begun = False
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


def _end(answer: ChatAnswer, record: RequestRecord) -> None:
    answer.close(finished=record.status == 200)
    _note_end(record)


def _note_end(record: RequestRecord) -> None:
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
