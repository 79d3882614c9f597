"""What is true of the watch for gevent alone; run by ``test_under_gevent.py``."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from gevent import get_hub

from gateway.errors import ClientDisconnectedError
from gateway.transport.gevent_watch import GeventWatch
from gateway.transport.watch import READ, Wake
from tests.transport.test_watch import Pair, open_pair, within


@pytest.fixture
def client() -> Iterator[Pair]:
    with open_pair() as pair:
        yield pair


@pytest.fixture
def upstream() -> Iterator[Pair]:
    with open_pair() as pair:
        pair.ours.setblocking(False)
        yield pair


def active_watchers() -> int:
    loop = get_hub().loop
    kinds = (type(loop.io(0, READ)), type(loop.timer(1)))
    found: list[Any] = [each for each in gc.get_objects() if isinstance(each, kinds)]
    return sum(each.active for each in found)


@pytest.mark.parametrize("pipelined", [b"", b"GET / HTTP/1.1\r\n"])
def test_nothing_is_watched_after_close(client: Pair, upstream: Pair, pipelined: bytes) -> None:
    before = active_watchers()
    watch = GeventWatch(within(10), client.ours)
    client.theirs.send(pipelined)
    assert watch.wait([(upstream.ours, READ)], within(0.02)) is Wake.EXPIRED
    watch.next_ping = within(5)
    upstream.theirs.send(b"x")
    assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY
    assert active_watchers() > before
    watch.close()
    assert active_watchers() == before


def test_nothing_is_watched_after_the_client_left(client: Pair, upstream: Pair) -> None:
    before = active_watchers()
    watch = GeventWatch(within(10), client.ours)
    client.theirs.close()
    with pytest.raises(ClientDisconnectedError):
        watch.wait([(upstream.ours, READ)], within(5))
    watch.close()
    assert active_watchers() == before


def test_timer_is_set_again_only_when_it_would_fire_too_late(upstream: Pair) -> None:
    watch = GeventWatch(within(10))
    upstream.theirs.send(b"x")
    assert watch.wait([(upstream.ours, READ)], within(5)) is Wake.READY
    timer = watch._timer
    for _ in range(10):
        assert watch.wait([(upstream.ours, READ)], within(6)) is Wake.READY
    assert watch._timer is timer
    assert watch.wait([(upstream.ours, READ)], within(1)) is Wake.READY
    assert watch._timer is not timer
    watch.close()


def test_others_run_during_a_wait(upstream: Pair) -> None:
    watch = GeventWatch(within(10))
    ran: list[float] = []
    other = threading.Thread(target=lambda: ran.append(time.monotonic()))
    other.start()
    assert watch.wait([(upstream.ours, READ)], within(0.02)) is Wake.EXPIRED
    assert len(ran) == 1
    other.join()
    watch.close()


def test_sockets_are_gevents() -> None:
    assert socket.socket.__module__ == "gevent._socket3"
