"""Letting requests in: reserved at once under all limits and budgets, settled when they end.

Knows claims, the books and shared state. Must not know HTTP, nor how answers are made.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from gateway.accounts.keys.keys import Limits, Principal
from gateway.accounts.ledger.entry import Opening, Row
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.ledger.spent import read_spent
from gateway.accounts.limits.claims import (
    Asked,
    Share,
    iter_request_shares,
    iter_shares,
    iter_token_shares,
)
from gateway.accounts.limits.refusals import build_refusal, build_unpriced_error, format_amount
from gateway.accounts.limits.reseeding import Reseeding
from gateway.errors import ServiceUnavailableError
from gateway.state import Claim, Held, Refusal, Reservation, State, StateUnavailableError, Unseeded

_MOST_WARNED = 10_000
logger = logging.getLogger("gateway.ledger")


class Used(NamedTuple):
    """What a request has used: tokens, and nano-dollars (None: the price is not known)."""

    tokens: int
    cost: int | None


class Allowance(NamedTuple):
    """What is left of a limit of tokens; ``resets_at`` is monotonic time in seconds."""

    limit: int
    remaining: int
    resets_at: float


@dataclass
class Admission:
    """A request that was let in, until it is settled. ``opening`` is its line in the books."""

    opening: Opening
    shares: Sequence[Share]
    reservation: Reservation | None
    held: Sequence[Held] = field(default=())
    is_settled: bool = False

    @property
    def allowance(self) -> Allowance | None:
        """What is left of the limit of tokens that is nearest to its end."""
        now = time.monotonic()
        found = [
            Allowance(
                held.claim.limit or 0,
                max(0, (held.claim.limit or 0) - held.value),
                now + held.resets_in,
            )
            for share, held in zip(self.shares, self.held, strict=False)
            if share.measure == "tokens" and share.rate is not None
        ]
        return min(found, key=lambda each: (each.remaining, -each.resets_at), default=None)

    @property
    def warnings(self) -> list[str]:
        """Sentences about budgets whose soft limit is reached."""
        return [_warning(share, held) for share, held in self.near_budgets()]

    def near_budgets(self) -> list[tuple[Share, Held]]:
        """Return the budgets whose soft limit is reached."""
        return [
            (share, held)
            for share, held in zip(self.shares, self.held, strict=False)
            if share.budget is not None
            and share.budget.soft_limit is not None
            and held.value >= Decimal(str(share.budget.soft_limit)) * (held.claim.limit or 0)
        ]


class Admissions:
    """Lets requests in under their limits, over all processes that share ``state``.

    ``token_rate_limit`` holds for each key that has none of its own.
    """

    def __init__(self, state: State, ledger: Ledger, token_rate_limit: str | None) -> None:
        self._state = state
        self._ledger = ledger
        self._token_rate_limit = token_rate_limit
        self._numbers = itertools.count(1)
        self._unsettled: deque[tuple[Reservation, Sequence[int]]] = deque(maxlen=10_000)
        self._warned: set[str] = set()
        self._seeding = threading.Lock()
        self._reseeding = Reseeding(state)

    @property
    def ledger(self) -> Ledger:
        """The books that requests are written down in."""
        return self._ledger

    def admit(
        self, who: Principal, opening: Opening, asked: Asked, model_limits: Limits
    ) -> Admission:
        """Reserve what is ``asked`` under the limits of key, owner and model, and write it down.

        ``opening.number`` is given here. Raises ``RateLimitError``, ``BudgetExceededError``
        or ``ServiceUnavailableError``; then nothing is reserved.
        """
        now = time.time()
        shares = self._list_shares(who, opening.model, asked, model_limits, now)
        reservation = self._reserve(shares, now) if shares else None
        held = () if reservation is None else reservation.held
        opening = opening._replace(
            number=next(self._numbers),
            prompt_tokens=asked.tokens.prompt,
            completion_tokens=asked.tokens.completion,
            cost=asked.cost,
        )
        admission = Admission(opening, shares, reservation, held)
        try:
            self._ledger.open(opening)
        except ServiceUnavailableError:
            self._give_back(admission, Used(0, 0), requests=0)
            raise
        return admission

    def settle(self, admission: Admission, used: Used, row: Row) -> None:
        """Put what was used in place of what was reserved, and write it down. To be done once."""
        if admission.is_settled:
            return
        self._give_back(admission, used)
        self._ledger.end(admission.opening.number, row)
        for share, held in admission.near_budgets():
            self._warn(share, held)

    def extend(self, admission: Admission, opening: Opening) -> None:
        """Write down that a request which goes on and on may use more than was thought."""
        admission.opening = opening
        self._ledger.reopen(opening)

    def _list_shares(
        self, who: Principal, model: str, asked: Asked, model_limits: Limits, now: float
    ) -> list[Share]:
        limits, owner = who.limits, who.owner_limits
        if limits.token_rate_limit is None and self._token_rate_limit is not None:
            limits = replace(limits, token_rate_limit=self._token_rate_limit)
        if asked.cost is None and any(
            each.budget is not None and each.budget.usd is not None for each in (limits, owner)
        ):
            raise build_unpriced_error(model)
        counted_as = who.tenant or who.key_id
        shares = list(iter_shares("key", who.key_id, counted_as, limits, asked, now))
        if who.owner:
            shares += iter_shares("owner", who.owner, who.owner, owner, asked, now)
        shares += iter_request_shares("model", model, model_limits.rate_limit)
        shares += iter_token_shares("model", model, model_limits.token_rate_limit, asked)
        return shares

    def _reserve(self, shares: Sequence[Share], now: float) -> Reservation:
        claims = [share.claim for share in shares]
        try:
            self._settle_rest()
            self._reseeding.renew(shares, now)
            outcome = self._state.reserve(claims)
            if isinstance(outcome, Unseeded):
                outcome = self._seed(shares, claims)
        except StateUnavailableError as error:
            raise ServiceUnavailableError(
                "Limits can't be counted now, so that no request is let through. "
                "Try again shortly.",
                code="limits_unavailable",
                retry_after=error.retry_after,
            ) from error
        if isinstance(outcome, Refusal):
            raise build_refusal(shares[_place(claims, outcome)], outcome, now)
        if isinstance(outcome, Unseeded):  # lost again, this very moment
            raise ServiceUnavailableError(
                "Budgets can't be counted now. Try again shortly.",
                code="limits_unavailable",
                retry_after=1.0,
            )
        return outcome

    def _seed(
        self, shares: Sequence[Share], claims: Sequence[Claim]
    ) -> Reservation | Refusal | Unseeded:
        """Reserve with what the books say was spent; one asks them, and others wait for that."""
        with self._seeding:
            outcome = self._state.reserve(claims)
            if not isinstance(outcome, Unseeded):
                return outcome
            seeds = self._read_seeds(shares, outcome)
            return self._state.reserve(
                [replace(claim, seed=seeds.get(claim.key, claim.seed)) for claim in claims]
            )

    def _read_seeds(self, shares: Sequence[Share], unseeded: Unseeded) -> dict[str, int]:
        """Return what the books say was spent of the accounts that are not known."""
        self._ledger.drain()
        seeds = {}
        for share in shares:
            if share.claim.key in unseeded.keys and share.span is not None:
                holder, name = share.holder, share.name
                spent = partial(read_spent, holder=holder, name=name, span=share.span)
                tokens, cost = self._ledger.database.read(spent)
                seeds[share.claim.key] = tokens if share.measure == "tokens" else cost
        return seeds

    def _give_back(self, admission: Admission, used: Used, requests: int = 1) -> None:
        admission.is_settled = True
        if admission.reservation is None:
            return
        amounts = {
            "tokens": used.tokens,
            "cost": used.cost or 0,
            "requests": requests,
            "open": 0,
        }
        settled = [amounts[share.measure] for share in admission.shares]
        try:
            self._settle_rest()
            admission.held = self._state.settle(admission.reservation, settled)
        except StateUnavailableError:
            self._unsettled.append((admission.reservation, settled))

    def _settle_rest(self) -> None:
        """Settle what could not be settled while state was away.

        Others may do the same meanwhile, so that each takes out what it settles.
        """
        while True:
            try:
                unsettled = self._unsettled.popleft()
            except IndexError:
                return
            try:
                self._state.settle(*unsettled)
            except BaseException:
                self._unsettled.appendleft(unsettled)
                raise

    def _warn(self, share: Share, held: Held) -> None:
        """Tell that a soft limit is reached: once a period in the log, and to the webhook."""
        account = held.claim.key
        if account in self._warned:
            return
        if len(self._warned) >= _MOST_WARNED:
            self._warned.clear()
        self._warned.add(account)
        logger.warning("%s", _warning(share, held))
        self._ledger.warn(account, int(time.time() * 1000), _describe(share, held))


def _place(claims: Sequence[Any], refusal: Refusal) -> int:
    return [claim.key for claim in claims].index(refusal.claim.key)


def _warning(share: Share, held: Held) -> str:
    whose = f"{share.holder} {share.name}"
    used, limit = (format_amount(share, each) for each in (held.value, held.claim.limit or 0))
    per = share.budget.per if share.budget is not None else ""
    span = "in all" if per == "total" else f"per {per}"
    return f"the budget of {whose} is nearly spent: {used} of {limit} {span}"


def _describe(share: Share, held: Held) -> dict[str, Any]:
    """Return what the webhook is told; amounts of money are exact as text."""
    return {
        "event": "budget.soft_limit_reached",
        share.holder: share.name,
        "period": share.span.name if share.span is not None else "",
        "used": format_amount(share, held.value),
        "limit": format_amount(share, held.claim.limit or 0),
    }
