"""Which target is asked first, who is able, and what it gets: as the upstreams saw it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.resilience.acting import CHAT, fail, gate, say, seen
from tests.blackbox.resilience.asking import at_once, open_chat, text_of
from tests.blackbox.resilience.conftest import TakeRoute
from tests.blackbox.wire import NDJSON, ollama_line
from tests.gateway_process import Gateway, run_gateway
from tests.upstream import Upstream, answer, stream

SHOWN = (
    b'{"capabilities":["completion"],"details":{},"model_info":'
    b'{"general.architecture":"llama","llama.context_length":3000}}'
)
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "s", "schema": {"type": "object", "properties": {}}},
}
NEEDS: dict[str, dict[str, Any]] = {
    "tools": {"tools": TOOLS},
    "images": {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, IMAGE]}]},
    "schema": {"response_format": SCHEMA},
    "reasoning": {"reasoning_effort": "low"},
}


def test_fallback_asks_the_first_as_long_as_it_answers(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    route = take("pair")
    first.handler = say("first")
    got = [gateway.chat(route.name) for _ in range(10)]
    assert [text_of(each) for each in got] == ["first"] * 10
    assert {each.headers["x-gateway-attempts"] for each in got} == {"1"}
    assert seen(second, route.model) == []


def test_weighted_shares_by_weight(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    route = take("lot")
    first.handler, second.handler = say("first"), say("second")

    def ask(number: int) -> list[str]:
        return [text_of(gateway.chat(route.name)) for _ in range(50)]

    shares = Counter(text for texts in at_once(6, ask) for text in texts)
    # 3 of 4 of 300: five standard deviations (7.5) to either side of 225.
    assert 187 <= shares["first"] <= 263
    assert shares["first"] == len(seen(first, route.model))
    assert shares["second"] == len(seen(second, route.model)) == 300 - shares["first"]


def test_weighted_falls_back_to_the_other(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    route = take("lot")
    first.handler, second.handler = fail(401), say("second")
    got = [text_of(gateway.chat(route.name)) for _ in range(10)]
    assert got == ["second"] * 10


def test_least_busy_counts_open_requests_over_all_workers(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    route = take("calm")
    with gate(first, "first") as one, gate(second, "second") as other:
        clients = []
        for number in range(8):
            clients.append(open_chat(gateway, route.name))
            (other if number % 2 else one).wait_until_asked()
        assert (len(seen(first, route.model)), len(seen(second, route.model))) == (4, 4)
        other.open()
        for client in clients[1::2]:
            with client.getresponse() as response:
                assert b"second" in response.read()
        assert [text_of(gateway.chat(route.name)) for _ in range(4)] == ["second"] * 4
        one.open()
        for client in clients[::2]:
            with client.getresponse() as response:
                assert b"first" in response.read()
        for client in clients:
            client.close()


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
def test_fastest_measures_all_then_prefers_the_fast_one(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute, is_stream: bool
) -> None:
    route = take("quick")
    first.handler, second.handler = say("slow", after=0.25), say("fast")

    def ask() -> str:
        return text_of(gateway.chat(route.name, stream=is_stream))

    until = time.monotonic() + 10
    while not (seen(first, route.model) and seen(second, route.model)):
        assert time.monotonic() < until
        ask()
    # A worker tells the others of its successes four times a second.
    time.sleep(0.3)
    for _ in range(4):
        ask()
    got = Counter(ask() for _ in range(80))
    # 1 of 20 explores: 4 are expected, and more than 14 once in 100 000 times.
    assert got["slow"] <= 14


def test_cheapest_goes_by_price_and_no_price_is_last(
    gateway: Gateway, first: Upstream, second: Upstream, third: Upstream, take: TakeRoute
) -> None:
    route = take("thrift")
    for name, upstream in (("first", first), ("second", second), ("third", third)):
        upstream.handler = say(name)
    assert text_of(gateway.chat(route.name)) == "third"  # 3 * 1 + 10 < 3 * 2 + 8
    third.handler = fail(401)
    assert text_of(gateway.chat(route.name)) == "second"
    second.handler = fail(401)
    assert text_of(gateway.chat(route.name)) == "first"


def test_set_and_drop_change_what_one_target_gets_and_the_client_is_told(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    route = take("changed")
    first.handler, second.handler = say("first"), say("second")
    fields: dict[str, Any] = {"temperature": 1, "logit_bias": {"50": 1}, "top_p": 0.9}
    got = gateway.chat(route.name, **fields)
    assert set(got.headers["x-gateway-dropped-params"].split(", ")) == {"temperature", "logit_bias"}
    (body,) = seen(first, route.model)
    assert (body["temperature"], body["top_p"], "logit_bias" in body) == (0.5, 0.9, False)
    first.handler = fail(401)
    got = gateway.chat(route.name, **fields)
    assert "x-gateway-dropped-params" not in got.headers
    (body,) = seen(second, route.model)
    assert {name: body[name] for name in fields} == fields


@pytest.mark.parametrize("need", NEEDS)
def test_request_goes_only_to_targets_able_to_take_it(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute, need: str
) -> None:
    route = take("plain")
    first.handler, second.handler = say("first"), say("second")
    assert text_of(gateway.chat(route.name)) == "first"
    assert text_of(gateway.chat(route.name, **NEEDS[need])) == "second"
    assert len(seen(first, route.model)) == 1


def test_too_long_a_prompt_goes_only_to_a_longer_context(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    route = take("short")
    first.handler, second.handler = say("first"), say("second")
    long = [{"role": "user", "content": "word " * 2000}]
    assert text_of(gateway.chat(route.name)) == "first"
    assert text_of(gateway.chat(route.name, messages=long)) == "second"
    assert len(seen(first, route.model)) == 1


def test_environment_alone_gives_a_fallback_that_knows_what_ollama_can_do(
    first: Upstream, second: Upstream, tmp_path: Path
) -> None:
    """``FALLBACK_MODEL``; and what Ollama tells of its models decides who is able."""
    listed = b'{"models":[{"name":"tiny:latest","model":"tiny:latest"}]}'
    chat = stream([ollama_line("from Ollama", done=True)], 200, NDJSON)
    first.routes = {
        "/api/tags": answer(listed),
        "/api/show": answer(SHOWN),
        "/api/ps": answer(listed),
        "/api/chat": chat,
    }
    second.handler = say("from the cloud")
    with run_gateway(
        tmp_path,
        OLLAMA_BASE_URL=first.url,
        OPENAI_BASE_URL=f"{second.url}/v1",
        OPENAI_API_KEY="sk-provider-canary",
        FALLBACK_MODEL="openai/gpt-4.1-nano",
    ) as gateway:
        assert text_of(gateway.chat("tiny")) == "from Ollama"
        assert second.asked(CHAT) == []
        assert text_of(gateway.chat("tiny", tools=TOOLS)) == "from the cloud"
        long = [{"role": "user", "content": "word " * 5000}]
        assert text_of(gateway.chat("tiny", messages=long)) == "from the cloud"
        assert len(first.asked("/api/chat")) == 1
        first.routes["/api/chat"] = answer(b'{"error":"model \'tiny\' not found"}', 404)
        for streamed in (False, True):
            assert text_of(gateway.chat("tiny", stream=streamed)) == "from the cloud"
        first.routes["/api/chat"] = lambda request, connection: connection.reset()
        assert text_of(gateway.chat("ollama/tiny")) == "from the cloud"
    assert {body["model"] for body in (each.json() for each in second.asked(CHAT))} == {
        "gpt-4.1-nano"
    }
    assert len(second.asked(CHAT)) == 5
