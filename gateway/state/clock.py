"""The clock that windows are measured with: it survives restarts and steps of the wall clock.

Knows the machine's clocks. Must not know what is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
WALL_CLOCK = "wall clock"


@dataclass(frozen=True)
class Clock:
    """A clock in nanoseconds that all processes of a machine agree on.

    Readings can be compared as long as ``boot_id`` is the same. ``wall`` relates
    readings of one boot to those of another.
    """

    boot_id: str
    now: Callable[[], int]
    wall: Callable[[], int] = time.time_ns


def _boot_time_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def load_clock(boot_id: Path = BOOT_ID) -> Clock:
    """Return the time since boot, suspension included, with the boot's identity.

    Where the system tells neither (not Linux), the wall clock has to do: windows
    survive a restart, but not a step of the clock.
    """
    try:
        identity = boot_id.read_text().strip()
        _boot_time_ns()
    except (OSError, AttributeError):
        return Clock(WALL_CLOCK, time.time_ns)
    return Clock(identity, _boot_time_ns)
