"""Connections to an upstream: opened in time, used again, and replaced where they are stale.

The same tests run once more under gevent: see ``test_under_gevent.py``.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from gateway.errors import (
    ClientDisconnectedError,
    GatewayError,
    UpstreamConnectionError,
)
from gateway.transport import open_watch
from gateway.transport.connection import ConnectTimeoutError
from tests.transport.exchanging import IMPATIENT, PATIENT, BuildAdapter, begin, fetch, greet
from tests.transport.test_watch import open_pair
from tests.upstream import Connection, Request, Upstream

MEBIBYTE = 1024 * 1024


def test_connection_is_used_again_after_each_whole_answer(
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
    adapter = build_adapter(upstream.url)
    assert [fetch(adapter) for _ in range(5)] == [b"hello"] * 5
    assert upstream.connections == 1


def test_exchanges_at_once_have_connections_of_their_own(
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
    adapter = build_adapter(upstream.url)
    with begin(adapter) as first, begin(adapter) as second:
        assert (first.read(100), second.read(100)) == (b"hello", b"hello")
    assert upstream.connections == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_connection_that_cannot_be_trusted_is_not_used_again(
    upstream: Upstream, raw: bytes, build_adapter: BuildAdapter
) -> None:
    upstream.handler = lambda request, connection: connection.send(raw)
    adapter = build_adapter(upstream.url)
    assert (fetch(adapter), fetch(adapter)) == (b"hello", b"hello")
    assert upstream.connections == 2


def test_idle_connection_that_was_closed_is_not_used_again(
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
    read, left = threading.Event(), threading.Event()

    def leave_when_read(request: Request, connection: Connection) -> None:
        greet(request, connection)
        read.wait(20)
        connection.close()
        left.set()

    upstream.handler = leave_when_read
    adapter = build_adapter(upstream.url)
    fetch(adapter)
    read.set()
    assert left.wait(20)
    assert fetch(adapter) == b"hello"
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("how", ["close", "reset"])
def test_idle_connection_that_closes_as_it_is_used_is_replaced_once(
    upstream: Upstream, how: str, build_adapter: BuildAdapter
) -> None:
    def answer_first_only(request: Request, connection: Connection) -> None:
        if request.path == "/first":
            greet(request, connection)
        elif upstream.connections == 1 or request.path == "/never":
            getattr(connection, how)()
        else:
            greet(request, connection)

    upstream.handler = answer_first_only
    adapter = build_adapter(upstream.url)
    fetch(adapter, "/first")
    assert fetch(adapter, "/second", b"x" * 1000) == b"hello"
    assert [request.path for request in upstream.requests] == ["/first", "/second", "/second"]
    assert upstream.requests[-1].body == b"x" * 1000
    with pytest.raises(UpstreamConnectionError):
        fetch(adapter, "/never")
    assert [request.path for request in upstream.requests[3:]] == ["/never", "/never"]


def test_refused_connection_is_a_502(build_adapter: BuildAdapter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UpstreamConnectionError) as caught:
        fetch(build_adapter(f"http://127.0.0.1:{port}"))
    assert (caught.value.status, caught.value.message) == (502, "The provider can't be reached.")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid"])
def test_host_without_an_address_is_a_502(
    host: str, monkeypatch: pytest.MonkeyPatch, build_adapter: BuildAdapter
) -> None:
    def resolve_nothing(host: str, *_: object, **__: object) -> object:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve_nothing)
    with pytest.raises(UpstreamConnectionError) as caught:
        fetch(build_adapter(f"http://{host}:80"))
    assert caught.value.message == "The provider's host name can't be resolved."


def test_address_that_does_not_answer_is_passed_over(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, build_adapter: BuildAdapter
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refused = listener.getsockname()
    stream = (socket.SOCK_STREAM, 0, "")
    addresses = [
        (9999, *stream, ("no such family", 1)),
        (socket.AF_INET, *stream, refused),
        (socket.AF_INET, *stream, ("127.0.0.1", upstream.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    assert fetch(build_adapter("http://several.invalid:80")) == b"hello"


@pytest.fixture
def black_hole() -> Iterator[str]:
    """Return a server that neither accepts nor refuses: its queue of connections is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for client in waiting:
            client.close()


def test_connection_that_is_not_accepted_is_a_504_in_time(
    black_hole: str, build_adapter: BuildAdapter
) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectTimeoutError) as caught:
        fetch(build_adapter(black_hole, connect=IMPATIENT))
    assert (caught.value.status, caught.value.code) == (504, "upstream_connect_timeout")
    assert IMPATIENT <= time.monotonic() - began < PATIENT.connect / 2


def test_client_that_leaves_ends_connecting(black_hole: str, build_adapter: BuildAdapter) -> None:
    with open_pair() as client:
        client.theirs.close()
        watch = open_watch(PATIENT.request, client.ours)
        began = time.monotonic()
        with pytest.raises(ClientDisconnectedError), begin(build_adapter(black_hole), watch=watch):
            pass
        assert time.monotonic() - began < PATIENT.connect / 2


def test_every_failure_of_a_connection_is_one_of_ours(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, build_adapter: BuildAdapter
) -> None:
    failures = [OSError(24, "Too many open files"), PermissionError(13, "Permission denied")]

    def fail(*_: object, **__: object) -> socket.socket:
        raise failures.pop()

    monkeypatch.setattr("gateway.transport.connection.socket.socket", fail)
    for _ in range(2):
        with pytest.raises(GatewayError):
            fetch(build_adapter(upstream.url))
    assert failures == []
