"""A line for which nobody waits: its changes, made where they lie in the stored value.

Knows the format of ``gateway.resilience.slots`` and what its transitions come to while there
are free slots. Must not know where the value is kept. Pure. Whatever is not as plain as
that is left to the transitions: the result is None then.

Most lines are so most of the time, and the others wait for the lock while a change is made.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.resilience.slots import HELD_WEIGHT, Entry

_NAMES_KEPT = 16
"""How many names of those who have left may pile up until a transition clears them away."""


def take_free_slot(data: bytes | None, entry: Entry, limit: int, now: float) -> bytes | None:
    """Return the line ``data`` with ``entry`` in one of its slots, as ``Slots.entered``."""
    line = _load(data)
    if line is None or line[0] != limit:
        return None
    _, names, held, _, served, grants, _ = line
    numbers, owners, keys, priorities, times = held
    if len(numbers) >= limit or len(names) > 2 * len(numbers) + _NAMES_KEPT:
        return None
    numbers.append(entry.number)
    owners.append(_place(entry.owner, names))
    keys.append(_place(entry.key, names))
    priorities.append(entry.priority)
    times.append(now)
    line[5] = grants + 1
    served[entry.key] = (entry.priority, grants + 1)
    return orjson.dumps(line)


def give_slot_back(data: bytes | None, entry: Entry, now: float) -> bytes | None:
    """Return the line ``data`` without ``entry``, which held a slot, as ``Slots.left``."""
    line = _load(data)
    if line is None:
        return None
    limit, names, held, _, served, _, held_for = line
    numbers, owners, keys, _, times = held
    if len(numbers) > limit or entry.owner not in names or entry.number not in numbers:
        return None
    index = numbers.index(entry.number)
    if owners[index] != names.index(entry.owner):  # another process counts alike
        return None
    seconds = now - times[index]
    line[6] = seconds if held_for is None else held_for + HELD_WEIGHT * (seconds - held_for)
    key = keys[index]
    for column in held:
        del column[index]
    if key not in keys:
        served.pop(names[key], None)
    return orjson.dumps(line)


def _load(data: bytes | None) -> list[Any] | None:
    """Return the stored line, unless somebody waits or it can't be read."""
    if data is None:
        return None
    try:
        line: list[Any] = orjson.loads(data)
        _, _, held, waiting, _, _, _ = line
        _, _, _, _, _ = held
        return None if waiting[0] else line
    except (ValueError, TypeError, LookupError):
        return None  # of another version of the gateway


def _place(name: str, names: list[str]) -> int:
    """Return where ``name`` stands among ``names``, to which it is added if need be."""
    try:
        return names.index(name)
    except ValueError:
        names.append(name)
        return len(names) - 1
