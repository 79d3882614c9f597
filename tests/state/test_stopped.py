"""A process that is stopped for longer than a heart may pause, and goes on."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.state import Claim, Refusal, Reservation, State
from gateway.state.heartbeat import LIFETIME
from gateway.state.redis import RedisState
from tests.state.processes import another_process
from tests.waiting import wait_until

SLOT = Claim("open", 1, 1, "slots")
TOKENS = Claim("tokens", 100, 1000, window=60)


@contextmanager
def holder(state: State) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Run a process that has the slot, and settles it when it has gone on.

    Yields how to stop it for as long as others believe in hearts, and how to let it go on.
    """

    def work(state: State, say: Callable[[str], None]) -> None:
        logging.getLogger("gateway.state").addHandler(logging.StreamHandler())
        reservation = state.reserve([SLOT, TOKENS])
        assert isinstance(reservation, Reservation)
        say("holding")
        signal.sigwait([signal.SIGUSR1])
        state.settle(reservation, [0, 10])
        time.sleep(0.6)  # for a beat
        state.now()
        state.increment("settled", 60)
        signal.pause()

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        with another_process(state, work) as other:

            def stop() -> None:
                os.kill(other.process_id, signal.SIGSTOP)
                time.sleep(LIFETIME + 0.5)

            def go_on() -> None:
                os.kill(other.process_id, signal.SIGCONT)
                os.kill(other.process_id, signal.SIGUSR1)
                wait_until(lambda: state.read("settled") is not None)

            yield stop, go_on
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])


def test_what_it_holds_stays_its_own_and_comes_back_once(state: State) -> None:
    with holder(state) as (stop, go_on):
        stop()
        assert isinstance(state.reserve([SLOT]), Refusal)
        go_on()
        assert isinstance(state.reserve([SLOT]), Reservation)
        assert isinstance(state.reserve([SLOT]), Refusal)
        tokens = state.reserve([TOKENS])
        assert isinstance(tokens, Reservation)
        assert tokens.held[0].value == 10 + 100


def test_seen_from_another_machine_it_is_dead_and_its_return_counts_nothing_twice(
    redis_state: RedisState, elsewhere: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with holder(redis_state) as (stop, go_on):
        stop()
        assert isinstance(redis_state.reserve([SLOT]), Reservation)
        go_on()
        assert isinstance(redis_state.reserve([SLOT]), Refusal), "the slot came back twice"
        tokens = redis_state.reserve([TOKENS])
        assert isinstance(tokens, Reservation)
        assert tokens.held[0].value == 100 + 100, "a dead owner has used all it reserved"
    assert "other machines have taken it for dead" in capfd.readouterr().err
