"""TLS and proxies on the way to an upstream.

The same tests run once more under gevent: see ``test_under_gevent.py``.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from gateway.errors import ClientDisconnectedError, UpstreamConnectionError, UpstreamError
from gateway.transport import UnexpectedStatusError, open_watch
from gateway.transport.connection import ConnectTimeoutError
from tests.transport.exchanging import IMPATIENT, PATIENT, BuildAdapter, begin, fetch
from tests.transport.test_watch import open_pair
from tests.upstream import Connection, Upstream

MEBIBYTE = 1024 * 1024
AUTHORITY = trustme.CA()


@dataclass
class Front:
    """A server, and the heads it read (TLS ones: b"" for each connection)."""

    listener: socket.socket
    heads: list[bytes] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])


@contextlib.contextmanager
def serve(handle: Callable[[Front, socket.socket], None]) -> Iterator[Front]:
    """Call ``handle`` with each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front = Front(listener)

        def talk(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                handle(front, connection)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=talk, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield front
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def splice(one: socket.socket, other: socket.socket) -> None:
    """Pass on what each side sends until one of them ends."""

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join(5)


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def secured() -> Iterator[Front]:
    """Return a server that speaks TLS and answers each request with its body."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("127.0.0.1", "localhost").configure_cert(context)

    def echo(front: Front, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as plain:
            front.heads.append(b"")
            speaker = Connection(plain)
            while request := speaker.read_request():
                speaker.send_answer(request.body)
            speaker.close()

    with serve(echo) as front:
        yield front


def test_certificate_of_the_bundle_is_accepted(
    build_adapter: BuildAdapter, secured: Front, bundle: str
) -> None:
    adapter = build_adapter(f"https://127.0.0.1:{secured.port}", ca_bundle=bundle)
    assert [fetch(adapter, body=body) for body in (b"1", b"2", b"3")] == [b"1", b"2", b"3"]
    assert len(secured.heads) == 1


def test_large_bodies_pass_through_tls(
    build_adapter: BuildAdapter, secured: Front, bundle: str
) -> None:
    body = bytes(range(256)) * 20 * 4096
    adapter = build_adapter(f"https://127.0.0.1:{secured.port}", ca_bundle=bundle)
    assert fetch(adapter, body=body) == body


def test_certificate_nobody_knows_is_refused(build_adapter: BuildAdapter, secured: Front) -> None:
    with pytest.raises(UpstreamError) as caught:
        fetch(build_adapter(f"https://127.0.0.1:{secured.port}"))
    assert (caught.value.status, caught.value.should_retry) == (502, False)
    assert caught.value.message == "The provider's TLS certificate can't be verified."
    assert secured.heads == []


def test_certificate_for_another_name_is_refused(build_adapter: BuildAdapter, bundle: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("other.example").configure_cert(context)

    def end_tls(front: Front, connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    with serve(end_tls) as front, pytest.raises(UpstreamError, match="can't be verified"):
        fetch(build_adapter(f"https://127.0.0.1:{front.port}", ca_bundle=bundle))


def test_bundle_that_cannot_be_read_is_a_502(
    build_adapter: BuildAdapter, secured: Front, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for path in (empty, tmp_path / "none.pem"):
        with pytest.raises(UpstreamError) as caught:
            fetch(build_adapter(f"https://127.0.0.1:{secured.port}", ca_bundle=str(path)))
        assert caught.value.status == 502


def test_server_that_speaks_no_tls_is_a_502(build_adapter: BuildAdapter, bundle: str) -> None:
    def greet(front: Front, connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH\r\n")
        connection.recv(1000)

    with serve(greet) as front, pytest.raises(UpstreamConnectionError) as caught:
        fetch(build_adapter(f"https://127.0.0.1:{front.port}", ca_bundle=bundle))
    assert caught.value.message == "The TLS handshake with the provider failed."


def test_server_that_hangs_up_in_the_handshake_is_a_502(
    build_adapter: BuildAdapter, bundle: str
) -> None:
    with (
        serve(lambda front, connection: connection.close()) as front,
        pytest.raises(UpstreamConnectionError),
    ):
        fetch(build_adapter(f"https://127.0.0.1:{front.port}", ca_bundle=bundle))


@pytest.fixture
def silent() -> Iterator[Front]:
    """Return a server that accepts connections and says nothing."""
    with serve(lambda front, connection: read_all(connection)) as front:
        yield front


def read_all(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def test_handshake_has_a_deadline(build_adapter: BuildAdapter, silent: Front) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectTimeoutError) as caught:
        fetch(build_adapter(f"https://127.0.0.1:{silent.port}", connect=IMPATIENT))
    assert caught.value.message == "The provider did not finish the TLS handshake in time."
    assert IMPATIENT <= time.monotonic() - began < PATIENT.connect / 2


@pytest.mark.parametrize("proxied", [False, True])
def test_client_that_leaves_ends_the_handshake(
    build_adapter: BuildAdapter, silent: Front, proxied: bool
) -> None:
    url = f"http://127.0.0.1:{silent.port}"
    adapter = (
        build_adapter("https://127.0.0.1:1", proxy=url)
        if proxied
        else build_adapter(url.replace("http", "https"))
    )
    with open_pair() as client:
        client.theirs.close()
        watch = open_watch(PATIENT.request, client.ours)
        began = time.monotonic()
        with pytest.raises(ClientDisconnectedError), begin(adapter, watch=watch):
            pass
    assert time.monotonic() - began < PATIENT.connect / 2


def connect(front: Front, connection: socket.socket) -> None:
    """Be an HTTP proxy that knows CONNECT alone."""
    head = read_head(front, connection)
    host, port = head.split()[1].decode().rsplit(":", 1)
    with socket.create_connection((host, int(port))) as onward:
        connection.sendall(b"HTTP/1.1 200\r\nVia: test\r\n\r\n")
        splice(connection, onward)


def read_head(front: Front, connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    front.heads.append(head)
    return head


def test_upstream_is_reached_through_a_proxy(
    build_adapter: BuildAdapter, upstream: Upstream
) -> None:
    with serve(connect) as proxy:
        adapter = build_adapter(upstream.url, proxy=f"http://127.0.0.1:{proxy.port}")
        assert (fetch(adapter), fetch(adapter)) == (b"hello", b"hello")
        adapter.close()
    address = f"127.0.0.1:{upstream.port}"
    assert proxy.heads == [f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()]


def test_tls_goes_through_a_proxy_that_wants_a_password(
    build_adapter: BuildAdapter, secured: Front, bundle: str
) -> None:
    with serve(connect) as proxy:
        url = f"http://us%40er:pass%3Aword@127.0.0.1:{proxy.port}"
        adapter = build_adapter(f"https://127.0.0.1:{secured.port}", proxy=url, ca_bundle=bundle)
        assert fetch(adapter, body=b"hello") == b"hello"
        adapter.close()
    credentials = base64.b64encode(b"us@er:pass:word")
    assert b"\r\nProxy-Authorization: Basic %b\r\n" % credentials in proxy.heads[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "The proxy refused to connect to the provider.",
        ),
        (b"HTTP/1.1 502 Bad\r\n\r\n", "The proxy refused to connect to the provider."),
        (b"HTTP/1.1 200 OK\r\n", "The proxy closed the connection."),
        (b"", "The proxy closed the connection."),
        (b"x" * 20_000, "The proxy closed the connection."),
    ],
)
def test_proxy_that_does_not_connect_is_a_502(
    build_adapter: BuildAdapter, answer: bytes, message: str
) -> None:
    def refuse(front: Front, connection: socket.socket) -> None:
        read_head(front, connection)
        connection.sendall(answer)

    with serve(refuse) as proxy, pytest.raises(UpstreamConnectionError) as caught:
        fetch(build_adapter("https://192.0.2.1:443", proxy=f"http://127.0.0.1:{proxy.port}"))
    assert caught.value.message == message


def test_silent_proxy_is_a_504(build_adapter: BuildAdapter, silent: Front) -> None:
    url = f"http://127.0.0.1:{silent.port}"
    with pytest.raises(ConnectTimeoutError) as caught:
        fetch(build_adapter("https://192.0.2.1:443", proxy=url, connect=IMPATIENT))
    assert caught.value.message == "The proxy did not open a connection in time."


def test_error_told_over_tls_while_the_request_is_still_being_sent(
    build_adapter: BuildAdapter, bundle: str
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    over = threading.Event()

    def refuse(front: Front, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as plain:
            plain.recv(1000)
            plain.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
            over.wait(20)

    with serve(refuse) as front:
        adapter = build_adapter(f"https://127.0.0.1:{front.port}", ca_bundle=bundle)
        with pytest.raises(UnexpectedStatusError) as caught:
            fetch(adapter, body=b"x" * 20 * MEBIBYTE)
    over.set()
    assert (caught.value.status, caught.value.body) == (413, b"big")
