"""An upstream inside the process waits, pings and lets go like one over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gateway.errors import ClientDisconnectedError, UpstreamTimeoutError
from gateway.transport import InProcessAdapter, open_watch, wait_any
from gateway.transport.watch import Watch
from tests.transport.test_watch import Later, open_pair

HEAD = b"POST /chat HTTP/1.1\r\nHost: demo\r\n"
asked: list[tuple[str, str, bytes | None]] = []


def answer(method: str, path: str, body: bytes | None) -> Iterator[tuple[float, bytes]]:
    asked.append((method, path, body))
    yield 0.0, b"one"
    yield 0.05, b"two"


def answer_late(method: str, path: str, body: bytes | None) -> Iterator[tuple[float, bytes]]:
    yield 30.0, b"late"


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = open_watch(20)
    yield watch
    watch.close()


def test_pieces_come_when_they_are_due(watch: Watch) -> None:
    began = time.monotonic()
    exchange = InProcessAdapter(answer).begin(HEAD, b"{}", watch)
    pieces = exchange.iter_pieces()
    assert next(pieces) == b"one"
    assert next(pieces) == b"two"
    assert time.monotonic() - began >= 0.05
    assert list(pieces) == []
    assert asked.pop() == ("POST", "/chat", b"{}")
    exchange.finish()


def test_whole_answer_is_read_at_once(watch: Watch) -> None:
    assert InProcessAdapter(answer).begin(HEAD, None, watch).read(100) == b"onetwo"


def test_ping_comes_while_a_piece_does_not(watch: Watch) -> None:
    exchange = InProcessAdapter(answer).begin(HEAD, None, watch)
    pieces = exchange.iter_pieces()
    assert next(pieces) == b"one"
    watch.next_ping = time.monotonic()
    assert next(pieces) == b""
    watch.next_ping += 100
    assert next(pieces) == b"two"


def test_one_of_several_does_not_hold_up_the_others(watch: Watch) -> None:
    late = InProcessAdapter(answer_late).begin(HEAD, None, watch)
    soon = InProcessAdapter(answer).begin(HEAD, None, watch)
    assert next(late.iter_pieces(wait=False)) == b""
    pieces = soon.iter_pieces(wait=False)
    assert next(pieces) == b"one"
    while not (piece := next(pieces)):
        assert wait_any([late, soon], watch)
    assert piece == b"two"


def test_client_that_leaves_ends_the_wait() -> None:
    with open_pair() as client:
        watch = open_watch(20, client.ours)
        exchange = InProcessAdapter(answer_late).begin(HEAD, None, watch)
        with Later(client.theirs.close), pytest.raises(ClientDisconnectedError):
            exchange.read(100)
        exchange.close()
        watch.close()


def test_request_out_of_time_is_an_error() -> None:
    watch = open_watch(0.05)
    exchange = InProcessAdapter(answer_late).begin(HEAD, None, watch)
    with pytest.raises(UpstreamTimeoutError):
        exchange.read(100)
    watch.close()


def test_closed_exchange_has_nothing_more(watch: Watch) -> None:
    exchange = InProcessAdapter(answer).begin(HEAD, None, watch)
    exchange.close()
    assert list(exchange.iter_pieces()) == []
