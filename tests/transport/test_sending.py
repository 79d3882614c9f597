"""Requests on their way to an upstream, and exchanges that are let go.

The same tests run once more under gevent: see ``test_under_gevent.py``.
"""

from __future__ import annotations

import socket
import threading
import time
from itertools import islice

import pytest

from gateway.errors import (
    ClientDisconnectedError,
    UpstreamTimeoutError,
)
from gateway.transport import UnexpectedStatusError, open_watch
from tests.transport.exchanging import IMPATIENT, PATIENT, BuildAdapter, begin, fetch, greet
from tests.transport.test_watch import open_pair
from tests.upstream import Connection, Request, Upstream

MEBIBYTE = 1024 * 1024


def serve_once(listener: socket.socket, seconds: float, count: int, then: bytes) -> int:
    """Read ``count`` bytes of a request in blocks, with a pause before each, and answer."""
    connection, _ = listener.accept()
    received = 0
    with connection:
        while received < count:
            time.sleep(seconds)
            block = connection.recv(min(4 * MEBIBYTE, count - received))
            assert block
            received += len(block)
        connection.sendall(then)
        while len(connection.recv(MEBIBYTE)) > 0:
            assert then.startswith(b"HTTP/1.1 200")
    return received


def test_slow_reader_of_a_large_request_gets_all_of_it(build_adapter: BuildAdapter) -> None:
    body = b"x" * 20 * MEBIBYTE
    head = b"POST / HTTP/1.1\r\nHost: upstream\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        arguments = (listener, 0.05, len(head) + len(body), answer)
        server = threading.Thread(target=serve_once, args=arguments)
        server.start()
        adapter = build_adapter(f"http://127.0.0.1:{listener.getsockname()[1]}", idle=2)
        assert fetch(adapter, body=body) == b"ok"
        adapter.close()
        server.join()


def test_reader_that_stops_is_a_504(over: threading.Event, build_adapter: BuildAdapter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UpstreamTimeoutError, match="did not take the request in time"):
            fetch(build_adapter(url, idle=IMPATIENT), body=b"x" * 20 * MEBIBYTE)


@pytest.mark.parametrize("hangs_up", [True, False])
def test_error_told_while_the_request_is_still_being_sent(
    hangs_up: bool, over: threading.Event, build_adapter: BuildAdapter
) -> None:
    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
            if not hangs_up:
                over.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=refuse, args=(listener,))
        server.start()
        adapter = build_adapter(f"http://127.0.0.1:{listener.getsockname()[1]}", idle=5)
        with pytest.raises(UnexpectedStatusError) as caught:
            fetch(adapter, body=b"x" * 20 * MEBIBYTE)
        assert (caught.value.status, caught.value.body) == (413, b"big")
        over.set()
        server.join()


def test_connection_with_a_request_half_sent_is_not_used_again(
    upstream: Upstream, over: threading.Event, build_adapter: BuildAdapter
) -> None:
    def refuse_unread(request: Request, connection: Connection) -> None:
        connection.send_answer(b"", 413)
        over.wait(30)

    upstream.handler = refuse_unread
    adapter = build_adapter(upstream.url)
    watch = open_watch(PATIENT.request)
    # The head tells of no body, so that the upstream answers before it has read one.
    head = b"POST / HTTP/1.1\r\nHost: upstream\r\n\r\n" + b"x" * 20 * MEBIBYTE
    exchange = adapter.begin(head, None, watch)
    with pytest.raises(UnexpectedStatusError):
        exchange.read(100)
    upstream.handler = greet
    assert fetch(adapter) == b"hello"
    assert upstream.connections == 2
    watch.close()


def test_client_that_leaves_while_its_request_is_sent_frees_the_upstream(
    build_adapter: BuildAdapter,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, open_pair() as client:
        watch = open_watch(PATIENT.request, client.ours)
        client.theirs.close()
        adapter = build_adapter(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with (
            pytest.raises(ClientDisconnectedError),
            begin(adapter, body=b"x" * 20 * MEBIBYTE, watch=watch),
        ):
            pass
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            assert read_to_end(connection) < 20 * MEBIBYTE


def read_to_end(connection: socket.socket) -> int:
    """Return how many bytes came before the other side let go."""
    size = 0
    try:
        while block := connection.recv(MEBIBYTE):
            size += len(block)
    except ConnectionResetError:
        pass
    return size


@pytest.mark.parametrize("answered", [False, True])
def test_close_lets_go_at_once(
    upstream: Upstream, answered: bool, build_adapter: BuildAdapter
) -> None:
    left = threading.Event()

    def stall(request: Request, connection: Connection) -> None:
        if answered:
            connection.send_head()
            connection.send_chunk(b"one")
        if connection.wait_closed(20):
            left.set()

    upstream.handler = stall
    with begin(build_adapter(upstream.url)) as exchange:
        if answered:
            assert list(islice(exchange.iter_pieces(), 1)) == [b"one"]
        exchange.close()
        assert left.wait(20)
        exchange.close()


def test_finish_keeps_the_connection_though_its_end_comes_a_little_later(
    upstream: Upstream, build_adapter: BuildAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.transport.http_exchange.FINISH_SECONDS", PATIENT.idle)
    go_on = threading.Event()

    def end_later(request: Request, connection: Connection) -> None:
        connection.send_head()
        connection.send_chunk(b"data: [DONE]\n\n")
        go_on.wait(20)
        connection.end_chunks()

    upstream.handler = end_later
    adapter = build_adapter(upstream.url)
    with begin(adapter) as exchange:
        assert next(exchange.iter_pieces()) == b"data: [DONE]\n\n"
        threading.Timer(0.01, go_on.set).start()
        exchange.finish()
    assert fetch(adapter) == b"data: [DONE]\n\n"
    assert upstream.connections == 1


@pytest.mark.parametrize("chatty", [False, True])
def test_finish_does_not_wait_for_an_end_that_does_not_come(
    upstream: Upstream, over: threading.Event, chatty: bool, build_adapter: BuildAdapter
) -> None:
    def go_on_for_ever(request: Request, connection: Connection) -> None:
        connection.send_head()
        connection.send_chunk(b"data: [DONE]\n\n")
        while chatty and not over.is_set():
            connection.send_chunk(b": more\n\n" * 1000)
        over.wait(30)

    upstream.handler = go_on_for_ever
    adapter = build_adapter(upstream.url)
    with begin(adapter) as exchange:
        next(exchange.iter_pieces())
        began = time.monotonic()
        exchange.finish()
        assert time.monotonic() - began < PATIENT.request / 3
    upstream.handler = greet
    assert fetch(adapter) == b"hello"
    assert upstream.connections == 2


def test_finish_never_raises(upstream: Upstream, build_adapter: BuildAdapter) -> None:
    taken = threading.Event()

    def break_off(request: Request, connection: Connection) -> None:
        connection.send_head()
        connection.send_chunk(b"data: [DONE]\n\n")
        taken.wait(20)
        connection.send(b"no chunk")

    upstream.handler = break_off
    with open_pair() as client:
        watch = open_watch(PATIENT.request, client.ours)
        with begin(build_adapter(upstream.url), watch=watch) as exchange:
            next(exchange.iter_pieces())
            client.theirs.close()
            taken.set()
            exchange.finish()
            exchange.finish()
