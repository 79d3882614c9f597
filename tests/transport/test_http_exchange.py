"""Exchanges over real connections: deadlines, keeping and letting go, upstreams that misbehave.

The same tests run once more under gevent: see ``test_under_gevent.py``.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from gateway.errors import (
    ClientDisconnectedError,
    GatewayError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.transport import UnexpectedStatusError, open_watch, wait_any
from gateway.transport.connection import ConnectTimeoutError
from tests.transport.exchanging import IMPATIENT, PATIENT, BuildAdapter, begin, fetch
from tests.transport.test_watch import open_pair
from tests.upstream import Connection, Request, Upstream, serve_upstream

MEBIBYTE = 1024 * 1024


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serve_upstream() as upstream:
        upstream.handler = greet
        yield upstream


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Return an event that is set at the end of the test: upstreams wait for it in silence."""
    over = threading.Event()
    yield over
    over.set()


def greet(request: Request, connection: Connection) -> None:
    connection.send_answer(b"hello")


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
    upstream: Upstream, build_adapter: BuildAdapter
) -> None:
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
