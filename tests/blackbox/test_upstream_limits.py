"""What a provider says of its own limits reaches the client, apart from what the gateway says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.blackbox.wire import openai_event
from tests.gateway_process import Gateway, run_gateway
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, replay, serve_upstream, stream

PREFIX = "x-gateway-upstream-"
SENT = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-tokens": "199000",
    "x-ratelimit-reset-tokens": "6m0s",
}
TOLD = {f"{PREFIX}{name.removeprefix('x-')}": value for name, value in SENT.items()}
SECRET = {"openai-organization": "org-canary", "set-cookie": "canary=1", "x-other": "canary"}
COMPLETION = load("openai", "whole-toolresult-gpt-3-5-turbo").body
EMBEDDINGS = b'{"object":"list","model":"m","data":[{"index":0,"embedding":[1.0]}]}'


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serve_upstream() as served:
        yield served


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {
        "providers": {
            "o": {"kind": "openai", "base_url": f"{upstream.url}/v1"},
            "spent": {"kind": "openai", "base_url": f"{upstream.url}/spent"},
            "claude": {"kind": "anthropic", "base_url": upstream.url},
        },
        "models": {"kept": {"targets": ["spent/m", "o/m"], "cache": {"ttl": 60}}},
    }
    with run_gateway(tmp_path_factory.mktemp("limits"), config=config) as running:
        yield running


@pytest.fixture(autouse=True)
def scripted(upstream: Upstream) -> None:
    def answer(body: bytes, content_type: str = "application/json", status: int = 200) -> Any:
        def handle(request: Request, connection: Connection) -> None:
            connection.send_answer(body, status, {**SENT, **SECRET, "Content-Type": content_type})

        return handle

    def refuse(request: Request, connection: Connection) -> None:
        headers = {"Retry-After": "7", "x-ratelimit-remaining-requests": "0"}
        connection.send_answer(b'{"error":{"message":"Too many."}}', 429, headers)

    upstream.reset(
        {
            "/v1/chat/completions": answer(COMPLETION),
            "/v1/embeddings": answer(EMBEDDINGS),
            "/v1/audio/speech": answer(b"sound", "audio/mpeg"),
            "/v1/moderations": answer(b'{"error":{"message":"Bad input."}}', status=400),
            "/spent/chat/completions": refuse,
        }
    )


def told(response: requests.Response) -> dict[str, str]:
    """Return what is told of the upstream's limits, where nothing else of its headers is."""
    assert "canary" not in str(response.headers)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return {name: value for name, value in headers.items() if name.startswith(PREFIX)}


def test_a_whole_answer_tells_them_beside_the_gateways_own(gateway: Gateway) -> None:
    response = gateway.chat("o/m")
    assert response.status_code == 200, response.text
    assert told(response) == TOLD
    assert response.headers["x-ratelimit-limit-requests"] == "1000000"


def test_a_stream_tells_them(gateway: Gateway, upstream: Upstream) -> None:
    events = [openai_event({"content": "Hi"}), openai_event({}, "stop")]
    headers = {**SENT, **SECRET, "Content-Type": "text/event-stream"}
    upstream.routes["/v1/chat/completions"] = stream(events, headers=headers)
    assert told(gateway.chat("o/m", stream=True)) == TOLD


@pytest.mark.parametrize("path", ["embeddings", "audio/speech"])
def test_other_operations_tell_them(gateway: Gateway, path: str) -> None:
    response = gateway.post(f"/v1/{path}", {"model": "o/m", "input": "hi", "voice": "alloy"})
    assert response.status_code == 200, response.text
    assert told(response) == TOLD


def test_errors_that_are_passed_on_tell_them(gateway: Gateway) -> None:
    response = gateway.post("/v1/moderations", {"model": "o/m", "input": "hi"})
    assert response.status_code == 400
    assert told(response) == TOLD
    response = gateway.chat("spent/m2")
    assert response.status_code == 429
    assert told(response) == {
        f"{PREFIX}ratelimit-remaining-requests": "0",
        f"{PREFIX}retry-after": "7",
    }


def test_of_several_targets_the_one_that_answered_counts_and_a_stored_answer_tells_none(
    gateway: Gateway,
) -> None:
    first = gateway.chat("kept", temperature=0)
    assert (first.headers["x-gateway-provider"], told(first)) == ("o", TOLD)
    again = gateway.chat("kept", temperature=0)
    assert (again.headers["x-gateway-cache"], told(again)) == ("hit", {})


def test_anthropics_are_told_under_the_same_names(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("anthropic", "stream-tools-claude-haiku-4-5"))
    response = gateway.chat("claude/claude-haiku-4-5", stream=True)
    limits = told(response)
    assert limits.pop(f"{PREFIX}ratelimit-remaining-requests") == "19999"
    assert limits.pop(f"{PREFIX}ratelimit-reset-tokens") == "0s"  # of a recording
    assert len(limits) == 10
