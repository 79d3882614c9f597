"""Random schedules of faults: one answer or an error for each client, and no slot is lost."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.blackbox.resilience.acting import (
    be_silent,
    begin_events,
    fail,
    prompt,
    prompt_of,
    reset,
    say,
    say_role_and_reset,
    talk_nonsense,
    tell_error_in_a_success,
)
from tests.blackbox.resilience.asking import (
    at_once,
    describe_targets,
    open_chat,
    stream_of,
    wait_until,
)
from tests.blackbox.resilience.conftest import Upstreams, build_provider
from tests.blackbox.wire import SSE, assert_error, assert_promises_kept
from tests.gateway_process import Gateway, run_gateway
from tests.upstream import Connection, Handler, Request

CLIENTS = 60
LIMIT = 8
NAMES = ("first", "second", "third")


def break_off(request: Request, connection: Connection) -> None:
    """Hang up in the middle of an answer."""
    if request.json().get("stream"):
        connection.send_head(200, SSE)
        connection.send_chunk(begin_events(f"<{prompt_of(request.json())}"))
    connection.reset()


def answer_well(request: Request, connection: Connection) -> None:
    say(f"<{prompt_of(request.json())}>", after=0.02)(request, connection)


FAULTS: tuple[Handler, ...] = (
    break_off,
    reset,
    be_silent,
    say_role_and_reset,
    talk_nonsense,
    tell_error_in_a_success,
    fail(400),
    fail(401),
    fail(409),
    fail(429),
    fail(429, retry_after_ms="50"),
    fail(429, "insufficient_quota"),
    fail(500),
    fail(503),
)


class Schedule:
    """Decides what each of an upstream's answers is: the nth to a client, by the seed alone."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed = seed
        self._name = name
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Request, connection: Connection) -> None:
        client = prompt_of(request.json())
        with self._lock:
            self._asked[client] += 1
            chance = random.Random(f"{self._seed} {self._name} {client} {self._asked[client]}")
        handler = chance.choice(FAULTS) if chance.random() < 0.5 else answer_well
        handler(request, connection)


@pytest.fixture(scope="module")
def beset_gateway(
    shared_upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    providers = {
        name: build_provider(
            shared_upstreams[name].port,
            max_concurrency=LIMIT,
            timeouts={"connect": 0.5, "first_byte": 0.5},
        )
        for name in NAMES
    }
    models = {
        f"model-{seed}": {"targets": [f"{name}/model-{seed}" for name in NAMES]}
        for seed in range(10)
    }
    with run_gateway(
        tmp_path_factory.mktemp("beset"),
        config={"providers": providers, "models": models},
        WEB_CONCURRENCY="4",
        MAX_RETRIES="",
        PING_AFTER="0.2",
    ) as gateway:
        yield gateway


@pytest.mark.parametrize("seed", range(4))
def test_one_answer_or_an_error_and_all_slots_free_again(
    beset_gateway: Gateway, upstreams: Upstreams, seed: int
) -> None:
    for name, upstream in upstreams.items():
        upstream.handler = Schedule(seed, name)
    chance = random.Random(seed)
    sorts = [chance.choice(("whole", "streamed", "leaves")) for _ in range(CLIENTS)]

    def ask(number: int) -> str:
        return ask_one(beset_gateway, f"model-{seed}", f"client {seed} {number}", sorts[number])

    results = Counter(at_once(CLIENTS, ask))
    assert sum(results.values()) == CLIENTS
    assert results["answered"] > 0
    wait_until(lambda: are_all_free(beset_gateway))
    for upstream in upstreams.values():
        upstream.reset()


def ask_one(gateway: Gateway, model: str, name: str, sort: str) -> str:
    """Ask as ``name``; return what came of it, after checking that this may be."""
    fields = {"messages": prompt(name), "stream": sort == "streamed"}
    if sort == "leaves":
        client = open_chat(gateway, model, messages=prompt(name), stream=True)
        threading.Event().wait(random.Random(name).random() * 0.5)
        client.close()
        return "left"
    got = gateway.chat(model, **fields)
    whole = f"<{name}>"
    if got.status_code != 200:
        assert_error(got.text)
        return "refused"
    if sort == "whole":
        (choice,) = got.json()["choices"]
        assert choice["message"]["content"] == whole
        return "answered"
    stream = stream_of(got)
    if not stream.errors:
        assert stream.content == whole
        assert_promises_kept(stream)
        return "answered"
    assert len(stream.errors) == 1
    assert stream.finish_reasons == []
    assert stream.content in ("", f"<{name}"), json.dumps(stream.chunks)
    return "broken off"


def are_all_free(gateway: Gateway) -> bool:
    described = describe_targets(gateway)
    return all((described[name]["open"], described[name]["queued"]) == (0, 0) for name in NAMES)
