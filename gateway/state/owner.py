"""Which process is it, and does it live: tokens that name one process of all that ever ran.

Knows the machine's table of processes. Must not know what they own.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from functools import lru_cache

from gateway.state.clock import load_clock

LOOKED_AT_EVERY = 0.25
"""Seconds for which an answer about another process is taken for still true."""

_MOST_ANSWERS = 1024
_UNKNOWN = "unknown"


def load_owner() -> str:
    """Return this process's token: its id, when it started, on what machine, and a random part.

    A process id comes back in time; with the time of its start (clock ticks since boot) it doesn't.
    The machine is one boot of it and one space of process ids: a container has its own.
    """
    return _build_owner(os.getpid())


def is_running(owner: str) -> bool:
    """Return whether the process with that token runs, or is stopped, on this machine."""
    try:
        process, started, machine, _ = owner.split("/")
        process_id = int(process)
    except ValueError:
        return False
    if machine != _load_machine():
        return False
    if started == _UNKNOWN:  # a system without /proc, which names no boot either
        return _answers_signals(process_id)
    return _load_start(process_id) == started


def is_of_this_machine(owner: str) -> bool:
    """Return whether ``is_running`` can know."""
    return owner.split("/")[2:3] == [_load_machine()]


class Liveness:
    """Answers of ``look`` (does the process with this token live?), each good for 0.25 s."""

    def __init__(self, look: Callable[[str], bool]) -> None:
        self._look = look
        self._answers: dict[str, tuple[float, bool]] = {}

    def is_alive(self, owner: str) -> bool:
        """Return whether the process with the token ``owner`` lives."""
        if owner == load_owner():
            return True
        now = time.monotonic()
        looked_at, is_alive = self._answers.get(owner, (0.0, False))
        if not looked_at or now - looked_at > LOOKED_AT_EVERY:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            is_alive = self._look(owner)
            self._answers[owner] = now, is_alive
        return is_alive


@lru_cache(maxsize=1)
def _build_owner(process_id: int) -> str:
    started = _load_start(process_id) or _UNKNOWN
    return f"{process_id}/{started}/{_load_machine()}/{secrets.token_hex(8)}"


@lru_cache(maxsize=1)
def _load_machine() -> str:
    try:
        space = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        space = os.uname().nodename
    return f"{load_clock().boot_id}:{space}"


def _load_start(process_id: int) -> str | None:
    """Return when the process started, in clock ticks since boot; None if it does not run."""
    try:
        with open(f"/proc/{process_id}/stat", "rb", buffering=0) as file:
            stat = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the name, may hold anything; the third, the state, comes after its last ).
    fields = stat[stat.rindex(b")") + 2 :].split()
    is_dead = fields[0] in (b"Z", b"X")  # killed, and its parent has not looked yet
    return None if is_dead else fields[19].decode()


def _answers_signals(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
