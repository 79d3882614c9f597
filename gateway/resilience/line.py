"""Fair lines before what few may use at a time, over all processes that share the state.

Knows shared state and one process's tickets. Who is next is decided in
``gateway.resilience.slots``. Must not know what the slots are for, nor how to wait.

A slot is given within the very change that frees it, whoever makes that change; those
who wait find themselves among the holders when they look. What a dead process held is
given out by the first who looks.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import NamedTuple, TypeAlias

from gateway.resilience.mending import Mending
from gateway.resilience.slots import Entry, Slots, dump_slots, load_slots
from gateway.resilience.uncontended import give_slot_back, take_free_slot
from gateway.state import State, StateUnavailableError

POLL_SECONDS = 0.02
"""How often to look for a place: a slot is idle for so long at most, and ten at half of it."""

LOOK_EVERY = 0.01
"""Seconds for which all tickets of a process are answered from one look at the shared state."""

LIFETIME = 7 * 86_400.0
"""Seconds that a line is remembered after the last change: no request may outlast it."""

UNKNOWN_WAIT = 1.0
"""Seconds after which to come again where nothing tells how long slots are held."""

_Shortcut: TypeAlias = Callable[[bytes | None], bytes | None]
"""A change of the stored value, which returns None where it is not as simple as that."""


class Ticket:
    """A request's place in a line. Always call ``leave``, which may be called again."""

    poll_seconds = POLL_SECONDS

    def __init__(self, lines: Lines, line: str, entry: Entry, limit: int, place: int) -> None:
        self._lines = lines
        self._line = line
        self._entry = entry
        self._limit = limit
        self._place = place
        self._has_left = False

    def place(self) -> int:
        """Return 0 if it has a slot, else its place in the order of service, from 1.

        The order is fair, not that of arrival, so that a place can also get worse. While
        the shared state is away it is the last one known.
        """
        if self._place:
            with suppress(StateUnavailableError):
                self._place = self._lines.find_place(self._line, self._entry, self._limit)
        return self._place

    def leave(self) -> None:
        """Give the slot or the place in the line back; never raises."""
        if not self._has_left:
            self._has_left = True
            self._lines.give_back(self._line, self._entry)


class Lines:
    """The lines of all that is scarce, by name."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._numbers = itertools.count(1)
        self._known: set[int] = set()
        self._views: dict[str, _View] = {}
        self._mending = Mending(self._sweep)

    def enter(
        self, line: str, key: str, priority: int, limit: int, max_waiting: int
    ) -> Ticket | None:
        """Return a ticket for one of ``limit`` slots, or None if ``max_waiting`` wait already.

        Requests of one ``key`` wait for each other; a higher ``priority`` goes first.
        Raises StateUnavailableError.
        """
        number = next(self._numbers)
        now = self._now()
        entry = Entry(number, self._state.owner, key, priority, now)
        self._known.add(number)
        try:
            if self._change_plainly(line, lambda data: take_free_slot(data, entry, limit, now)):
                return Ticket(self, line, entry, limit, 0)
            place = self._enter(line, entry, limit, max_waiting)
        except StateUnavailableError:  # it may have entered all the same
            self._known.discard(entry.number)
            self._mending.note(line)
            raise
        if place is None:
            self._known.discard(entry.number)
            return None
        return Ticket(self, line, entry, limit, place)

    def counts(self, line: str) -> tuple[int, int]:
        """Return how many hold a slot and how many wait; raises StateUnavailableError."""
        slots = self._look(line).slots
        return len(slots.held), len(slots.waiting)

    def retry_after(self, line: str) -> float:
        """Return the estimated seconds until somebody can enter a full line.

        That is when the next slot is given back, as the first of those waiting gets it: the
        mean of how long slots have been held lately, or how long one is held already, shared
        among the slots. At least a second.
        """
        try:
            slots = self._look(line).slots
        except StateUnavailableError:
            return UNKNOWN_WAIT
        return max(slots.free_after(self._now()) or 0.0, UNKNOWN_WAIT)

    def find_place(self, line: str, entry: Entry, limit: int) -> int:
        """See ``Ticket.place``; raises StateUnavailableError."""
        view = self._views.get(line)
        if view is None or time.monotonic() >= view.fresh_until:
            view = self._look(line)
        place = view.places.get((entry.owner, entry.number))
        if place is None:  # the store has been emptied, or the look was from before it entered
            now = self._now()
            view = self._update(line, lambda slots: slots.re_entered(entry, limit, now)).view
            place = view.places[entry.owner, entry.number]
        return place

    def give_back(self, line: str, entry: Entry) -> None:
        """See ``Ticket.leave``."""
        now = self._now()
        try:
            was_there = (
                self._change_plainly(line, lambda data: give_slot_back(data, entry, now))
                or self._update(line, lambda slots: slots.left(entry, now)).has_changed
            )
        except StateUnavailableError:
            was_there = False
        if not was_there:
            self._mending.note(line)
        # Only now: another thread would have taken it for lost.
        self._known.discard(entry.number)

    def _enter(self, line: str, entry: Entry, limit: int, max_waiting: int) -> int | None:
        """Return the place, 0 for a slot; None if there is no room to wait."""
        now = entry.since

        def enter(slots: Slots) -> Slots:
            if slots.waiting or len(slots.held) >= limit:
                slots = self._without_lost(slots, now)
            return slots.entered(entry, limit, max_waiting, now)

        return self._update(line, enter).view.places.get((entry.owner, entry.number))

    def _look(self, line: str) -> _View:
        """Return the line as it is now, after putting right what is lost."""
        data = self._state.get(_key(line))
        view = self._views.get(line)
        if view is None or view.data != data:
            view = _View(data)
        now = self._now()
        if self._without_lost(view.slots, now) is not view.slots:
            view = self._update(line, lambda slots: self._without_lost(slots, now)).view
        return self._keep(line, view)

    def _now(self) -> float:
        """Return the time to the millisecond, which is short to write down."""
        return round(self._state.now(), 3)

    def _sweep(self, line: str) -> None:
        self._look(line)

    def _without_lost(self, slots: Slots, now: float) -> Slots:
        """Take away requests whose process is dead, or is this one and knows nothing of them."""
        owner = self._state.owner
        owners = {entry.owner for entry in (*slots.held, *slots.waiting)}
        dead = {other for other in owners if not self._state.is_alive(other)}

        def is_lost(entry: Entry) -> bool:
            if entry.owner == owner:
                return entry.number not in self._known
            return entry.owner in dead

        return slots.swept(is_lost, now)

    def _change_plainly(self, line: str, shortcut: _Shortcut) -> bool:
        """Change the stored value where it lies; False: it is not as simple as that."""

        def change(data: bytes | None) -> tuple[bytes | None, bool]:
            changed = shortcut(data)
            return (data, False) if changed is None else (changed, True)

        return self._state.update(_key(line), change, LIFETIME)

    def _update(self, line: str, transition: Callable[[Slots], Slots]) -> _Update:
        seen = self._views.get(line)

        def change(data: bytes | None) -> tuple[bytes | None, _Update]:
            view = seen if seen is not None and seen.data == data else _View(data)
            changed = transition(view.slots)
            if changed is view.slots:
                return data, _Update(view)
            dumped = dump_slots(changed)
            return dumped, _Update(_View(dumped, changed), has_changed=True)

        update = self._state.update(_key(line), change, LIFETIME)
        self._keep(line, update.view)
        return update

    def _keep(self, line: str, view: _View) -> _View:
        view.fresh_until = time.monotonic() + LOOK_EVERY
        self._views[line] = view
        return view


class _View:
    """A line as this process last saw it, and until when that is good enough."""

    def __init__(self, data: bytes | None, slots: Slots | None = None) -> None:
        self.data = data
        self.fresh_until = 0.0
        if slots is not None:
            self.slots = slots

    @cached_property
    def slots(self) -> Slots:
        """The line, read when somebody has to know."""
        return load_slots(self.data)

    @cached_property
    def places(self) -> dict[tuple[str, int], int]:
        """The place of each request, by owner and number; 0 is a slot."""
        places = dict.fromkeys(((entry.owner, entry.number) for entry in self.slots.held), 0)
        for place, entry in enumerate(self.slots.iter_order(), 1):
            places[entry.owner, entry.number] = place
        return places


class _Update(NamedTuple):
    """A line after a change, if it was one."""

    view: _View
    has_changed: bool = False


def _key(line: str) -> str:
    return f"line:{line}"
