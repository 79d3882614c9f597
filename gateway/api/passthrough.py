"""Images, audio, moderations, reranking: passed through where a provider speaks OpenAI's format.

Knows Flask, and where each operation has its model. Must not know anything else of them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from flask import Blueprint, Response, g, request

from gateway.api.authentication import authenticate
from gateway.api.body import read_body
from gateway.api.idempotency import run_once
from gateway.api.lifecycle import answer_headers, open_client_watch
from gateway.api.multipart import read_field
from gateway.api.services import services
from gateway.dialects.envelope import check_model, parse_object
from gateway.dialects.openai_chat import encode_error_event
from gateway.errors import GatewayError
from gateway.inference import PassedAnswer
from gateway.serialization import dumps
from gateway.telemetry import RequestRecord
from gateway.types import PassthroughRequest

bp = Blueprint("passthrough", __name__)
bp.before_request(authenticate)

_JSON = "application/json"
_DEFAULT_MODELS = {"/moderations": "omni-moderation-latest"}
"""OpenAI's own, where a request need not name one."""


@bp.post("/v1/images/generations")
def create_image() -> Response:
    """Make images of a text."""
    return _pass_on("/images/generations")


@bp.post("/v1/images/edits")
def edit_image() -> Response:
    """Make images of others."""
    return _pass_on("/images/edits")


@bp.post("/v1/audio/speech")
def create_speech() -> Response:
    """Speak a text."""
    return _pass_on("/audio/speech")


@bp.post("/v1/audio/transcriptions")
def create_transcription() -> Response:
    """Write down what is said."""
    return _pass_on("/audio/transcriptions")


@bp.post("/v1/audio/translations")
def create_translation() -> Response:
    """Write down in English what is said."""
    return _pass_on("/audio/translations")


@bp.post("/v1/moderations")
def create_moderation() -> Response:
    """Judge texts and images."""
    return _pass_on("/moderations")


@bp.post("/v1/rerank")
def create_ranking() -> Response:
    """Order documents by what they have to do with a question."""
    return _pass_on("/rerank")


def _pass_on(operation: str) -> Response:
    record: RequestRecord = g.record
    body = read_body(services().settings.max_request_bytes)
    passed = _parse(operation, body)
    record.model, record.operation = passed.model, operation.strip("/")
    watch = open_client_watch()

    def answer() -> Response:
        passed_answer = services().inference.pass_on(passed, watch, record)
        response = Response(
            _iter_written(passed_answer, record),
            headers=answer_headers(passed_answer.asked, record) | {"X-Accel-Buffering": "no"},
            content_type=passed_answer.content_type,
        )
        record.status = 499  # until the answer has ended otherwise
        response.call_on_close(lambda: _end(passed_answer, record))
        return response

    return run_once(body, watch, record, answer)


def _parse(operation: str, body: bytes) -> PassthroughRequest:
    """Return the request; raises ``InvalidRequestError``."""
    content_type = request.content_type or _JSON
    if content_type.startswith("multipart/"):
        model, build_body = read_field(body, content_type, "model")
        fields = {"model": model or _DEFAULT_MODELS.get(operation)}
        check_model(fields)
        model = str(fields["model"])
        return PassthroughRequest(operation, model, content_type, build_body, len(body))
    asked = parse_object(body)
    if asked.get("model") is None and operation in _DEFAULT_MODELS:
        asked["model"] = _DEFAULT_MODELS[operation]
    check_model(asked)
    return PassthroughRequest(
        operation,
        asked["model"],
        _JSON,
        lambda model: dumps({**asked, "model": model}),
        len(body),
    )


def _iter_written(answer: PassedAnswer, record: RequestRecord) -> Iterator[bytes]:
    """Yield the answer; where it breaks off, an event tells that, or else the connection's end."""
    record.stream = answer.content_type.startswith("text/event-stream")
    try:
        yield from answer.iter_pieces()
        record.status = 200
    except GatewayError as error:
        record.note_error(error)
        if not record.stream:
            raise ConnectionResetError(errno.ECONNRESET, "the answer is not complete") from error
        yield encode_error_event(error)


def _end(answer: PassedAnswer, record: RequestRecord) -> None:
    answer.close(finished=record.status == 200)
    if record.status == 499 and not record.error:
        record.error = "client_closed_request"
