"""Ollama's API: chats, completions, embeddings and lists; nothing that changes a server.

Knows Flask. What is written is decided in ``gateway.dialects.ollama``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g

from gateway.api.authentication import authenticate
from gateway.api.body import read_body
from gateway.api.chatting import ClientHeaders, answer_chat_request
from gateway.api.idempotency import run_once
from gateway.api.lifecycle import answer_headers, cache_control, open_client_watch
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.dialects.base import ChatDialect
from gateway.dialects.envelope import parse_object
from gateway.dialects.ollama import chat, generate
from gateway.dialects.ollama.answer import format_now, message_of, response_of
from gateway.dialects.ollama.embeddings import (
    encode_embed,
    encode_old,
    parse_embed_request,
    parse_old_request,
)
from gateway.dialects.ollama.fields import read_name
from gateway.dialects.ollama.models import API_VERSION, build_loaded, build_show, build_tags
from gateway.errors import PermissionDeniedError
from gateway.types import EmbeddingsRequest

bp = Blueprint("ollama", __name__)
bp.before_request(authenticate)

lists = Blueprint("ollama_lists", __name__)
lists.before_request(authenticate)

PREFIX = "/api/"
"""What all its paths begin with."""


@bp.post("/api/chat")
def create_chat() -> Response:
    """Answer a chat; without messages, load the model."""
    return _answer(chat)


@bp.post("/api/generate")
def create_completion() -> Response:
    """Complete a prompt; without one, load the model."""
    return _answer(generate)


@bp.post("/api/embed")
def create_embeddings() -> Response:
    """Answer with the embeddings of one or several inputs."""
    began = time.monotonic_ns()

    def encode(embeddings: dict[str, Any], model: str) -> dict[str, Any]:
        return encode_embed(embeddings, model, time.monotonic_ns() - began)

    return _embed(parse_embed_request, encode)


@bp.post("/api/embeddings")
def create_embedding() -> Response:
    """Answer with the embedding of one prompt, as older clients ask for it."""
    return _embed(parse_old_request, lambda embeddings, model: encode_old(embeddings))


@lists.get("/api/tags")
def list_tags() -> Response:
    """List every name that works as ``model``."""
    return json_response(build_tags(services().catalog.list_models(g.principal.models)))


@lists.post("/api/show")
def show_model() -> Response:
    """Describe one model."""
    asked = parse_object(read_body(services().settings.max_request_bytes))
    read_name(asked)
    g.record.model = asked["model"]
    model = services().catalog.describe_model(asked["model"], g.principal.models)
    return json_response(build_show(model))


@lists.get("/api/ps")
def list_loaded() -> Response:
    """List the models that are in memory, as far as providers tell."""
    return json_response(build_loaded(services().catalog.list_loaded(g.principal.models)))


@lists.get("/api/version")
def tell_version() -> Response:
    """Tell which version of Ollama's API this is."""
    return json_response({"version": API_VERSION})


def _answer(dialect: ChatDialect) -> Response:
    body = read_body(services().settings.max_request_bytes)
    parsed = dialect.parse_request(body, ClientHeaders())
    if parsed["messages"]:
        return answer_chat_request(dialect, parsed, body)
    g.record.model = parsed["model"]
    return _load(dialect, parsed["model"], parse_object(body).get("keep_alive"))


def _load(dialect: ChatDialect, model: str, keep_alive: Any) -> Response:
    """Load a model, as clients do before they ask; unloading one is for the operator."""
    if keep_alive is not None and keep_alive in (0, "0", "0s"):
        raise PermissionDeniedError("Models can't be unloaded through the gateway.")
    services().inference.load_model(model, g.record)
    said = message_of({"content": ""}) if dialect is chat else response_of({"content": ""})
    return json_response(
        {"model": model, "created_at": format_now(), **said, "done": True, "done_reason": "load"}
    )


def _embed(
    parse: Callable[[bytes], tuple[EmbeddingsRequest, tuple[str, ...]]],
    encode: Callable[[dict[str, Any], str], dict[str, Any]],
) -> Response:
    record = g.record
    body = read_body(services().settings.max_request_bytes)
    embeddings_request, untranslated = parse(body)
    record.model = embeddings_request["model"]
    watch = open_client_watch()

    def answer() -> Response:
        asked, embeddings = services().inference.embed(
            embeddings_request, watch, record, cache_control()
        )
        headers = answer_headers(asked.also_dropping(untranslated), record)
        return json_response(encode(embeddings, record.model), headers=headers)

    return run_once(body, watch, record, answer)
