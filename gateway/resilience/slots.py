"""Slots for few at a time, and who gets the next: one value, and its transitions.

Knows what is fair. Must not know where the value is kept, nor who lives. Pure:
every transition returns the next value, or the same object where nothing changes.
Times are seconds of a clock that all callers share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Any, NamedTuple

from gateway.serialization import dumps, loads_lenient

HELD_WEIGHT = 0.2
"""How much the newest duration counts in the mean; about the last ten are felt."""


class Entry(NamedTuple):
    """A request that holds a slot or waits for one, since ``since``.

    ``number`` is unique within the process ``owner``. A higher ``priority`` goes first.
    """

    number: int
    owner: str
    key: str
    priority: int
    since: float


class Service(NamedTuple):
    """When a key was last given a slot: the ``number`` of the grant, in its class ``priority``."""

    priority: int
    number: int


@dataclass(frozen=True, slots=True)
class Slots:
    """Who holds one of ``limit`` slots, and who waits, in the order of arrival.

    ``grants`` counts all slots ever given. ``served`` remembers the last of those keys that
    hold one, or would be next too early if it were forgotten. ``held_for`` is the mean of
    how many seconds slots have been held lately.
    """

    limit: int = 0
    held: tuple[Entry, ...] = ()
    waiting: tuple[Entry, ...] = ()
    served: Mapping[str, Service] = field(default_factory=dict)
    grants: int = 0
    held_for: float | None = None

    def entered(self, entry: Entry, limit: int, max_waiting: int | None, now: float) -> Slots:
        """Add a request, and give out what is free of now ``limit`` slots.

        It has no place in the result if ``max_waiting`` wait already (None: any number may).
        """
        resized = self if limit == self.limit else replace(self, limit=limit)._granted(now)
        if len(resized.held) < limit:  # so nobody waits
            number = resized.grants + 1
            held = (*resized.held, entry._replace(since=now))
            served = {**resized.served, entry.key: Service(entry.priority, number)}
            return replace(resized, held=held, served=served, grants=number)
        if max_waiting is not None and len(resized.waiting) >= max_waiting:
            return resized
        return replace(resized, waiting=(*resized.waiting, entry))

    def re_entered(self, entry: Entry, limit: int, now: float) -> Slots:
        """Add a request that is not there any more, wherever it was, in its old place."""
        if _find(entry, self.held) is not None or _find(entry, self.waiting) is not None:
            return self
        entered = self.entered(entry, limit, None, now)
        waiting = sorted(entered.waiting, key=lambda other: (other.since, other.number))
        return replace(entered, waiting=tuple(waiting))

    def left(self, entry: Entry, now: float) -> Slots:
        """Take a request away, wherever it is, and give its slot to the next."""
        index = _find(entry, self.held)
        if index is not None:
            seconds = now - self.held[index].since
            held = _without(index, self.held)
            return replace(self, held=held, held_for=self._mean(seconds))._granted(now)
        index = _find(entry, self.waiting)
        return self if index is None else replace(self, waiting=_without(index, self.waiting))

    def swept(self, is_lost: Callable[[Entry], bool], now: float) -> Slots:
        """Take away all requests of which nobody will ever hear, and give out their slots."""
        held = tuple(entry for entry in self.held if not is_lost(entry))
        waiting = tuple(entry for entry in self.waiting if not is_lost(entry))
        if len(held) == len(self.held) and len(waiting) == len(self.waiting):
            return self
        return replace(self, held=held, waiting=waiting)._granted(now)

    def iter_order(self) -> Iterator[Entry]:
        """Yield those who wait in the order in which they would be served if nobody came or left.

        The higher class first. In a class the key that holds the fewest slots, of several the
        one served longest ago, and then the one that came first. So a key's many requests
        wait for each other, and not others for them.
        """
        held = Counter(entry.key for entry in self.held)
        queues: dict[tuple[int, str], list[tuple[int, Entry]]] = {}
        for arrival, entry in enumerate(self.waiting):
            queues.setdefault((-entry.priority, entry.key), []).append((arrival, entry))
        ahead = [
            (urgency, held[key], self._last_served(key), *queue[0], iter(queue[1:]))
            for (urgency, key), queue in queues.items()
        ]
        heapify(ahead)
        grants = self.grants
        while ahead:
            urgency, slots, _, _, entry, followers = heappop(ahead)
            yield entry
            grants += 1
            for arrival, follower in islice(followers, 1):
                heappush(ahead, (urgency, slots + 1, grants, arrival, follower, followers))

    def free_after(self, now: float) -> float | None:
        """Return the estimated seconds until a slot is given back; None: nothing is known.

        A request that has taken longer than the mean already raises it.
        """
        longest = max((now - entry.since for entry in self.held), default=None)
        known = [seconds for seconds in (self.held_for, longest) if seconds is not None]
        return max(known) / max(self.limit, 1) if known else None

    def _granted(self, now: float) -> Slots:
        free = self.limit - len(self.held)
        if free <= 0 or not self.waiting:
            return self._without_history() if self.served and not self.waiting else self
        granted = list(islice(self.iter_order(), free))
        served = dict(self.served)
        for number, entry in enumerate(granted, self.grants + 1):
            served[entry.key] = Service(entry.priority, number)
        return replace(
            self,
            held=(*self.held, *(entry._replace(since=now) for entry in granted)),
            waiting=tuple(entry for entry in self.waiting if entry not in granted),
            served=served,
            grants=self.grants + len(granted),
        )._without_history()

    def _without_history(self) -> Slots:
        """Forget keys without a slot that would be next even if all were remembered."""
        oldest: dict[int, int] = {}
        for entry in self.waiting:
            number = self._last_served(entry.key)
            if number:
                oldest[entry.priority] = min(number, oldest.get(entry.priority, number))
        holding = {entry.key for entry in self.held}
        served = {
            key: service
            for key, service in self.served.items()
            if key in holding or service.number >= oldest.get(service.priority, self.grants + 1)
        }
        return replace(self, served=served)

    def _last_served(self, key: str) -> int:
        service = self.served.get(key)
        return 0 if service is None else service.number

    def _mean(self, seconds: float) -> float:
        if self.held_for is None:
            return seconds
        return self.held_for + HELD_WEIGHT * (seconds - self.held_for)


def _find(entry: Entry, entries: tuple[Entry, ...]) -> int | None:
    """Return where the request stands among ``entries``, since when ever."""
    for index, other in enumerate(entries):
        if other.number == entry.number and other.owner == entry.owner:
            return index
    return None


def _without(index: int, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return entries[:index] + entries[index + 1 :]


def load_slots(data: bytes | None) -> Slots:
    """Return the value that ``dump_slots`` made; nobody is in what can't be read."""
    if data is None:
        return Slots()
    try:
        limit, names, held, waiting, served, grants, held_for = loads_lenient(data)
        return Slots(
            limit,
            _unpack(held, names),
            _unpack(waiting, names),
            {key: Service(*service) for key, service in served.items()},
            grants,
            held_for,
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return Slots()  # of another version of the gateway


def dump_slots(slots: Slots) -> bytes:
    """Return the value as JSON, in columns: with a thousand requests in it that takes a third.

    The long names of owners and keys stand there once.
    """
    names: dict[str, int] = {}
    held, waiting = _pack(slots.held, names), _pack(slots.waiting, names)
    served = {key: tuple(service) for key, service in slots.served.items()}
    return dumps([slots.limit, list(names), held, waiting, served, slots.grants, slots.held_for])


def _pack(entries: tuple[Entry, ...], names: dict[str, int]) -> list[list[float]]:
    numbers, owners, keys, priorities, times = zip(*entries, strict=True) if entries else [()] * 5
    for name in {*owners, *keys}:
        names.setdefault(name, len(names))
    return [
        list(numbers),
        list(map(names.__getitem__, owners)),
        list(map(names.__getitem__, keys)),
        list(priorities),
        list(times),
    ]


def _unpack(columns: list[list[Any]], names: list[str]) -> tuple[Entry, ...]:
    numbers, owners, keys, priorities, times = columns
    name = names.__getitem__
    rows = zip(numbers, map(name, owners), map(name, keys), priorities, times, strict=True)
    return tuple(map(Entry._make, rows))
