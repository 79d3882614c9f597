"""The list of models, over providers that answer and providers that don't."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from tests.blackbox.wire import NDJSON, SSE, ollama_line, openai_event
from tests.gateway_process import Gateway, find_free_port, run_gateway
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, answer, replay

CHAT = "/v1/chat/completions"


def answer_chat(request: Request, connection: Connection) -> None:
    """Answer as the provider whose path was asked."""
    if request.path == "/api/chat":
        connection.send_answer(ollama_line("one", done=True), 200, NDJSON)
        return
    if request.json().get("stream"):
        event = openai_event({"role": "assistant", "content": "one"}, "stop")
        connection.send_answer(event + b"data: [DONE]\n\n", 200, SSE)
        return
    connection.send_answer(load("openai", "whole-plain-gpt-5").body, 200, NDJSON)


def test_every_listed_id_works_as_model(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = answer_chat
    listed = gateway.get("/v1/models").json()
    assert listed["object"] == "list"
    ids = [model["id"] for model in listed["data"]]
    assert {"fast", "openai/gpt-4o-mini"} <= set(ids)
    assert len(ids) >= 8
    for model in listed["data"]:
        assert set(model) >= {"id", "object", "created", "owned_by"}
        assert gateway.chat(model["id"]).status_code == 200, model
        for path in (model["id"], quote(model["id"], safe="")):
            got = gateway.get(f"/v1/models/{path}")
            assert got.status_code == 200, path
            assert got.json()["id"] == model["id"]


def test_answer_tells_who_gave_it(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = answer_chat
    for streamed in (False, True):
        got = gateway.chat("fast", stream=streamed)
        assert got.headers["x-gateway-provider"] == "ollama"
        assert got.headers["x-gateway-model"] == "tiny"
        assert got.headers["x-gateway-attempts"] == "1"
    assert gateway.chat("fast").json()["model"] == "fast"
    # A name without a prefix is the default provider's.
    assert gateway.chat("tiny:latest").headers["x-gateway-provider"] == "ollama"
    assert upstream.asked("/api/chat")[-1].json()["model"] == "tiny:latest"


def test_dropped_parameters_are_told(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = answer_chat
    got = gateway.chat("ollama/tiny", num_ctx=100, keep_alive=0)
    assert got.status_code == 200
    dropped = got.headers["x-gateway-dropped-params"]
    assert {name.strip() for name in dropped.split(",")} == {"num_ctx", "keep_alive"}
    asked = upstream.asked("/api/chat")[0].json()
    assert "keep_alive" not in asked
    assert "num_ctx" not in asked.get("options", {})


def test_unknown_model_is_a_404(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "error-model-not-found"))
    for got in (gateway.chat("ollama/nope"), gateway.get("/v1/models/ollama/nope")):
        assert got.status_code == 404
        assert got.json()["error"]["code"] == "model_not_found"
        assert "nope" in got.json()["error"]["message"]


def test_model_nobody_listed_is_still_asked(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = answer_chat
    assert gateway.chat("ollama/pulled-a-second-ago").status_code == 200
    assert gateway.chat("openai/gpt-of-tomorrow").status_code == 200


def test_tools_for_a_model_without_them_are_refused_by_name(
    gateway: Gateway, upstream: Upstream
) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    for fields, param in (
        ({"tools": tools}, "tools"),
        ({"messages": [{"role": "user", "content": [image]}]}, "messages"),
    ):
        got = gateway.chat("fast", **fields)
        assert got.status_code == 400, param
        error = got.json()["error"]
        assert error["param"].startswith(param)
        assert "fast" in error["message"]
    assert upstream.asked("/api/chat") == []


def test_provider_that_is_down_does_not_take_the_list_down(
    tmp_path: Path, upstream: Upstream
) -> None:
    providers = {
        "down": {"kind": "ollama", "base_url": f"http://127.0.0.1:{find_free_port()}"},
        "strange": {"kind": "ollama", "base_url": f"{upstream.url}/strange"},
        "up": {"kind": "openai", "base_url": upstream.url, "api_key": "sk-0123456789abcdef"},
    }
    upstream.routes["/strange/api/tags"] = answer(b"<html>", 200, "text/html")
    with run_gateway(tmp_path, config={"providers": providers}) as gateway:
        ids = [model["id"] for model in gateway.get("/v1/models").json()["data"]]
        assert ids == ["up/gpt-4o-mini"]
        ready = gateway.get("/health/ready")
        assert ready.status_code == 200
    (asked, *_) = upstream.asked("/v1/models")
    assert asked.headers["authorization"] == "Bearer sk-0123456789abcdef"


def test_embeddings_go_to_openai_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    recording = load("openai", "embeddings-text-embedding-3-small")
    upstream.handler = replay(recording)
    body = dict(recording.request["body"])
    got = gateway.post("/v1/embeddings", {**body, "model": "openai/" + body["model"]})
    assert got.json() == json.loads(recording.body)
    assert upstream.asked("/v1/embeddings")[0].json() == body
