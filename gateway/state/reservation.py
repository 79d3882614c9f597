"""Reservations: parts of several counters taken at once, settled when it is known what was used.

Knows what is claimed and what becomes of it. Must not know where counters are kept,
nor what they are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["window", "slots", "account"]

IDLE_LIFETIME = 2 * 24 * 3600.0
"""Seconds that ``slots`` and an ``account`` are kept after they were last used."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A part of the counter ``key``, which may not lead it beyond ``limit``.

    A ``window`` lasts ``window`` seconds from its first claim. ``slots`` come back also
    when their owner dies. An ``account`` has no end, and has to be told what was used
    before this state knew of it: ``seed``. Who can do with less than ``amount`` says
    with how much: ``least``; then all that is left is taken.
    """

    key: str
    amount: int
    limit: int | None
    kind: Kind = "window"
    window: float = IDLE_LIFETIME
    least: int | None = None
    seed: int | None = None


class Held(NamedTuple):
    """A claim that was granted: what of it, and the counter afterwards.

    ``born`` tells this counter from a later one of the same key.
    """

    claim: Claim
    amount: int
    value: int
    resets_in: float
    born: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """Everything claimed, granted. ``is_fallback``: not in the state that machines share."""

    number: int
    owner: str
    held: Sequence[Held]
    is_fallback: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing was taken: ``claim`` would lead its counter, now ``value``, beyond its limit."""

    claim: Claim
    value: int
    resets_in: float


@dataclass(frozen=True, slots=True)
class Unseeded:
    """Nothing was taken: the accounts ``keys`` are not known, and were given no seed."""

    keys: Sequence[str]
