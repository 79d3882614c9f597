"""What holds while Redis answers within the 50 ms it has, shown on a machine that may be too busy.

Knows what a gateway's log says of a Redis that was late. Must not know what is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest

from tests.gateway_process import Gateway

ATTEMPTS = 5
_OUTAGE = 1.5
"""Seconds after which every worker tries Redis again; it says only once that it does not."""

_LATE = "The gateway's shared state can't be reached ("


def show_while_redis_is_in_time(machines: Sequence[Gateway], show: Callable[[int], None]) -> None:
    """Call ``show(number)``, which raises, with another number where Redis was late.

    What fails though no gateway says so fails at once, and what always fails in the end.
    """
    for number in range(ATTEMPTS - 1):
        try:
            return show(number)
        except Exception:  # an answer without what the next line looks for is as wrong
            if not any(_LATE in machine.log for machine in machines):
                raise
            time.sleep(_OUTAGE)
    show(ATTEMPTS - 1)


def never_more(passed: int, most: int) -> None:
    """Fail at once if more have passed than may, however late Redis was."""
    if passed > most:
        pytest.fail(f"{passed} passed, and not {most} at most")
