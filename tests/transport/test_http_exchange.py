"""Answers over real connections: as they come, in time, and from upstreams that misbehave.

The same tests run once more under gevent: see ``test_under_gevent.py``.
"""

from __future__ import annotations

import threading
import time

import pytest

from gateway.errors import (
    RestartingError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.transport import UnexpectedStatusError, open_watch, wait_any
from tests.transport.exchanging import IMPATIENT, PATIENT, BuildAdapter, begin, fetch
from tests.upstream import Connection, Request, Upstream, stream

MEBIBYTE = 1024 * 1024


def test_whole_answer_and_its_request(upstream: Upstream, build_adapter: BuildAdapter) -> None:
    assert fetch(build_adapter(upstream.url), "/api/chat", b'{"a":1}') == b"hello"
    (request,) = upstream.requests
    assert (request.method, request.path, request.body) == ("POST", "/api/chat", b'{"a":1}')
    assert request.headers == {"host": "upstream", "content-length": "7"}


def test_pieces_come_as_they_are_sent(upstream: Upstream, build_adapter: BuildAdapter) -> None:
    go_on = threading.Semaphore(0)

    def drip(request: Request, connection: Connection) -> None:
        connection.send_head()
        for letter in (b"a", b"b", b"c"):
            connection.send_chunk(letter)
            go_on.acquire()
        connection.end_chunks()

    upstream.handler = drip
    with begin(build_adapter(upstream.url)) as exchange:
        seen = []
        for piece in exchange.iter_pieces():
            seen.append(piece)
            go_on.release()
    assert seen == [b"a", b"b", b"c"]


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_end_before_an_answer_is_a_502(
    upstream: Upstream, how: str, sent: bytes, build_adapter: BuildAdapter
) -> None:
    def leave(request: Request, connection: Connection) -> None:
        connection.send(sent)
        getattr(connection, how)()

    upstream.handler = leave
    with pytest.raises(UpstreamError) as caught:
        fetch(build_adapter(upstream.url))
    assert caught.value.status == 502
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("framed", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_body_cut_is_an_error_after_what_came(
    upstream: Upstream, how: str, framed: str, build_adapter: BuildAdapter
) -> None:
    taken = threading.Event()

    def cut(request: Request, connection: Connection) -> None:
        connection.send(f"HTTP/1.1 200 OK\r\n{framed}\r\n\r\n5\r\nhello\r\n".encode())
        taken.wait(20)
        getattr(connection, how)()

    upstream.handler = cut
    with begin(build_adapter(upstream.url)) as exchange:
        pieces = exchange.iter_pieces()
        assert b"hello" in next(pieces)
        taken.set()
        with pytest.raises(UpstreamError, match="in the middle of its answer"):
            list(pieces)


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"]
)
def test_first_byte_has_a_deadline(
    upstream: Upstream, over: threading.Event, sent: bytes, build_adapter: BuildAdapter
) -> None:
    def stall(request: Request, connection: Connection) -> None:
        connection.send(sent)
        over.wait(30)

    upstream.handler = stall
    began = time.monotonic()
    with pytest.raises(UpstreamTimeoutError) as caught:
        fetch(build_adapter(upstream.url, first_byte=IMPATIENT))
    assert caught.value.message == "The provider did not begin its answer in time."
    assert IMPATIENT <= time.monotonic() - began < PATIENT.first_byte / 2


def test_silence_has_a_deadline(
    upstream: Upstream, over: threading.Event, build_adapter: BuildAdapter
) -> None:
    def stall(request: Request, connection: Connection) -> None:
        connection.send_head()
        connection.send_chunk(b"one")
        over.wait(30)

    upstream.handler = stall
    with begin(build_adapter(upstream.url, idle=IMPATIENT)) as exchange:
        pieces = exchange.iter_pieces()
        assert next(pieces) == b"one"
        began = time.monotonic()
        with pytest.raises(UpstreamTimeoutError, match="stopped in the middle"):
            next(pieces)
        assert time.monotonic() - began < PATIENT.idle / 2


def test_slow_but_steady_answer_is_read_to_its_end(
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
    def drip(request: Request, connection: Connection) -> None:
        connection.send_head()
        for _ in range(8):
            connection.send_chunk(b".")
            time.sleep(0.1)
        connection.end_chunks()

    upstream.handler = drip
    assert fetch(build_adapter(upstream.url, first_byte=0.6, idle=0.6)) == b"." * 8


def test_ping_comes_while_the_answer_does_not(
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
    go_on = threading.Event()

    def wait(request: Request, connection: Connection) -> None:
        go_on.wait(20)
        connection.send_answer(b"late")

    upstream.handler = wait
    watch = open_watch(PATIENT.request)
    watch.next_ping = time.monotonic() + 0.02
    with begin(build_adapter(upstream.url), watch=watch) as exchange:
        pieces = exchange.iter_pieces()
        assert next(pieces) == b""
        assert time.monotonic() >= watch.next_ping
        watch.next_ping += 100
        go_on.set()
        assert list(pieces) == [b"late"]


def test_several_are_read_without_waiting_for_one(
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
    turn = threading.Event()

    def wait(request: Request, connection: Connection) -> None:
        if request.path == "/second":
            connection.send_answer(b"2")
        else:
            turn.wait(20)
            connection.send_answer(b"1")

    upstream.handler = wait
    adapter = build_adapter(upstream.url)
    watch = open_watch(PATIENT.request)
    with begin(adapter, "/first", watch=watch) as first, begin(adapter, "/second") as second:
        exchanges = {first: first.iter_pieces(wait=False), second: second.iter_pieces(wait=False)}
        assert next(exchanges[first]) == b""
        while not (piece := next(exchanges[second])):
            assert wait_any([first, second], watch)
        assert piece == b"2"
        turn.set()
        while not (piece := next(exchanges[first])):
            assert wait_any([first], watch)
        assert piece == b"1"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 429, 500, 503])
def test_other_status_is_told_with_its_headers_and_body(
    upstream: Upstream, status: int, build_adapter: BuildAdapter
) -> None:
    def refuse(request: Request, connection: Connection) -> None:
        connection.send_answer(b"no", status, {"Location": "/elsewhere", "Retry-After": "3"})

    upstream.handler = refuse
    adapter = build_adapter(upstream.url)
    for _ in range(2):
        with pytest.raises(UnexpectedStatusError) as caught:
            fetch(adapter)
        assert (caught.value.status, caught.value.body) == (status, b"no")
        assert caught.value.headers["retry-after"] == "3"
    assert [request.path for request in upstream.requests] == ["/", "/"]
    assert upstream.connections == 1


def test_body_of_an_error_is_cut_at_a_cap(upstream: Upstream, build_adapter: BuildAdapter) -> None:
    upstream.handler = lambda request, connection: connection.send_answer(b"e" * MEBIBYTE, 500)
    adapter = build_adapter(upstream.url)
    for _ in range(2):
        with pytest.raises(UnexpectedStatusError) as caught:
            fetch(adapter)
        assert caught.value.body == b"e" * 64 * 1024
    assert upstream.connections == 2


@pytest.mark.parametrize(
    "rest",
    [b"Content-Length: 100\r\n\r\npart", b"Content-Encoding: gzip\r\n\r\nno gzip"],
    ids=["cut", "no gzip"],
)
def test_status_of_an_error_is_told_though_its_body_is_broken(
    upstream: Upstream, rest: bytes, build_adapter: BuildAdapter
) -> None:
    def refuse(request: Request, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 429 Too Many Requests\r\n" + rest)
        connection.close()

    upstream.handler = refuse
    with pytest.raises(UnexpectedStatusError) as caught:
        fetch(build_adapter(upstream.url))
    assert caught.value.status == 429
    assert caught.value.body == (b"part" if rest.endswith(b"part") else b"")


def test_error_does_not_wait_long_for_its_body(
    upstream: Upstream,
    over: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    build_adapter: BuildAdapter,
) -> None:
    def refuse(request: Request, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\npart")
        over.wait(30)

    monkeypatch.setattr("gateway.transport.http_exchange.ERROR_SECONDS", IMPATIENT)
    upstream.handler = refuse
    with pytest.raises(UnexpectedStatusError) as caught:
        fetch(build_adapter(upstream.url))
    assert (caught.value.status, caught.value.body) == (503, b"part")


def test_answer_longer_than_allowed_is_an_error(
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
    upstream.handler = lambda request, connection: connection.send_answer(b"x" * 1000)
    with begin(build_adapter(upstream.url)) as exchange, pytest.raises(UpstreamError) as caught:
        exchange.read(999)
    assert caught.value.message == "The provider's answer is longer than 999 bytes."


def test_an_interruption_ends_an_answer_that_never_lets_us_wait(
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
    upstream.handler = stream([b"x" * 1000] * 100)
    watch = open_watch(PATIENT.request)
    with begin(build_adapter(upstream.url), watch=watch) as exchange:
        pieces = exchange.iter_pieces()
        assert next(pieces)
        watch.interrupt(RestartingError)
        with pytest.raises(RestartingError):
            list(pieces)
