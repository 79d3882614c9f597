"""Waiting for an upstream, a client and the clock, in plain threads.

The same tests run once more where gevent has patched everything: see
``test_under_gevent.py``.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

import pytest

from gateway.errors import ClientDisconnectedError, RestartingError, UpstreamTimeoutError
from gateway.transport import is_gevent_patched
from gateway.transport.watch import (
    READ,
    WRITE,
    PollingWatch,
    Wake,
    Watch,
    interrupt_all,
    interrupt_labelled,
    open_watch,
)

SOON = 1.0
"""Seconds. The promise is 0.1 on an idle machine; a busy one takes its time."""


@dataclass
class Pair:
    """Two ends of a connection."""

    ours: socket.socket
    theirs: socket.socket

    def reset(self) -> None:
        """Close their end with a reset (RST)."""
        self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.theirs.close()


@contextlib.contextmanager
def open_pair() -> Iterator[Pair]:
    """Connect two TCP sockets; ours does not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours, theirs:
        yield Pair(ours, theirs)


@pytest.fixture
def upstream() -> Iterator[Pair]:
    with open_pair() as pair:
        pair.ours.setblocking(False)
        yield pair


@pytest.fixture
def client() -> Iterator[Pair]:
    with open_pair() as pair:
        yield pair


@pytest.fixture
def watch(client: Pair) -> Iterator[Watch]:
    watch = open_watch(10, client.ours)
    yield watch
    watch.close()


class Later:
    """Does something in another thread in a moment, and notes when."""

    def __init__(self, action: Callable[[], object], seconds: float = 0.05) -> None:
        self.done_at = inf
        self._action = action
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        time.sleep(self._seconds)
        self.done_at = time.monotonic()
        self._action()

    def __enter__(self) -> Later:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def within(seconds: float) -> float:
    return time.monotonic() + seconds


def test_socket_that_is_ready_ends_the_wait_at_once(watch: Watch, upstream: Pair) -> None:
    upstream.theirs.send(b"x")
    assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY
    assert watch.wait([(upstream.ours, WRITE)], within(5)) is Wake.READY
    assert watch.wait([(upstream.ours, READ | WRITE)], within(5)) is Wake.READY
    assert watch.waited < 1


def test_socket_that_becomes_ready_ends_the_wait(watch: Watch, upstream: Pair) -> None:
    with Later(lambda: upstream.theirs.send(b"x")) as sent:
        assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY
        assert 0 <= time.monotonic() - sent.done_at < SOON
    assert watch.waited >= 0.05


def test_any_of_several_sockets_ends_the_wait(watch: Watch, upstream: Pair, client: Pair) -> None:
    with open_pair() as other, Later(lambda: other.theirs.send(b"x")) as sent:
        sockets = [(upstream.ours, READ), (other.ours, READ)]
        assert watch.wait(sockets, within(5)) is Wake.READY
        assert time.monotonic() >= sent.done_at
        watch.forget(other.ours)


def test_end_of_the_upstream_ends_the_wait(watch: Watch, upstream: Pair) -> None:
    with Later(upstream.theirs.close):
        assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY


def test_wait_expires_and_not_before(watch: Watch, upstream: Pair) -> None:
    for _ in range(3):
        until = within(0.05)
        assert watch.wait([(upstream.ours, READ)], until) is Wake.EXPIRED
        assert 0 <= time.monotonic() - until < SOON
    assert watch.wait([(upstream.ours, READ)], within(-1)) is Wake.EXPIRED


def test_wait_without_sockets_is_a_pause(watch: Watch) -> None:
    until = within(0.05)
    assert watch.wait([], until) is Wake.EXPIRED
    assert time.monotonic() >= until


def test_later_end_is_not_cut_short_by_an_earlier_one(watch: Watch, upstream: Pair) -> None:
    for seconds in (0.2, 0.05, 0.1):
        until = within(seconds)
        assert watch.wait([(upstream.ours, READ)], until) is Wake.EXPIRED
        assert time.monotonic() >= until


def test_ping_that_is_due_ends_the_wait(watch: Watch, upstream: Pair) -> None:
    watch.next_ping = within(0.05)
    assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.PING
    assert 0 <= time.monotonic() - watch.next_ping < SOON


def test_ping_can_be_put_off(watch: Watch, upstream: Pair) -> None:
    until, watch.next_ping = within(0.1), within(0.02)
    assert watch.wait_without_pings([(upstream.ours, READ)], until) is Wake.EXPIRED
    assert time.monotonic() >= until
    assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.PING


def test_request_out_of_time_is_an_error(upstream: Pair) -> None:
    watch = open_watch(0.05)
    with pytest.raises(UpstreamTimeoutError) as caught:
        watch.wait([(upstream.ours, READ)], within(5))
    watch.close()
    assert (caught.value.status, caught.value.code) == (504, "request_timeout")
    assert time.monotonic() >= watch.deadline


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("pipelined", [b"", b"POST / HTTP/1.1\r\n"])
def test_client_that_leaves_ends_the_wait(
    watch: Watch, upstream: Pair, client: Pair, how: str, pipelined: bytes
) -> None:
    if pipelined:
        client.theirs.send(pipelined)
    leave: dict[str, Callable[[], object]] = {
        "close": client.theirs.close,
        "reset": client.reset,
        "half": lambda: client.theirs.shutdown(socket.SHUT_WR),
    }
    with Later(leave[how]) as left:
        with pytest.raises(ClientDisconnectedError):
            watch.wait([(upstream.ours, READ)], within(5))
        assert 0 <= time.monotonic() - left.done_at < SOON


def test_client_that_left_between_waits_is_noticed(
    watch: Watch, upstream: Pair, client: Pair
) -> None:
    assert watch.wait([(upstream.ours, READ)], within(0.02)) is Wake.EXPIRED
    client.theirs.close()
    with pytest.raises(ClientDisconnectedError):
        watch.wait([(upstream.ours, READ)], within(5))


def test_client_of_a_local_socket_that_leaves_ends_the_wait(upstream: Pair) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watch = open_watch(10, ours)
        with Later(theirs.close), pytest.raises(ClientDisconnectedError):
            watch.wait([(upstream.ours, READ)], within(5))
        watch.close()


def test_bytes_of_a_next_request_are_no_leaving_and_stay_to_be_read(
    watch: Watch, upstream: Pair, client: Pair
) -> None:
    client.theirs.send(b"GET / HTTP/1.1\r\n")
    assert watch.wait([(upstream.ours, READ)], within(0.2)) is Wake.EXPIRED
    upstream.theirs.send(b"x")
    assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY
    watch.close()
    assert client.ours.recv(100) == b"GET / HTTP/1.1\r\n"


def test_new_connection_with_an_old_descriptor_is_waited_for(watch: Watch) -> None:
    descriptors = set()
    for _ in range(5):
        with open_pair() as pair:
            descriptors.add(pair.ours.fileno())
            assert watch.wait([(pair.ours, READ)], within(0.01)) is Wake.EXPIRED
            with Later(lambda theirs=pair.theirs: theirs.send(b"x"), 0.01):  # type: ignore[misc]
                assert watch.wait([(pair.ours, READ)], within(5)) is Wake.READY
            watch.forget(pair.ours)
    assert len(descriptors) < 5


def test_watch_that_was_closed_still_knows_the_time(watch: Watch, upstream: Pair) -> None:
    assert watch.wait([(upstream.ours, READ)], within(0.01)) is Wake.EXPIRED
    watch.close()
    assert watch.wait([(upstream.ours, READ)], within(0.05)) is Wake.EXPIRED
    upstream.theirs.send(b"x")
    assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY


def test_server_that_tells_of_the_client_is_asked_now_and_then(upstream: Pair) -> None:
    left = threading.Event()
    watch = PollingWatch(within(10), has_left=left.is_set)
    with Later(left.set), pytest.raises(ClientDisconnectedError):
        watch.wait([(upstream.ours, READ)], within(5))
    assert watch.waited < 0.5 + 2 * SOON


def test_an_interruption_ends_the_wait_and_all_later_ones(watch: Watch, upstream: Pair) -> None:
    upstream.theirs.send(b"x")
    assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY
    upstream.ours.recv(1)
    timer = threading.Timer(0.05, interrupt_all, [RestartingError])
    timer.start()
    began = time.monotonic()
    with pytest.raises(RestartingError):
        watch.wait([(upstream.ours, READ)], within(5))
    assert time.monotonic() - began < SOON
    timer.join()
    upstream.theirs.send(b"x")
    with pytest.raises(RestartingError):
        watch.wait([(upstream.ours, READ)], within(5))


def test_an_interruption_is_not_for_watches_that_come_later(upstream: Pair) -> None:
    interrupt_all(RestartingError)
    with contextlib.closing(open_watch(10)) as watch:
        upstream.theirs.send(b"x")
        assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY


def test_only_watches_with_the_label_are_interrupted(upstream: Pair) -> None:
    upstream.theirs.send(b"x")
    with contextlib.closing(open_watch(10)) as one, contextlib.closing(open_watch(10)) as other:
        one.label, other.label = "one", "other"
        interrupt_labelled("one", RestartingError)
        assert other.wait([(upstream.ours, READ)], within(5)) is Wake.READY
        other.raise_if_interrupted()
        with pytest.raises(RestartingError):
            one.wait([(upstream.ours, READ)], within(5))
        with pytest.raises(RestartingError):
            one.raise_if_interrupted()


def test_the_watch_suits_the_process() -> None:
    watch = open_watch(1)
    assert isinstance(watch, PollingWatch) is not is_gevent_patched()
    watch.close()
