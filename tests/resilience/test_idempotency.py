"""`Idempotency-Key`: the same request again gets the same answer, another one a conflict."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from gateway.errors import ConflictError, InvalidRequestError
from gateway.resilience.flight import finish
from gateway.resilience.idempotency import (
    KEPT_SECONDS,
    MAX_KEPT_BYTES,
    Idempotency,
    Replay,
    Run,
    parse_idempotency_key,
)
from gateway.state import State, StateUnavailableError
from tests.resilience.remembering import MemoryBlobs

CHAT = "/v1/chat/completions"
BODY = b'{"model":"fast","messages":[]}'
JSON = {"content-type": "application/json", "x-gateway-provider": "ollama"}
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
ANSWER = Replay(200, JSON, b'{"id":"chatcmpl-1"}\n\xc3\xa4')


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
def idempotency(blobs: MemoryBlobs, state: State) -> Idempotency:
    return Idempotency(blobs, state)


def begin(
    idempotency: Idempotency,
    *,
    tenant: str = "ann",
    key: str = "k-1",
    path: str = CHAT,
    body: bytes = BODY,
) -> Replay | Run:
    return finish(idempotency.begin(tenant, key, path, body, never_wait))


def begin_run(idempotency: Idempotency, **asked: str) -> Run:
    begun = finish(idempotency.begin(asked.get("tenant", "ann"), "k-1", CHAT, BODY, never_wait))
    assert isinstance(begun, Run)
    return begun


def store_at_the_last_moment(run: Run, blobs: MemoryBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``run`` store its answer just after the next look has found none."""
    look = blobs.get

    def look_too_early(key: str) -> object:
        monkeypatch.setattr(blobs, "get", look)
        found = look(key)
        run.store(ANSWER.status, ANSWER.headers, ANSWER.body)
        return found

    monkeypatch.setattr(blobs, "get", look_too_early)


def ended_well() -> bool:
    return True


def never_wait(seconds: float) -> None:
    raise AssertionError("there is nothing to wait for")


@pytest.mark.parametrize("header", [None, "k", "8e03978e-40d5-43e8", '"quoted"', "~" * 255])
def test_a_good_key_is_taken_as_it_is(header: str | None) -> None:
    assert parse_idempotency_key(header) == header


@pytest.mark.parametrize("header", ["", "a b", "a\tb", "x" * 256, "\N{SNOWMAN}", "k\n", "\x7f"])
def test_a_bad_key_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parse_idempotency_key(header)
    assert raised.value.status == 400
    assert raised.value.param == "Idempotency-Key"
    assert raised.value.code == "invalid_value"


def test_the_same_request_gets_the_stored_answer(idempotency: Idempotency) -> None:
    begin_run(idempotency).store(ANSWER.status, ANSWER.headers, ANSWER.body)
    assert begin(idempotency) == ANSWER
    assert begin(idempotency) == ANSWER


def test_an_answer_is_kept_for_a_day(idempotency: Idempotency, blobs: MemoryBlobs) -> None:
    begin_run(idempotency).store(ANSWER.status, ANSWER.headers, ANSWER.body)
    blobs.now = KEPT_SECONDS - 1
    assert begin(idempotency) == ANSWER
    blobs.now = KEPT_SECONDS
    assert isinstance(begin(idempotency, body=b"{}"), Run)


@pytest.mark.parametrize(("path", "body"), [(CHAT, b"{}"), ("/v1/embeddings", BODY)])
def test_another_request_with_the_same_key_is_a_conflict(
    idempotency: Idempotency, path: str, body: bytes
) -> None:
    with begin_run(idempotency) as run:
        with pytest.raises(ConflictError) as while_it_runs:
            begin(idempotency, path=path, body=body)
        run.store(ANSWER.status, ANSWER.headers, ANSWER.body)
    with pytest.raises(ConflictError) as afterwards:
        begin(idempotency, path=path, body=body)
    for raised in (while_it_runs, afterwards):
        assert raised.value.status == 409
        assert raised.value.code == "idempotency_key_reused"
    assert begin(idempotency) == ANSWER


def test_keys_of_tenants_have_nothing_to_do_with_each_other(idempotency: Idempotency) -> None:
    begin_run(idempotency).store(ANSWER.status, ANSWER.headers, ANSWER.body)
    begin_run(idempotency, tenant="ben").store(200, JSON, b"For Ben")
    assert begin(idempotency) == ANSWER
    assert begin(idempotency, tenant="ben") == Replay(200, JSON, b"For Ben")
    assert isinstance(begin(idempotency, key="k-2", body=b"{}"), Run)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_failed_request_runs_again(idempotency: Idempotency, status: int) -> None:
    begin_run(idempotency).store(status, JSON, b"{}")
    begin_run(idempotency).abandon()
    with begin_run(idempotency):
        pass
    begin_run(idempotency).store(200, JSON, b"{}")
    assert begin(idempotency) == Replay(200, JSON, b"{}")


def test_an_answer_too_long_to_be_kept_is_not_cut(
    idempotency: Idempotency, blobs: MemoryBlobs
) -> None:
    begin_run(idempotency).store(200, JSON, b"x" * (MAX_KEPT_BYTES + 1))
    pieces = [b"x" * (MAX_KEPT_BYTES // 2 + 1)] * 2
    assert list(begin_run(idempotency).recorded(iter(pieces), STREAM, ended_well)) == pieces
    assert len(blobs) == 0
    begin_run(idempotency).abandon()


def test_a_stream_is_replayed_with_its_bytes(idempotency: Idempotency) -> None:
    frames = [b"data: 1\n\n", b"", b"data: 2\n\ndata: [DONE]\n\n"]
    assert list(begin_run(idempotency).recorded(iter(frames), STREAM, ended_well)) == frames
    assert begin(idempotency) == Replay(200, STREAM, b"".join(frames))


def test_a_stream_that_fails_is_not_kept(idempotency: Idempotency, blobs: MemoryBlobs) -> None:
    def frames() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        list(begin_run(idempotency).recorded(frames(), STREAM, ended_well))
    assert list(begin_run(idempotency).recorded(iter([b"x"]), STREAM, lambda: False)) == [b"x"]
    left = begin_run(idempotency).recorded(frames(), STREAM, ended_well)
    next(left)
    left.close()  # type: ignore[attr-defined]
    assert len(blobs) == 0
    begin_run(idempotency).abandon()


def test_an_equal_request_waits_for_the_one_that_runs(idempotency: Idempotency) -> None:
    waiting = threading.Semaphore(0)
    found: list[Replay | Run] = []

    def wait(seconds: float) -> None:
        waiting.release()
        time.sleep(seconds)

    def ask() -> None:
        found.append(finish(idempotency.begin("ann", "k-1", CHAT, BODY, wait)))

    run = begin_run(idempotency)
    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=10)
    run.store(ANSWER.status, ANSWER.headers, ANSWER.body)
    for thread in threads:
        thread.join(10)
    assert found == [ANSWER] * 5


def test_an_answer_stored_at_the_last_moment_is_found(
    idempotency: Idempotency, blobs: MemoryBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_at_the_last_moment(begin_run(idempotency), blobs, monkeypatch)
    assert begin(idempotency) == ANSWER
    assert begin(idempotency) == ANSWER


def test_a_conflict_at_the_last_moment_holds_nobody_up(
    idempotency: Idempotency, blobs: MemoryBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_at_the_last_moment(begin_run(idempotency), blobs, monkeypatch)
    with pytest.raises(ConflictError):
        begin(idempotency, body=b"{}")
    blobs.close()
    begin_run(idempotency).abandon()


def test_waiting_yields_so_that_streams_can_be_kept_alive(idempotency: Idempotency) -> None:
    pauses: list[float] = []
    with begin_run(idempotency):
        waiting = idempotency.begin("ann", "k-1", CHAT, BODY, pauses.append)
        assert [next(waiting), next(waiting)] == [b"", b""]
        waiting.close()
    assert pauses == [0.02, 0.02]


def test_nothing_runs_while_running_twice_can_not_be_ruled_out(
    idempotency: Idempotency, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise StateUnavailableError("down")

    monkeypatch.setattr(state, "update", fail)
    with pytest.raises(StateUnavailableError):
        begin(idempotency)


def test_a_replay_costs_little(idempotency: Idempotency) -> None:
    begin_run(idempotency).store(200, JSON, b"x" * 2000)
    costs = []
    for _ in range(200):
        began = time.thread_time()
        assert isinstance(begin(idempotency), Replay)
        costs.append(time.thread_time() - began)
    assert min(costs) < 100e-6
