"""The watch for gevent: one switch to the hub a wait, and hardly a system call of its own.

Knows gevent's hub and its watchers. Imported only where gevent has patched the
standard library.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from math import inf
from typing import Any

from gevent import get_hub
from gevent.hub import Waiter

from gateway.errors import GatewayError
from gateway.transport.watch import (
    PIPELINED_CHECK_SECONDS,
    READ,
    WRITE,
    Wake,
    Watch,
    client_left_error,
    is_half_closed,
    is_hung_up,
)

_READY = object()
_TIMER = object()
_CLIENT = object()
_INTERRUPTION = object()


class GeventWatch(Watch):
    """A watch whose waits are switches to gevent's hub.

    The client's watcher stays active from the first wait on and the timer is set again
    only when it would fire too late, for both cost more than a wait should.
    """

    def __init__(self, deadline: float, client: socket.socket | None = None) -> None:
        super().__init__(deadline)
        self._hub = get_hub()
        self._waiter: Any = None
        self._client = client
        self._client_left = False
        self._timer: Any = None
        self._timer_due = inf
        self._io: dict[tuple[socket.socket, int], Any] = {}
        self._client_io: Any = None

    def wait(self, sockets: list[tuple[socket.socket, int]], until: float) -> Wake:
        began = now = time.monotonic()
        if self._client_io is None and self._client is not None:
            self._look_at_client(self._client)
        waiter = self._waiter = Waiter(self._hub)
        watchers = [self._io.get(each) or self._watcher(each) for each in sockets]
        for watcher in watchers:
            watcher.start(waiter.switch, _READY)
        try:
            while True:
                if self._client_left:
                    raise client_left_error()
                expired = self._expired(now, until)
                if expired:
                    return expired
                self._set_timer(min(until, self.deadline, self.next_ping), now)
                if waiter.get() is _READY:
                    return Wake.READY
                waiter.clear()
                now = time.monotonic()
        finally:
            for watcher in watchers:
                watcher.stop()
            self._waiter = None
            self.waited += time.monotonic() - began

    def interrupt(self, build_error: Callable[[], GatewayError]) -> None:
        super().interrupt(build_error)
        # Waiters may be switched to by the hub alone.
        self._hub.loop.run_callback(self._end_wait, _INTERRUPTION)

    def forget(self, waited_for: socket.socket) -> None:
        for events in (READ, WRITE, READ | WRITE):
            watcher = self._io.pop((waited_for, events), None)
            if watcher is not None:
                watcher.close()

    def close(self) -> None:
        for watcher in (self._client_io, self._timer, *self._io.values()):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._client = self._client_io = self._timer = None
        self._timer_due = inf
        self._io.clear()

    def _look_at_client(self, client: socket.socket) -> None:
        if client.fileno() >= 0:
            self._client_io = self._hub.loop.io(client.fileno(), READ)
            self._client_io.start(self._on_client_readable)

    def _watcher(self, waited_for: tuple[socket.socket, int]) -> Any:
        watcher = self._hub.loop.io(waited_for[0].fileno(), waited_for[1])
        self._io[waited_for] = watcher
        return watcher

    def _set_timer(self, due: float, now: float) -> None:
        if due >= self._timer_due:
            return
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
        self._timer_due = due
        self._timer = self._hub.loop.timer(max(due - now, 0.0), ref=False)
        self._timer.start(self._on_timer)

    def _on_timer(self) -> None:
        self._timer_due = inf
        self._end_wait(_TIMER)

    def _on_client_readable(self) -> None:
        assert self._client is not None
        left = is_hung_up(self._client)
        if left is False:
            return
        self._client_io.stop()
        if left:
            self._on_client_left()
        else:
            # Bytes of a next request hide the end that may follow them.
            self._client_io.close()
            self._client_io = self._hub.loop.timer(
                PIPELINED_CHECK_SECONDS, PIPELINED_CHECK_SECONDS, ref=False
            )
            self._client_io.start(self._check_half_closed)

    def _check_half_closed(self) -> None:
        assert self._client is not None
        if is_half_closed(self._client):
            self._client_io.stop()
            self._on_client_left()

    def _on_client_left(self) -> None:
        self._client_left = True
        self._end_wait(_CLIENT)

    def _end_wait(self, reason: object) -> None:
        if self._waiter is not None:
            self._waiter.switch(reason)
