"""Waiting for what happens elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(happened: Callable[[], bool], seconds: float = 15.0) -> float:
    """Return how many seconds it took until ``happened``; fails if that is too many."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s"
        time.sleep(0.02)
    return time.monotonic() - began


def least(take: Callable[[], float], enough: float, attempts: int = 5) -> float:
    """Return the least of the seconds that ``take`` tells, in a few attempts or until ``enough``.

    What is promised of an idle machine is shown on a busy one by what it manages at its best.
    """
    best = float("inf")
    for _ in range(attempts):
        best = min(best, take())
        if best < enough:
            break
    return best
