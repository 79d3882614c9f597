"""``Idempotency-Key``: a request that is sent again is done once."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.blackbox.leaving import read_until
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
    text_of,
)
from tests.blackbox.wire import assert_error
from tests.gateway_process import USER_KEY, Gateway, chat_body, run_gateway
from tests.recordings import load
from tests.upstream import Upstream, answer, replay

REPLAY = "x-gateway-idempotent-replay"
BEGINNINGS = {
    CHAT: "data: ",
    "/v1/messages": "event: message_start",
    "/v1/responses": "event: response.created",
}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def four_workers(
    shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with run_gateway(
        tmp_path_factory.mktemp("idempotent"),
        config=build_cached_config(shared_upstream),
        WEB_CONCURRENCY="4",
        GATEWAY_API_KEYS=f"{USER_KEY},{OTHER_KEY}",
    ) as gateway:
        yield gateway


@pytest.fixture
def repeated(four_workers: Gateway, upstream: Upstream) -> Gateway:
    """Return a gateway of four workers whose upstream numbers its answers."""
    upstream.routes["/api/chat"] = Numbered()
    return four_workers


def creative(**fields: object) -> dict[str, object]:
    """Return a request that the cache has nothing to do with."""
    return fresh(model="never", temperature=1) | fields


def said(path: str) -> dict[str, Any]:
    """Return a request for a stream in the API of ``path``, unlike any other."""
    text = f"Hi {next(_numbers)}"
    if path == "/v1/responses":
        return {"model": "ollama/tiny", "input": text, "stream": True}
    return chat_body(
        "ollama/tiny", messages=[{"role": "user", "content": text}], stream=True, max_tokens=9
    )


def is_replay(response: requests.Response) -> bool:
    return response.headers.get(REPLAY) == "true"


@pytest.mark.parametrize("streamed", [False, True])
def test_same_key_and_body_get_the_same_answer(
    repeated: Gateway, upstream: Upstream, streamed: bool
) -> None:
    body = creative(stream=streamed)
    name = f"order-{streamed}"
    first, second = (ask(repeated, body, Idempotency_Key=name) for _ in range(2))
    assert text_of(first) == "answer 1 in full"
    assert first.content == second.content
    assert [is_replay(each) for each in (first, second)] == [False, True]
    kept = ("Content-Type", "x-gateway-provider", "x-gateway-model")
    assert [first.headers.get(each) for each in kept] == [second.headers.get(each) for each in kept]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert len(upstream.asked("/api/chat")) == 1


def test_embeddings_are_made_once(repeated: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/embed"] = replay(load("ollama", "embed"))
    body = {"model": "never", "input": ["a b", "c"]}
    headers = {"Idempotency-Key": "vectors"}
    first, second = (repeated.post("/v1/embeddings", body, headers=headers) for _ in range(2))
    assert first.status_code == 200
    assert first.content == second.content
    assert is_replay(second)
    assert len(upstream.asked("/api/embed")) == 1


def test_images_are_made_once(repeated: Gateway, upstream: Upstream) -> None:
    upstream.routes["/v1/images/generations"] = answer(b'{"data":[{"b64_json":"AAAA"}]}')
    body = {"model": "openai/gpt-image-1", "prompt": "a cat"}
    headers = {"Idempotency-Key": "cat"}
    first, second = (
        repeated.post("/v1/images/generations", body, headers=headers) for _ in range(2)
    )
    assert first.json() == second.json() == {"data": [{"b64_json": "AAAA"}]}
    assert [is_replay(each) for each in (first, second)] == [False, True]
    assert second.headers["Content-Type"] == "application/json"
    assert len(upstream.asked("/v1/images/generations")) == 1


def test_without_a_key_a_request_is_done_each_time(repeated: Gateway, upstream: Upstream) -> None:
    body = creative()
    assert text_of(ask(repeated, body)) != text_of(ask(repeated, body))
    assert len(upstream.asked("/api/chat")) == 2


@pytest.mark.parametrize("streamed", [False, True])
def test_repeats_wait_for_the_one_that_runs(
    repeated: Gateway, upstream: Upstream, streamed: bool
) -> None:
    upstream.routes["/api/chat"] = gate = Gate()
    bodies = [creative(stream=streamed)] * CLIENTS
    got = ask_at_once(repeated, gate, bodies, Idempotency_Key=f"together-{streamed}")
    assert {each.content for each in got} == {got[0].content}
    assert text_of(got[0]) == "answer 1"
    assert Counter(map(is_replay, got)) == {False: 1, True: CLIENTS - 1}
    assert len(upstream.asked("/api/chat")) == 1


@pytest.mark.parametrize("fails", [0, 1], ids=["replayed", "run again"])
@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses"])
def test_a_stream_that_waits_is_kept_alive(
    impatient: Gateway, upstream: Upstream, path: str, fails: int
) -> None:
    upstream.routes["/api/chat"] = gate = Gate(fails)
    body, headers = said(path), {"Idempotency-Key": f"slow-{next(_numbers)}"}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(impatient.post, path, body, headers=headers)
        assert gate.asked.acquire(timeout=10)
        with contextlib.closing(impatient.connect("POST", path, body, headers)) as second:
            late = second.getresponse()
            text = read_until(late, b"ping")
            gate.end.set()
            text += late.read()
        broken = first.result().text
    assert late.headers["Content-Type"].startswith("text/event-stream")
    pings, _, answered = text.decode().partition(BEGINNINGS[path])
    assert "ping" in pings
    assert f"answer {1 + fails}" in answered
    assert "error" not in answered.replace('"error":null', "")
    assert len(upstream.asked("/api/chat")) == 1 + fails
    if not fails:
        assert broken.partition(BEGINNINGS[path])[2] == answered
    assert " status=200 " in impatient.wait_for_log(late.headers["x-request-id"])


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses"])
def test_a_stream_that_waits_in_vain_ends_with_an_error(
    impatient: Gateway, upstream: Upstream, path: str
) -> None:
    upstream.routes["/api/chat"] = gate = Gate()
    body, headers = said(path), {"Idempotency-Key": f"vain-{next(_numbers)}"}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(impatient.post, path, body, headers=headers)
        assert gate.asked.acquire(timeout=10)
        late = impatient.post(path, body, headers={**headers, "x-request-timeout": "1.2"})
        gate.end.set()
        assert first.result().status_code == 200
    assert late.status_code == 200
    assert "took longer" in late.text.split("\n\n")[-2]
    assert " status=504 " in impatient.wait_for_log(late.headers["x-request-id"])


def test_other_body_is_a_conflict(repeated: Gateway, upstream: Upstream) -> None:
    assert ask(repeated, creative(), Idempotency_Key="taken").status_code == 200
    conflict = ask(repeated, creative(), Idempotency_Key="taken")
    assert conflict.status_code == 409
    assert_error(conflict.text, code="idempotency_key_reused")
    assert conflict.json()["error"]["param"] == "Idempotency-Key"
    assert len(upstream.asked("/api/chat")) == 1


def test_other_body_is_a_conflict_while_the_first_one_runs(
    repeated: Gateway, upstream: Upstream
) -> None:
    upstream.routes["/api/chat"] = gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, repeated, creative(), Idempotency_Key="running")
        assert gate.asked.acquire(timeout=10)
        conflict = ask(repeated, creative(), Idempotency_Key="running")
        gate.end.set()
        assert text_of(first.result()) == "answer 1"
    assert conflict.status_code == 409


def test_other_path_is_a_conflict(repeated: Gateway) -> None:
    body = {**creative(), "input": "a"}
    assert ask(repeated, body, Idempotency_Key="path").status_code == 200
    other = repeated.post("/v1/embeddings", body, headers={"Idempotency-Key": "path"})
    assert other.status_code == 409


def test_keys_are_each_tenants_own(repeated: Gateway) -> None:
    body = creative()
    mine, other = (
        ask(repeated, body, Idempotency_Key="popular", Authorization=f"Bearer {key}")
        for key in (USER_KEY, OTHER_KEY)
    )
    assert text_of(mine) == "answer 1 in full"
    assert text_of(other) == "answer 2 in full"
    assert not is_replay(other)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_failed_runs_again(repeated: Gateway, upstream: Upstream, streamed: bool) -> None:
    body = creative(stream=streamed)
    name = f"failed-{streamed}"
    upstream.routes["/api/chat"] = answer(b'{"error":"down"}', 500)
    assert ask(repeated, body, Idempotency_Key=name).status_code >= 500
    upstream.routes["/api/chat"] = replay(load("ollama", "error-runner-killed-stream"))
    ask(repeated, body, Idempotency_Key=name)
    upstream.routes["/api/chat"] = Numbered()
    good = ask(repeated, body, Idempotency_Key=name)
    assert text_of(good) == "answer 1 in full"
    assert not is_replay(good)
    assert is_replay(ask(repeated, body, Idempotency_Key=name))


@pytest.mark.parametrize("streamed", [False, True])
def test_request_whose_client_left_runs_again_for_who_waits(
    repeated: Gateway, upstream: Upstream, streamed: bool
) -> None:
    upstream.routes["/api/chat"] = gate = Gate()
    body = creative(stream=streamed)
    name = f"left-{streamed}"
    leaver = repeated.connect("POST", CHAT, body, {"Idempotency-Key": name})
    assert gate.asked.acquire(timeout=10)
    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(ask, repeated, json.dumps(body).encode(), Idempotency_Key=name)
        leaver.close()
        assert gate.asked.acquire(timeout=10)
        gate.end.set()
        assert text_of(follower.result()) == "answer 2"


@pytest.mark.parametrize("name", ["", "two words", "k" * 256, "schlüssel"])
def test_invalid_key_is_refused(repeated: Gateway, upstream: Upstream, name: str) -> None:
    refused = ask(repeated, creative(), Idempotency_Key=name.encode())
    assert refused.status_code == 400
    assert_error(refused.text, code="invalid_value")
    assert refused.json()["error"]["param"] == "Idempotency-Key"
    assert upstream.requests == []


def test_replays_are_logged(repeated: Gateway) -> None:
    body = creative()
    for name in ("idempotent-first", "idempotent-second"):
        ask(repeated, body, Idempotency_Key="logged", x_request_id=name)
    assert "cache=hit" not in repeated.wait_for_log("idempotent-first")
    assert " cache=hit " in repeated.wait_for_log("idempotent-second")
