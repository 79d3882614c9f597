"""Two gateways for all black-box tests, one of them impatient, and the upstream behind both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway_process import Gateway, run_gateway
from tests.recordings import load
from tests.upstream import Upstream, answer, replay, serve_upstream

PROVIDER_KEY = "sk-provider-0123456789-canary"
"""The key the gateway has for its OpenAI upstream; no client may ever see it."""

OPENAI_MODELS = (
    b'{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1721172741,'
    b'"owned_by":"system"}]}'
)


def build_config(upstream: Upstream) -> dict[str, Any]:
    """Return a ``gateway.yaml`` with both kinds of provider at the same fake upstream."""
    return {
        "providers": {
            "ollama": {
                "kind": "ollama",
                "base_url": upstream.url,
                "models": {"seeing": {"capabilities": ["completion", "vision"]}},
            },
            "openai": {
                "kind": "openai",
                "base_url": f"{upstream.url}/v1",
                "api_key": PROVIDER_KEY,
            },
            "chatty": {"kind": "openai", "base_url": f"{upstream.url}/v1"},
        },
        "models": {"fast": {"targets": ["ollama/tiny"]}},
    }


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    with serve_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def shared_gateway(
    shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("gateway")
    with run_gateway(directory, config=build_config(shared_upstream), WEB_CONCURRENCY="2") as it:
        yield it


@pytest.fixture(scope="session")
def shared_impatient(
    shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with run_gateway(
        tmp_path_factory.mktemp("impatient"),
        config=build_config(shared_upstream),
        CONNECT_TIMEOUT="0.5",
        FIRST_BYTE_TIMEOUT="1.5",
        IDLE_TIMEOUT="2",
        REQUEST_TIMEOUT="3",
        PING_AFTER="0.4",
        MAX_REQUEST_BYTES=str(1024 * 1024),
    ) as it:
        yield it


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    """Return the upstream, with its lists of models and nothing else scripted.

    Like an old Ollama it does not tell which models are loaded.
    """
    shared_upstream.reset(
        {
            "/api/tags": replay(load("ollama", "tags")),
            "/api/ps": answer(b"404 page not found", 404, "text/plain"),
            "/v1/models": answer(OPENAI_MODELS),
        }
    )
    return shared_upstream


@pytest.fixture
def gateway(shared_gateway: Gateway, upstream: Upstream) -> Gateway:
    """Return a gateway with two workers and the default deadlines."""
    return shared_gateway


@pytest.fixture
def impatient(shared_impatient: Gateway, upstream: Upstream) -> Gateway:
    """Return a gateway with one worker, short deadlines, early pings and a small body limit."""
    return shared_impatient
