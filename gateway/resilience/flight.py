"""Single flight: of equal work asked for at the same time, one does it and the others wait.

Knows leases in shared state, and who holds them. Must not know what the work is.

The state's value of a key is absent (nobody works), or a ``Flight``: in the air,
while its leader works, or landed, for the moment in which those who waited look
at what came of it; one that nobody waited for leaves nothing behind. A leader whose
process has died counts as absent.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple, TypeVar

import orjson

from gateway.state import State, StateUnavailableError
from gateway.state.base import Change
from gateway.state.noted_blobs import Notes

SHORTEST_PAUSE = 0.02
LONGEST_PAUSE = 0.1
_PAUSE_SHARE = 0.1
_MOST_LEFT_OPEN = 1000
_ENDED_AT_ONCE = 16
_PREFIX = "flight:"
_ALONE, _AWAITED, _LANDED = b"a", b"w", b"l"
"""What a value begins with: in the air and wanted by nobody else, wanted by others, landed."""

_Result = TypeVar("_Result")

Wait = Callable[[float], None]
"""Waits for so many seconds; raises when the client has left or its time is out."""


class Flight(NamedTuple):
    """Work under way, or just done. ``note`` is its leader's.

    ``number`` is unique within the process ``owner``.
    """

    number: int
    owner: str
    note: str
    has_landed: bool = False


class Lease(NamedTuple):
    """The right, and the duty, to do the work of ``key``; to be ended by ``Flights``."""

    key: str
    flight: Flight
    encoded: bytes


Joining = Callable[[str, Change[Lease | Flight], float], _Result]
"""Changes the note of that name, to live for so many seconds, and has a result of its own."""

Landing = Callable[[str, Change[None], float], None]
"""Changes the note of that name, to live for so many seconds."""


class Flights:
    """Work by key over all processes that share ``state``.

    ``longest`` is how many seconds a leader may take: whoever waits for one that
    never ended its lease goes on after that. ``notes`` is where flights are written down;
    None: in ``state``.
    """

    def __init__(self, state: State, longest: float, notes: Notes | None = None) -> None:
        self._state = state
        self._notes: Notes = notes or state
        self._longest = longest
        self._numbers = itertools.count()
        self._left_open: deque[tuple[Lease, float]] = deque(maxlen=_MOST_LEFT_OPEN)

    def join(self, key: str, note: str = "") -> Lease | Flight:
        """Lead the work of ``key``, or return the flight that is there already.

        Who leads looks once more whether the work has been done since it last looked:
        it may have landed in between. Raises ``StateUnavailableError``.
        """
        return self.join_by(self._notes.update, key, note)

    def join_by(self, step: Joining[_Result], key: str, note: str = "") -> _Result:
        """Do what ``join`` does within a larger ``step``, which has a result of its own."""
        if self._left_open:
            self._end_left_open()
        flight = Flight(next(self._numbers), self._state.owner, note)
        lease = Lease(key, flight, orjson.dumps(flight[:3]))

        def take(value: bytes | None) -> tuple[bytes, Lease | Flight]:
            if value is None:
                return _ALONE + lease.encoded, lease
            flight = self._parse(value)
            if flight is None:  # others may wait for it all the same
                is_awaited = value.startswith(_AWAITED)
                return (_AWAITED if is_awaited else _ALONE) + lease.encoded, lease
            return (_AWAITED + value[1:] if value.startswith(_ALONE) else value), flight

        try:
            return step(_PREFIX + key, take, self._longest)
        except StateUnavailableError:
            self._left_open.append((lease, 0.0))  # it may be ours all the same
            raise

    def iter_waits(self, key: str, wait: Wait) -> Iterator[None]:
        """Wait until nobody works on ``key`` any more; yields after each look at it.

        The pause between two looks grows with the time waited, so that many who wait
        long for the same cost little. Raises what ``wait`` raises, and
        ``StateUnavailableError``.
        """
        began = time.monotonic()
        while (flight := self._parse(self._notes.get(_PREFIX + key))) and not flight.has_landed:
            waited = time.monotonic() - began
            wait(min(max(SHORTEST_PAUSE, waited * _PAUSE_SHARE), LONGEST_PAUSE))
            yield

    def land(self, lease: Lease, seconds: float) -> None:
        """End a lease: all who wait go on, and so does who comes within ``seconds``."""
        self._end(lease, seconds, self._notes.update)

    def land_by(self, step: Landing, lease: Lease, seconds: float) -> None:
        """Do what ``land`` does within a larger ``step``."""
        self._end(lease, seconds, step)

    def release(self, lease: Lease) -> None:
        """End a lease with nothing to show: the next one leads."""
        self._end(lease, 0.0, self._notes.update)

    def _parse(self, value: bytes | None) -> Flight | None:
        """Return the flight, or None where there is none whose leader lives."""
        if value is None:
            return None
        try:
            number, owner, note = orjson.loads(value[1:])
        except (ValueError, TypeError):
            return None  # of another version of the gateway
        flight = Flight(number, owner, note, value.startswith(_LANDED))
        return flight if flight.has_landed or self._state.is_alive(flight.owner) else None

    def _end(self, lease: Lease, seconds: float, step: Landing) -> None:
        def end(value: bytes | None) -> tuple[bytes | None, None]:
            if value is None or value[1:] != lease.encoded:
                return value, None
            is_awaited = value.startswith(_AWAITED)
            return (_LANDED + lease.encoded if seconds and is_awaited else None), None

        try:
            step(_PREFIX + lease.key, end, seconds or self._longest)
        except StateUnavailableError:
            # Nobody else can end it while this process lives.
            self._left_open.append((lease, seconds))

    def _end_left_open(self) -> None:
        """End some leases that could not be ended when it was time."""
        for _ in range(min(len(self._left_open), _ENDED_AT_ONCE)):
            try:
                lease, seconds = self._left_open.popleft()
            except IndexError:  # other threads were quicker
                return
            self._end(lease, seconds, self._notes.update)


def finish(waiting: Generator[object, None, _Result]) -> _Result:
    """Read a generator to its end for what it returns."""
    while True:
        try:
            next(waiting)
        except StopIteration as end:
            result: _Result = end.value
            return result
