"""The cache of exact repeats: who gets a stored answer, how it is told, and what is never kept."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from openai import OpenAI

from tests.blackbox.late_redis import show_while_redis_is_in_time
from tests.blackbox.repeats import (
    CHAT,
    CLIENTS,
    OTHER_KEY,
    Gate,
    Numbered,
    ask,
    ask_at_once,
    build_cached_config,
    fresh,
    stream_of,
    text_of,
)
from tests.blackbox.wire import NDJSON, assert_promises_kept, ollama_line
from tests.chaos.trouble import run_redis
from tests.gateway_process import USER_KEY, Gateway, run_gateway
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, answer, replay, stream

MEBIBYTE = 1024 * 1024
EMBEDDINGS = "/v1/embeddings"


@pytest.fixture(scope="module")
def cached_gateway(
    shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with run_gateway(
        tmp_path_factory.mktemp("cached"),
        config=build_cached_config(shared_upstream, ttl=300),
        WEB_CONCURRENCY="4",
        GATEWAY_API_KEYS=f"{USER_KEY},{OTHER_KEY}",
    ) as gateway:
        yield gateway


@pytest.fixture
def cached(cached_gateway: Gateway, upstream: Upstream) -> Gateway:
    """Return a gateway of four workers with the cache on; the upstream numbers its answers."""
    upstream.routes["/api/chat"] = Numbered()
    return cached_gateway


def status_of(response: requests.Response) -> str:
    return response.headers["x-gateway-cache"]


def poll(ask_again: Callable[[], requests.Response], until: Callable[[Any], bool]) -> Any:
    """Return the first answer for which ``until`` is true."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        response = ask_again()
        if until(response):
            return response
        time.sleep(0.05)
    raise AssertionError(f"it stays so: {response.headers}")


def test_repeat_is_answered_from_the_cache(cached: Gateway, upstream: Upstream) -> None:
    body = fresh()
    first, second = ask(cached, body), ask(cached, body)
    assert (status_of(first), status_of(second)) == ("miss", "hit")
    assert "Age" not in first.headers
    assert 0 <= int(second.headers["Age"]) < 10
    assert first.json() == second.json()
    for name in ("x-gateway-provider", "x-gateway-model"):
        assert first.headers[name] == second.headers[name]
    assert len(upstream.asked("/api/chat")) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_hit_is_told_as_it_is_asked_for(
    cached: Gateway, upstream: Upstream, streamed: bool
) -> None:
    body = fresh()
    first = ask(cached, body | {"stream": not streamed})
    second = ask(cached, body | {"stream": streamed})
    assert (status_of(first), status_of(second)) == ("miss", "hit")
    assert text_of(first) == text_of(second) == "answer 1 in full"
    if streamed:
        assert_promises_kept(stream_of(second))
    else:
        assert second.json()["usage"]["total_tokens"] == 4
    assert len(upstream.asked("/api/chat")) == 1


def test_hit_as_a_stream_has_its_usage_if_asked(cached: Gateway) -> None:
    body = fresh()
    usage = ask(cached, body).json()["usage"]
    hit = ask(cached, body | {"stream": True, "stream_options": {"include_usage": True}})
    assert status_of(hit) == "hit"
    assert_promises_kept(stream_of(hit), usage=True)
    assert stream_of(hit).chunks[-1]["usage"] == usage


@pytest.mark.parametrize("recording", ["chat-whole", "tools-parallel-whole", "think-whole"])
def test_openais_sdk_reads_a_replayed_stream(
    cached: Gateway, upstream: Upstream, recording: str
) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", recording))
    body = fresh()
    kept = ask(cached, body).json()["choices"][0]
    with (
        OpenAI(base_url=cached.url + "/v1", api_key=cached.key, max_retries=0) as client,
        client.chat.completions.stream(
            model="chat", messages=body["messages"], temperature=0
        ) as got,
    ):
        (choice,) = got.get_final_completion().choices
    assert len(upstream.asked("/api/chat")) == 1
    assert choice.finish_reason == kept["finish_reason"]
    assert (choice.message.content or "") == (kept["message"].get("content") or "")
    calls = [(call.id, call.function.arguments) for call in choice.message.tool_calls or ()]
    asked = [
        (call["id"], call["function"]["arguments"])
        for call in kept["message"].get("tool_calls", ())
    ]
    assert calls == asked


@pytest.mark.parametrize("streamed", [False, True])
def test_answers_of_openai_are_kept_as_they_came(
    cached: Gateway, upstream: Upstream, streamed: bool
) -> None:
    recording = load("openai", "whole-tools-gpt-4o")
    upstream.routes["/v1/chat/completions"] = answer(recording.body)
    body = fresh(model="cloud")
    assert status_of(ask(cached, body)) == "miss"
    hit = ask(cached, body | {"stream": streamed})
    assert status_of(hit) == "hit"
    if streamed:
        assert_promises_kept(stream_of(hit))
    else:
        assert hit.json() == json.loads(recording.body)


def test_embeddings_are_kept(cached: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/embed"] = replay(load("ollama", "embed"))
    body = {"model": "vectors", "input": ["a b", "c"]}
    first = cached.post(EMBEDDINGS, body)
    hit = cached.post(EMBEDDINGS, body)
    packed = cached.post(EMBEDDINGS, body | {"encoding_format": "base64"})
    assert first.status_code == 200, first.text
    assert (status_of(first), status_of(hit)) == ("miss", "hit")
    assert first.json() == hit.json()
    assert 0 <= int(hit.headers["Age"]) < 10
    assert isinstance(packed.json()["data"][0]["embedding"], str)
    other = cached.post(EMBEDDINGS, body | {"input": ["c", "a b"]})
    assert status_of(other) == "miss"


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 1},
        {"messages": [{"role": "user", "content": "something else"}]},
        {"max_tokens": 5},
        {"model": "ollama/tiny"},
    ],
)
def test_other_request_is_another_answer(cached: Gateway, fields: dict[str, Any]) -> None:
    body = fresh(seed=1)
    assert text_of(ask(cached, body)) == "answer 1 in full"
    other = ask(cached, body | fields)
    assert status_of(other) == "miss"
    assert text_of(other) == "answer 2 in full"


@pytest.mark.parametrize(
    ("written", "again"),
    [
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"user": "one"}, {"user": "two"}),
        ({"stop": None}, {}),
    ],
)
def test_same_request_written_otherwise_is_a_repeat(
    cached: Gateway, written: dict[str, Any], again: dict[str, Any]
) -> None:
    body = fresh()
    assert status_of(ask(cached, body | written)) == "miss"
    assert status_of(ask(cached, dict(reversed(list((body | again).items()))))) == "hit"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"temperature": 0}, ["miss", "hit"]),
        ({"temperature": 0.7, "seed": 7}, ["miss", "hit"]),
        ({"temperature": 0.7}, ["bypass", "bypass"]),
        ({"temperature": None}, ["bypass", "bypass"]),
        ({"temperature": 0.7, "model": "poet"}, ["miss", "hit"]),
        ({"temperature": 0, "model": "never"}, ["bypass", "bypass"]),
    ],
)
def test_only_what_is_deterministic_is_kept_unless_configured(
    cached: Gateway, upstream: Upstream, fields: dict[str, Any], expected: list[str]
) -> None:
    body = fresh() | fields
    assert [status_of(ask(cached, body)) for _ in range(2)] == expected
    assert len(upstream.asked("/api/chat")) == 2 - expected.count("hit")


def test_without_configuration_nothing_is_kept(gateway: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = Numbered()
    body = fresh(model="fast")
    headers = {"Cache_Control": "max-age=60"}
    assert [status_of(ask(gateway, body, **headers)) for _ in range(2)] == ["bypass"] * 2
    assert len(upstream.asked("/api/chat")) == 2


@pytest.mark.parametrize("directive", ["no-cache", "max-age=0"])
def test_no_cache_asks_again_and_keeps_the_new_answer(cached: Gateway, directive: str) -> None:
    body = fresh()
    asked = [ask(cached, body), ask(cached, body, Cache_Control=directive), ask(cached, body)]
    assert [status_of(each) for each in asked] == ["miss", "miss", "hit"]
    texts = [text_of(each) for each in asked]
    assert texts == ["answer 1 in full", "answer 2 in full", "answer 2 in full"]


def test_no_store_neither_uses_nor_keeps(cached: Gateway) -> None:
    body = fresh()
    asked = [ask(cached, body, Cache_Control="no-store"), ask(cached, body)]
    asked += [ask(cached, body, Cache_Control="no-store"), ask(cached, body)]
    assert [status_of(each) for each in asked] == ["bypass", "miss", "bypass", "hit"]
    assert text_of(asked[3]) == text_of(asked[1]) == "answer 2 in full"


def test_max_age_asks_for_the_cache_and_for_a_young_answer(cached: Gateway) -> None:
    body = fresh(temperature=0.7)
    asked = [ask(cached, body, Cache_Control="max-age=60") for _ in range(2)]
    assert [status_of(each) for each in asked] == ["miss", "hit"]
    old = poll(
        lambda: ask(cached, body, Cache_Control="max-age=60"),
        lambda response: int(response.headers["Age"]) >= 2,
    )
    assert text_of(old) == "answer 1 in full"
    young = ask(cached, body, Cache_Control="max-age=1")
    assert status_of(young) == "miss"
    assert text_of(young) == "answer 2 in full"
    assert text_of(ask(cached, body, Cache_Control="max-age=60")) == "answer 2 in full"


def test_answer_is_kept_for_its_time_only(cached: Gateway) -> None:
    body = fresh(model="short")
    assert status_of(ask(cached, body)) == "miss"
    later = poll(lambda: ask(cached, body), lambda response: status_of(response) == "miss")
    assert text_of(later) == "answer 2 in full"


def test_tenants_never_share(cached: Gateway, upstream: Upstream) -> None:
    body = fresh()
    mine = ask(cached, body)
    other = ask(cached, body, Authorization=f"Bearer {OTHER_KEY}")
    assert (status_of(mine), status_of(other)) == ("miss", "miss")
    assert text_of(mine) != text_of(other)
    assert text_of(ask(cached, body, Authorization=f"Bearer {OTHER_KEY}")) == text_of(other)


def test_equal_requests_at_once_are_asked_once(cached: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = gate = Gate()
    body = fresh()
    bodies = [body | {"stream": bool(number % 2)} for number in range(CLIENTS)]
    got = ask_at_once(cached, gate, bodies)
    assert [text_of(each) for each in got] == ["answer 1"] * CLIENTS
    assert Counter(map(status_of, got)) == {"miss": 1, "hit": CLIENTS - 1}
    assert len(upstream.asked("/api/chat")) == 1


def test_equal_requests_of_two_tenants_are_asked_twice(cached: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = gate = Gate()
    body = fresh()
    with ThreadPoolExecutor(2) as pool:
        asking = [
            pool.submit(ask, cached, body, Authorization=f"Bearer {key}")
            for key in (USER_KEY, OTHER_KEY)
        ]
        both_asked = [gate.asked.acquire(timeout=10) for _ in asking]
        gate.end.set()
        texts = {text_of(each.result()) for each in asking}
    assert both_asked == [True, True]
    assert texts == {"answer 1", "answer 2"}


@pytest.mark.parametrize("streamed", [False, True])
def test_next_one_takes_over_when_the_first_ones_client_leaves(
    cached: Gateway, upstream: Upstream, streamed: bool
) -> None:
    upstream.routes["/api/chat"] = gate = Gate()
    body = fresh()
    leader = cached.connect("POST", CHAT, body | {"stream": streamed})
    assert gate.asked.acquire(timeout=10)
    got: list[requests.Response] = []
    follower = threading.Thread(target=lambda: got.append(ask(cached, body)))
    follower.start()
    leader.close()
    assert gate.asked.acquire(timeout=10)
    gate.end.set()
    follower.join(20)
    assert text_of(got[0]) == "answer 2"
    assert status_of(got[0]) == "miss"
    assert status_of(ask(cached, body)) == "hit"


def test_next_one_takes_over_when_the_first_one_fails(cached: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = gate = Gate(fails=1)
    body = fresh()
    got = ask_at_once(cached, gate, [body] * 5)
    assert Counter(each.status_code for each in got) == {200: 4, 502: 1}
    assert {text_of(each) for each in got if each.ok} == {"answer 2"}
    assert len(upstream.asked("/api/chat")) == 2


def cut(request: Request, connection: Connection) -> None:
    """Begin an answer and break off."""
    connection.send_head(200, NDJSON)
    connection.send_chunk(ollama_line("half"))
    connection.reset()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "failing",
    [
        answer(b'{"error":"down"}', 500),
        answer(b'{"error":"model not found"}', 404),
        cut,
        replay(load("ollama", "error-runner-killed-stream")),
        stream([ollama_line("half")], 200, NDJSON),
    ],
    ids=["500", "404", "reset", "error line", "no end"],
)
def test_failures_and_cut_streams_are_never_kept(
    cached: Gateway, upstream: Upstream, failing: Any, streamed: bool
) -> None:
    body = fresh()
    body["model"] = "ollama/" + body["messages"][0]["content"].replace(" ", "-")
    upstream.routes["/api/chat"] = failing
    failed = ask(cached, body | {"stream": streamed})
    assert failed.status_code >= 400 or stream_of(failed).errors
    upstream.routes["/api/chat"] = Numbered()
    for again in (streamed, not streamed):
        good = ask(cached, body | {"stream": again})
        assert text_of(good) == "answer 1 in full"
    assert len(upstream.asked("/api/chat")) == 2


def test_answer_that_a_filter_cut_is_not_kept(cached: Gateway, upstream: Upstream) -> None:
    filtered = json.loads(load("openai", "whole-plain-gpt-5").body)
    filtered["choices"][0]["finish_reason"] = "content_filter"
    upstream.routes["/v1/chat/completions"] = answer(json.dumps(filtered).encode())
    body = fresh(model="cloud")
    assert [status_of(ask(cached, body)) for _ in range(2)] == ["miss", "miss"]
    assert len(upstream.asked("/v1/chat/completions")) == 2


def test_hits_are_logged(cached: Gateway) -> None:
    body = fresh()
    ask(cached, body, x_request_id="kept-first")
    ask(cached, body, x_request_id="kept-second")
    ask(cached, body | {"stream": True}, x_request_id="kept-streamed")
    assert "cache=miss" in cached.wait_for_log("kept-first")
    for name in ("kept-second", "kept-streamed"):
        line = cached.wait_for_log(name)
        assert " cache=hit " in line
        assert "attempts=" not in line
        assert " finish_reason=stop " in line


def test_answers_survive_a_restart_within_their_bytes(tmp_path: Path, upstream: Upstream) -> None:
    config = build_cached_config(upstream, max_bytes="1 MiB")
    upstream.routes["/api/chat"] = stream(
        [ollama_line("x" * 100_000), ollama_line(done=True)], 200, NDJSON
    )
    bodies = [fresh() for _ in range(15)]
    with run_gateway(tmp_path, config=config, WEB_CONCURRENCY="2") as gateway:
        assert [status_of(ask(gateway, body)) for body in bodies] == ["miss"] * len(bodies)
    sizes = [path.stat().st_blocks * 512 for path in (tmp_path / "data").glob("gateway.cache*")]
    assert len(sizes) >= 2
    assert 500_000 < sum(sizes) <= MEBIBYTE + 64 * 1024
    with run_gateway(tmp_path, config=config, WEB_CONCURRENCY="2") as gateway:
        newest = ask(gateway, bodies[-1])
        assert status_of(newest) == "hit"
        assert len(text_of(newest)) == 100_000
        assert status_of(ask(gateway, bodies[0])) == "miss"


def test_machines_with_one_redis_share_answers(tmp_path: Path, upstream: Upstream) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    config = build_cached_config(upstream)
    with (
        run_redis(tmp_path) as (_, url),
        run_gateway(tmp_path / "one", config=config, REDIS_URL=url, WEB_CONCURRENCY="2") as one,
        run_gateway(tmp_path / "two", config=config, REDIS_URL=url, WEB_CONCURRENCY="2") as two,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):

        def show_sharing(attempt: int) -> None:
            upstream.requests.clear()
            upstream.routes["/api/chat"] = gate = Gate()
            body = fresh()
            asking = [pool.submit(ask, (one, two)[each % 2], body) for each in range(CLIENTS)]
            assert gate.asked.acquire(timeout=10)
            gate.end.set()
            got = [each.result() for each in asking]
            assert {text_of(each) for each in got} == {"answer 1"}
            assert Counter(map(status_of, got)) == {"miss": 1, "hit": CLIENTS - 1}
            assert len(upstream.asked("/api/chat")) == 1

        show_while_redis_is_in_time([one, two], show_sharing)
