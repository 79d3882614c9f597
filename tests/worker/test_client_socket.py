"""The clients' sockets of gunicorn's worker: all bytes, in order, in few writes, and no leaks."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from gateway.worker import client_socket
from gateway.worker.client_socket import ClientSocket, HeadTimeout

HEAD = b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, ClientSocket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname(), timeout=20)
        accepted, _ = listener.accept()
    client = ClientSocket(fileno=accepted.detach())
    with peer:
        yield peer, client
    with contextlib.suppress(OSError):
        client.close()


@pytest.fixture
def peer(pair: tuple[socket.socket, ClientSocket]) -> socket.socket:
    """Return the client's own end."""
    return pair[0]


@pytest.fixture
def client(pair: tuple[socket.socket, ClientSocket]) -> ClientSocket:
    """Return the worker's end."""
    return pair[1]


def is_silent(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        peer.recv(1)
    except BlockingIOError:
        return True
    finally:
        peer.settimeout(20)
    return False


def test_head_leaves_with_the_first_of_the_body(peer: socket.socket, client: ClientSocket) -> None:
    client.sendall(HEAD)
    assert is_silent(peer)
    client.sendall(b"data: 1\n\n")
    assert peer.recv(1000) == HEAD + b"data: 1\n\n"
    client.sendall(b"data: 2\n\n")
    assert peer.recv(1000) == b"data: 2\n\n"


@pytest.mark.parametrize("how", ["close", "shutdown", "empty", "recv"])
def test_head_without_a_body_leaves_too(
    peer: socket.socket, client: ClientSocket, how: str
) -> None:
    client.sendall(HEAD)
    if how == "close":
        client.close()
    elif how == "shutdown":
        client.shutdown(socket.SHUT_WR)
    elif how == "empty":
        client.sendall(b"")
    else:
        peer.send(b"GET / HTTP/1.1\r\n")
        assert client.recv(100) == b"GET / HTTP/1.1\r\n"
    assert peer.recv(1000) == HEAD


def test_each_of_several_heads_leaves_in_its_turn(
    peer: socket.socket, client: ClientSocket
) -> None:
    for _ in range(2):
        client.sendall(HEAD)
        client.sendall(b"")
    assert read(peer, 2 * len(HEAD)) == HEAD * 2


def read(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += peer.recv(size - len(data))
    return data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_slow_reader_gets_all_of_it_in_order(
    peer: socket.socket, client: ClientSocket, kind: Any
) -> None:
    body = bytes(range(256)) * 4096 * 16
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(read(peer, len(HEAD) + len(body))))
    reader.start()
    client.sendall(HEAD)
    client.sendall(kind(body))
    reader.join()
    assert seen == [HEAD + body]


def test_others_are_served_while_one_reads_slowly(
    peer: socket.socket, client: ClientSocket
) -> None:
    body = b"x" * 16 * 1024 * 1024
    sending = gevent.spawn(client.sendall, body)
    other = gevent.spawn(lambda: "served")
    assert other.get(timeout=20) == "served"
    assert not sending.ready()
    reader = threading.Thread(target=read, args=(peer, len(body)))
    reader.start()
    sending.get(timeout=20)
    reader.join()


def test_reader_that_takes_nothing_is_given_up(
    peer: socket.socket, client: ClientSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_socket, "WRITE_SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        client.sendall(b"x" * 64 * 1024 * 1024)
    assert client.gettimeout() is None


def test_socket_of_a_client_that_is_gone_is_closed_all_the_same(
    peer: socket.socket, client: ClientSocket
) -> None:
    client.sendall(HEAD)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        client.close()
    assert client.fileno() == -1


def test_what_has_come_is_read_although_time_is_short(
    peer: socket.socket, client: ClientSocket
) -> None:
    peer.sendall(b"GET / HTTP/1.1\r\n")
    with HeadTimeout(client, 5.0):
        assert client.recv(8192) == b"GET / HTTP/1.1\r\n"


def test_a_head_that_comes_in_time_is_read(peer: socket.socket, client: ClientSocket) -> None:
    gevent.spawn_later(0.05, peer.sendall, b"late")
    with HeadTimeout(client, 5.0):
        assert client.recv(8192) == b"late"


def test_a_head_that_does_not_come_in_time_is_the_end(
    peer: socket.socket, client: ClientSocket
) -> None:
    began = time.monotonic()
    with HeadTimeout(client, 0.1):
        peer.sendall(b"GET")
        assert client.recv(8192) == b"GET"
        assert client.recv(8192) == b""
        peer.sendall(b" / HTTP/1.1")
        assert client.recv(8192) == b""
    assert 0.1 <= time.monotonic() - began < 2.0


def test_a_body_may_take_longer_than_the_head(peer: socket.socket, client: ClientSocket) -> None:
    with HeadTimeout(client, 0.05):
        pass
    gevent.spawn_later(0.15, peer.sendall, b"body")
    assert client.recv(8192) == b"body"
