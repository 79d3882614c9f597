"""Having a model loaded before anybody asks it."""

from __future__ import annotations

import json
import time

import pytest

from app import build_backends
from gateway.config.settings import ProviderSettings, Settings, Timeouts
from gateway.errors import GatewayError, InvalidRequestError
from gateway.inference.warming import iter_warm
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, answer, replay, serve_upstream


def warm(upstream: Upstream | None, name: str = "tiny", load_timeout: float = 5.0) -> list[float]:
    url = "http://127.0.0.1:1" if upstream is None else upstream.url
    providers = {
        "ollama": ProviderSettings(
            "ollama", "ollama", url, timeouts=Timeouts(first_byte=0.1), load_timeout=load_timeout
        ),
        "demo": ProviderSettings("demo", "demo", "demo://echo"),
    }
    backends = build_backends(Settings(providers, "ollama"))
    try:
        return list(iter_warm(backends, name))
    finally:
        for each in backends.upstreams.values():
            each.close()


def test_a_model_is_loaded_by_the_recorded_request() -> None:
    with serve_upstream() as upstream:
        upstream.routes["/api/chat"] = replay(load("ollama", "load"))
        assert warm(upstream) == []
        (request,) = upstream.requests
        assert json.loads(request.body) == {"model": "tiny", "messages": [], "stream": False}


def test_a_load_may_take_longer_than_an_answer_and_is_reported() -> None:
    def load_slowly(request: Request, connection: Connection) -> None:
        time.sleep(1.3)
        connection.send_json({"done": True, "done_reason": "load"})

    with serve_upstream() as upstream:
        upstream.routes["/api/chat"] = load_slowly
        first, *_ = warm(upstream)
        assert 0.9 < first < 3


def be_silent(request: Request, connection: Connection) -> None:
    connection.wait_closed()


@pytest.mark.parametrize("kind", ["refused", "not found", "too slow"])
def test_why_a_model_is_not_loaded_is_said(kind: str) -> None:
    with serve_upstream() as upstream:
        upstream.routes["/api/chat"] = answer(b'{"error":"model \'tiny\' not found"}', 404)
        if kind == "too slow":
            upstream.routes["/api/chat"] = be_silent
        with pytest.raises(GatewayError) as caught:
            warm(None if kind == "refused" else upstream, load_timeout=0.2)
    assert caught.value.status == {"refused": 502, "not found": 404, "too slow": 504}[kind]


def test_others_have_no_model_to_load() -> None:
    with pytest.raises(InvalidRequestError, match="demo is a provider of kind demo"):
        warm(None, "demo/echo")
