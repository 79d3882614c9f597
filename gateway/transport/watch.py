"""Waiting for an upstream while keeping an eye on the client and the clock.

A request spends nearly all its time here. One wait ends when the upstream's
socket is ready, a deadline has passed, a silent stream is due for a ping, or
the client has hung up, whichever comes first, so that no second greenlet or
thread is needed to let go of an upstream whose client has left.

Knows sockets and time. Must not know HTTP, nor why somebody waits.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from math import inf
from typing import Any
from weakref import WeakSet

from gateway.errors import ClientDisconnectedError, GatewayError, UpstreamTimeoutError

READ = 1
WRITE = 2

_POLL_EVENTS = {
    READ: select.POLLIN,
    WRITE: select.POLLOUT,
    READ | WRITE: select.POLLIN | select.POLLOUT,
}
_TCP_CLOSE = 7
_TCP_CLOSE_WAIT = 8
PIPELINED_CHECK_SECONDS = 0.05
_POLL_SECONDS = 0.5
"""How often a plain thread looks for what wakes nobody: a client that left, an interruption."""

_open_watches: WeakSet[Watch] = WeakSet()


class Wake(Enum):
    """Why a wait ended: the socket is ready, a ping is due, or ``until`` has passed."""

    READY = 1
    PING = 2
    EXPIRED = 3


class Watch(ABC):
    """The patience of one client's request.

    ``deadline`` and ``next_ping`` are points of ``time.monotonic()``; whoever writes to
    the client moves ``next_ping`` on, and may tell it the ``note``: why nothing comes yet.
    ``waited`` sums up the seconds spent waiting. ``wait`` raises ``ClientDisconnectedError``
    once the client has left, ``UpstreamTimeoutError`` once the whole request is out of time,
    and another error once it was interrupted with that. ``label`` is what it can be found by.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.next_ping = inf
        self.waited = 0.0
        self.note = ""
        self.label = ""
        self._interruption: Callable[[], GatewayError] | None = None
        _open_watches.add(self)

    @abstractmethod
    def wait(self, sockets: list[tuple[socket.socket, int]], until: float) -> Wake:
        """Wait until one of ``sockets`` is ready for its events: ``READ``, ``WRITE`` or both."""

    def wait_without_pings(self, sockets: list[tuple[socket.socket, int]], until: float) -> Wake:
        """Wait as ``wait`` does where a ping can't be sent: for what is over soon."""
        next_ping, self.next_ping = self.next_ping, inf
        try:
            return self.wait(sockets, until)
        finally:
            self.next_ping = next_ping

    def interrupt(self, build_error: Callable[[], GatewayError]) -> None:
        """Make the wait there is, if any, and all later ones raise what ``build_error`` returns."""
        self._interruption = build_error

    def raise_if_interrupted(self) -> None:
        """Raise the error there is; for who has always something to do, and so never waits."""
        if self._interruption is not None:
            raise self._interruption()

    def forget(self, waited_for: socket.socket) -> None:  # noqa: B027
        """Let go of a socket that is about to be closed or handed on."""

    def close(self) -> None:  # noqa: B027
        """Stop looking at the client; call it before its socket serves another request."""

    def _expired(self, now: float, until: float) -> Wake | None:
        self.raise_if_interrupted()
        if now >= self.deadline:
            raise _out_of_time()
        if now >= until:
            return Wake.EXPIRED
        if now >= self.next_ping:
            return Wake.PING
        return None


class PollingWatch(Watch):
    """A watch for plain threads (gthread, waitress, uWSGI, mod_wsgi, command line).

    ``client`` is the client's socket where the server hands it out; otherwise
    ``has_left`` may tell, and is asked twice a second. As soon, too, is an
    interruption noticed.
    """

    def __init__(
        self,
        deadline: float,
        client: socket.socket | None = None,
        has_left: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(deadline)
        self._client = client
        self._has_left = has_left

    def wait(self, sockets: list[tuple[socket.socket, int]], until: float) -> Wake:
        poll = select.poll()
        for waited_for, events in sockets:
            poll.register(waited_for, _POLL_EVENTS[events])
        client_descriptor = -1
        if self._client is not None:
            client_descriptor = self._client.fileno()
            poll.register(client_descriptor, select.POLLRDHUP)
        began = time.monotonic()
        try:
            while True:
                now = time.monotonic()
                expired = self._expired(now, until)
                if expired:
                    return expired
                if self._has_left is not None and self._has_left():
                    raise client_left_error()
                seconds = min(until, self.deadline, self.next_ping, now + _POLL_SECONDS) - now
                ready = poll.poll(seconds * 1000 + 1)
                if any(descriptor == client_descriptor for descriptor, _ in ready):
                    raise client_left_error()
                if ready:
                    return Wake.READY
        finally:
            self.waited += time.monotonic() - began


def open_watch(
    seconds: float,
    client: socket.socket | None = None,
    has_left: Callable[[], bool] | None = None,
) -> Watch:
    """Return the watch that suits the server we run under, for a request of ``seconds``."""
    deadline = time.monotonic() + seconds
    if is_gevent_patched():
        from gateway.transport.gevent_watch import GeventWatch

        return GeventWatch(deadline, client)
    return PollingWatch(deadline, client, has_left)


def interrupt_all(build_error: Callable[[], GatewayError]) -> None:
    """End every request under way in this process, as ``Watch.interrupt`` does."""
    for watch in _copy_open():
        watch.interrupt(build_error)


def interrupt_labelled(label: str, build_error: Callable[[], GatewayError]) -> None:
    """End the requests under way in this process whose watches have that label."""
    for watch in _copy_open():
        if watch.label == label:
            watch.interrupt(build_error)


def _copy_open() -> list[Watch]:
    while True:
        try:
            return list(_open_watches)
        except RuntimeError:  # another thread began a request meanwhile
            continue


def is_hung_up(client: socket.socket) -> bool | None:
    """Tell whether a readable client socket has reached its end; None: it has more to say."""
    try:
        return True if client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"" else None
    except (BlockingIOError, InterruptedError):
        return False
    except ValueError:  # a TLS socket takes no flags
        return is_half_closed(client)
    except OSError:
        return True


def is_half_closed(client: socket.socket) -> bool | None:
    """Tell whether the peer of a TCP socket has closed or reset it; None where it can't be told."""
    try:
        state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:
        return None
    return True if state in (_TCP_CLOSE, _TCP_CLOSE_WAIT) else None


def stop_reading(client: socket.socket) -> None:
    """Make a client's socket look as if nothing more came: its server will close it."""
    with suppress(OSError):
        client.shutdown(socket.SHUT_RD)


def is_gevent_patched() -> bool:
    """Tell whether gevent has made this process's standard library cooperative."""
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def client_left_error() -> GatewayError:
    """Return the error of a request whose client has left."""
    return ClientDisconnectedError("The client closed the connection.")


def _out_of_time() -> GatewayError:
    return UpstreamTimeoutError(
        "The request took longer than the gateway allows for a whole request.",
        code="request_timeout",
    )
