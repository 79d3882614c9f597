"""What a request takes of the limits and budgets it is under, as claims on shared state.

Knows limits, budgets and their periods. Must not know HTTP, nor how claims are granted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gateway.accounts.keys.keys import Budget, Limits
from gateway.accounts.ledger.periods import Span, current_span
from gateway.accounts.limits.bound import TokenBound
from gateway.accounts.limits.rates import Rate, parse_rates
from gateway.accounts.prices.prices import NANO
from gateway.state import Claim

Measure = Literal["tokens", "cost", "requests", "open"]
Holder = Literal["key", "owner", "model"]


@dataclass(frozen=True, slots=True)
class Share:
    """A claim, and what it means: ``measure`` of ``holder``; ``rate`` or ``budget`` limits it.

    ``name`` is the key's id, the owner or the model. A budget has the ``span`` it is for, and
    was given ``given_at`` or before, in Unix seconds (0: not known).
    """

    claim: Claim
    measure: Measure
    holder: Holder
    name: str
    rate: Rate | None = None
    budget: Budget | None = None
    span: Span | None = None
    given_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the most tokens, and the most they can cost (None: not known)."""

    tokens: TokenBound
    cost: int | None
    least_cost: int


def iter_shares(
    holder: Holder, name: str, counted_as: str, limits: Limits, asked: Asked, now: float
) -> Iterator[Share]:
    """Yield what ``asked`` takes of the limits of a key or an owner.

    ``counted_as`` is what its counters are called by; budgets go by ``name``, as the books do.
    ``now`` is Unix time. A budget in dollars is left out where the price is not known.
    """
    if limits.budget is not None:
        span = current_span(limits.budget.per, now)
        yield from _budget(holder, name, limits.budget, limits.changed_at, span, asked)
    yield from iter_token_shares(holder, counted_as, limits.token_rate_limit, asked)
    if limits.max_concurrency is not None:
        claim = Claim(f"open:{holder}:{counted_as}", 1, limits.max_concurrency, "slots")
        yield Share(claim, "open", holder, name)


def iter_token_shares(
    holder: Holder, name: str, rates: str | None, asked: Asked
) -> Iterator[Share]:
    """Yield what ``asked`` takes of limits such as ``50000/minute``."""
    for rate in parse_rates(rates):
        claim = Claim(
            f"tokens:{holder}:{rate.seconds}:{name}",
            asked.tokens.total,
            rate.amount,
            window=rate.seconds,
            least=None if asked.tokens.is_stated else asked.tokens.least,
        )
        yield Share(claim, "tokens", holder, name, rate)


def iter_request_shares(holder: Holder, name: str, rates: str | None) -> Iterator[Share]:
    """Yield one request of limits such as ``60/minute``."""
    for rate in parse_rates(rates):
        key = f"requests:{holder}:{rate.seconds}:{name}"
        yield Share(Claim(key, 1, rate.amount, window=rate.seconds), "requests", holder, name, rate)


def _to_nano(usd: Decimal) -> int:
    """Return dollars as whole nano-dollars."""
    return int(usd * NANO)


def _budget(
    holder: Holder, name: str, budget: Budget, given_at: float, span: Span, asked: Asked
) -> Iterator[Share]:
    is_stated = asked.tokens.is_stated
    if budget.tokens is not None:
        least = None if is_stated else asked.tokens.least
        key = f"budget:{holder}:tokens:{span.name}:{name}"
        claim = Claim(key, asked.tokens.total, budget.tokens, "account", least=least)
        yield Share(claim, "tokens", holder, name, None, budget, span, given_at)
    if budget.usd is not None and asked.cost is not None:
        least = None if is_stated else asked.least_cost
        key = f"budget:{holder}:usd:{span.name}:{name}"
        claim = Claim(key, asked.cost, _to_nano(budget.usd), "account", least=least)
        yield Share(claim, "cost", holder, name, None, budget, span, given_at)
