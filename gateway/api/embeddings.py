"""``POST /v1/embeddings``."""

from __future__ import annotations

from flask import Blueprint, Response, g

from gateway.api.authentication import authenticate
from gateway.api.body import read_body
from gateway.api.idempotency import run_once
from gateway.api.lifecycle import answer_headers, cache_control, open_client_watch
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.dialects.openai_embeddings import encode_embeddings, parse_embeddings_request
from gateway.telemetry import RequestRecord

bp = Blueprint("embeddings", __name__)
bp.before_request(authenticate)


@bp.post("/v1/embeddings")
def create_embeddings() -> Response:
    """Answer with the embeddings of one or several inputs."""
    record: RequestRecord = g.record
    body = read_body(services().settings.max_request_bytes)
    request = parse_embeddings_request(body)
    record.model, record.operation = request["model"], "embeddings"
    watch = open_client_watch()

    def answer() -> Response:
        asked, embeddings = services().inference.embed(request, watch, record, cache_control())
        encoded = encode_embeddings(embeddings, request)
        return json_response(encoded, headers=answer_headers(asked, record))

    return run_once(body, watch, record, answer)
