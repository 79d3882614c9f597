"""In which order the targets of a route are tried.

Knows the strategies. Must not know how loads and latencies are measured, nor
which targets are down: what is handed in decides, and nothing is ever left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from gateway.config.settings import Target
from gateway.routing.resolve import Route

EXPLORING_SHARE = 0.05
"""Of the requests, how many try another target than the fastest first."""

FRESH_SECONDS = 60.0
"""For how long a latency tells anything."""

PROMPT_TOKENS_PER_ANSWERED = 3
"""How many tokens are read for each that is written: a usual share, to compare prices by."""


class Latency(NamedTuple):
    """A target's recent time to its first token, and how long ago it was measured: seconds."""

    seconds: float
    age: float


def order_targets(
    route: Route,
    loads: Mapping[str, int],
    latencies: Mapping[str, Latency],
    random: Random,
) -> list[Target]:
    """Return every target of ``route`` once, in the order to try them; the fallback's are last.

    ``loads`` has the open requests and ``latencies`` what was measured, by the
    targets' names; what is not in them has no load and is not known. They are only
    asked by the strategies ``least_busy`` and ``fastest``.
    """
    ordered = _order(route, loads, latencies, random)
    if route.fallback is not None:
        ordered += order_targets(route.fallback, loads, latencies, random)
    return ordered


def _order(
    route: Route, loads: Mapping[str, int], latencies: Mapping[str, Latency], random: Random
) -> list[Target]:
    targets = list(route.targets)
    if len(targets) == 1 or route.strategy == "fallback":
        return targets
    if route.strategy == "weighted":
        # The first of exponential clocks to ring is each one's with the share of its rate.
        return sorted(targets, key=lambda target: random.expovariate(target.settings.weight))
    if route.strategy == "least_busy":
        return sorted(targets, key=lambda target: loads.get(target.name, 0))
    if route.strategy == "cheapest":
        return sorted(targets, key=_price)
    return _order_by_speed(targets, latencies, random)


def _order_by_speed(
    targets: list[Target], latencies: Mapping[str, Latency], random: Random
) -> list[Target]:
    """Return the unknown ones first, in any order, to know them; now and then another one."""
    known: dict[str, float] = {}
    for target in targets:
        latency = latencies.get(target.name)
        if latency is not None and latency.age <= FRESH_SECONDS:
            known[target.name] = latency.seconds
    # Shuffled first: of several unknown ones, not all requests should try the same.
    random.shuffle(targets)
    targets.sort(key=lambda target: known.get(target.name, -1.0))
    if random.random() < EXPLORING_SHARE:
        targets.insert(0, targets.pop(random.randrange(1, len(targets))))
    return targets


def _price(target: Target) -> float:
    price = target.settings.price
    if price is None:
        return math.inf
    return PROMPT_TOKENS_PER_ANSWERED * price.input + price.output
