"""``POST /v1/chat/completions``, whole and streamed."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Blueprint, Response, g

from gateway.api.authentication import authenticate
from gateway.api.body import read_body
from gateway.api.idempotency import run_once
from gateway.api.lifecycle import answer_headers, cache_control, open_client_watch
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.dialects.openai_chat import iter_events, parse_chat_request, wants_usage
from gateway.errors import GatewayError
from gateway.inference import ChatAnswer
from gateway.sse import PING, encode_comment
from gateway.telemetry import RequestRecord
from gateway.transport import Watch
from gateway.types import ChatRequest, RawCompletion

bp = Blueprint("chat", __name__)
bp.before_request(authenticate)

_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@bp.post("/v1/chat/completions")
def create_chat_completion() -> Response:
    """Answer a chat, whole or as a stream of server-sent events."""
    record: RequestRecord = g.record
    body = read_body(services().settings.max_request_bytes)
    chat_request = parse_chat_request(body)
    record.model = chat_request["model"]
    watch = open_client_watch()
    return run_once(body, watch, record, lambda: _answer(chat_request, watch, record))


def _answer(chat_request: ChatRequest, watch: Watch, record: RequestRecord) -> Response:
    if chat_request.get("stream"):
        return _stream(chat_request, watch, record)
    asked, completion = services().inference.complete_chat(
        chat_request, watch, record, cache_control()
    )
    answer = completion.raw if isinstance(completion, RawCompletion) else completion
    return json_response(answer, headers=answer_headers(asked, record))


def _stream(chat_request: ChatRequest, watch: Watch, record: RequestRecord) -> Response:
    record.stream = True
    ping_after = services().settings.ping_after
    watch.next_ping = time.monotonic() + ping_after
    answer = services().inference.stream_chat(chat_request, watch, record, cache_control())
    frames = iter_events(answer.batches, include_usage=wants_usage(chat_request))
    response = Response(
        _iter_written(frames, watch, record, ping_after),
        headers=answer_headers(answer.asked, record) | _STREAM_HEADERS,
        content_type="text/event-stream; charset=utf-8",
    )
    record.status = 499  # until the stream has ended otherwise
    response.call_on_close(lambda: _end(answer, record))
    return response


def _iter_written(
    frames: Iterator[bytes], watch: Watch, record: RequestRecord, ping_after: float
) -> Iterator[bytes]:
    """Yield what is to be written: frames as they come, and pings into silence."""
    try:
        for data in frames:
            now = time.monotonic()
            if not data:
                if now < watch.next_ping:
                    continue
                data = encode_comment(watch.note) if watch.note else PING
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
