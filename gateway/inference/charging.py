"""What a request costs: reserved before its upstream is called, settled at its end.

Knows records, targets and admissions. Must not know any one provider's or dialect's
format, nor HTTP frameworks. This is the one place where requests get into the books.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.accounts.keys.keys import NO_LIMITS, Limits
from gateway.accounts.ledger.entry import Opening, Row
from gateway.accounts.ledger.spent import UNCHARGED
from gateway.accounts.limits.admission import Admission, Admissions, Used
from gateway.accounts.limits.bound import MOST_TOKENS, USUAL_COMPLETION, TokenBound
from gateway.accounts.limits.claims import Asked
from gateway.accounts.prices.prices import FREE, Prices, TokenPrice
from gateway.config.settings import Settings, Target
from gateway.telemetry import CHARACTERS_PER_TOKEN, RequestRecord

_COUNTED = frozenset({"chat", "embeddings"})
"""Operations that cost their tokens; others may cost by image or second, where they tell none."""

_LONGEST_NAME = 256
_REFUSALS = frozenset({402, 429, 503})
"""Statuses of requests that were not let in: too many to be written down one by one."""


@dataclass
class Bill:
    """A request that was let in, its bound, and what each target's tokens cost."""

    charging: Charging
    admission: Admission
    tokens: TokenBound
    targets: Sequence[Target]

    def extend(self, record: RequestRecord) -> None:
        """Reserve more in the books, for an answer longer than is usual."""
        more = -(-(record.received - record.reserved) // USUAL_COMPLETION) * USUAL_COMPLETION
        record.reserved += more
        completion = record.reserved
        self.tokens = self.tokens._replace(completion=completion)
        opening = self.admission.opening._replace(
            completion_tokens=completion,
            cost=self.charging.bound_cost(self.targets, self.tokens),
        )
        self.charging.admissions.extend(self.admission, opening)


class Charging:
    """Reserves and settles requests under one configuration."""

    def __init__(self, settings: Settings, admissions: Admissions, prices: Prices) -> None:
        self.admissions = admissions
        self._settings = settings
        self._prices = prices

    def reserve(
        self,
        record: RequestRecord,
        request: Mapping[str, Any],
        tokens: TokenBound,
        targets: Sequence[Target],
    ) -> None:
        """Let a request in that may use up to ``tokens`` at any of ``targets``.

        ``record.principal``, ``model`` and ``operation`` must be set. Raises ``RateLimitError``,
        ``BudgetExceededError`` or ``ServiceUnavailableError``.
        """
        if record.principal is None or record.bill is not None:
            return
        record.user = _name_of(request.get("user"))
        public = self._settings.models.get(record.model)
        limits = NO_LIMITS
        if public is not None:
            limits = Limits(public.rate_limit, public.token_rate_limit)
        cost = self.bound_cost(targets, tokens)
        opening = Opening(
            number=0,
            created=_created(record),
            request_id=record.request_id,
            key_id=record.principal.key_id,
            owner=record.principal.owner,
            model=record.model[:_LONGEST_NAME],
            operation=record.operation,
            stream=int(record.stream),
            client_user=record.user,
            prompt_tokens=tokens.prompt,
            completion_tokens=tokens.completion,
            cost=cost,
        )
        least = tokens._replace(completion=min(1, tokens.completion))
        asked = Asked(tokens, cost, self.bound_cost(targets, least) or 0)
        admission = self.admissions.admit(record.principal, opening, asked, limits)
        record.bill = Bill(self, admission, tokens, targets)
        if not tokens.is_stated:
            record.reserved = tokens.completion

    def settle(self, record: RequestRecord, status: int | None = None) -> None:
        """Write down how a request has ended, unless that was done; ``status``: if not yet known.

        A request that never got as far as a model is not in the books, nor is one that
        a limit refused.
        """
        if record.is_booked or record.principal is None or not record.operation:
            return
        bill: Bill | None = record.bill
        status = record.status if status is None else status
        if bill is None and status in _REFUSALS:
            return
        record.is_booked = True
        prompt, completion = _tokens_of(record, status)
        cached, reasoning = _details_of(record)
        cost = self._cost(record, prompt, completion, cached)
        row = Row(
            created=_created(record),
            request_id=record.request_id,
            key_id=record.principal.key_id,
            owner=record.principal.owner,
            model=record.model[:_LONGEST_NAME],
            provider=record.provider,
            upstream_model=record.upstream_model[:_LONGEST_NAME],
            attempts=len(record.attempts),
            status=status,
            stream=int(record.stream),
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            reasoning_tokens=reasoning,
            cost=cost,
            cache=record.cache,
            ttft_ms=_milliseconds(record.started, record.first_token),
            duration_ms=_milliseconds(record.started, time.monotonic()),
            error=record.error if status >= 400 else "",
            operation=record.operation,
            client_user=record.user,
        )
        if bill is None:
            self.admissions.ledger.end(0, row)
        else:
            charged = bill.admission.opening.cost if cost is None else cost
            self.admissions.settle(bill.admission, Used(prompt + completion, charged), row)

    def bound_cost(self, targets: Sequence[Target], tokens: TokenBound) -> int | None:
        """Return the most that ``tokens`` can cost at the dearest of ``targets``; None: unknown."""
        dearest = 0
        for target in targets:
            price = self._prices.price_of(target)
            if price is None:
                return None
            dearest = max(dearest, price.bound(tokens.prompt, tokens.completion))
        return dearest

    def _cost(self, record: RequestRecord, prompt: int, completion: int, cached: int) -> int | None:
        if record.bill is None or not (prompt or completion):
            return 0
        price = self._price_of(record)
        is_told = record.usage is not None or record.operation in _COUNTED
        if price is None or not (is_told or price == FREE):
            return None
        details: Mapping[str, Any] = (record.usage or {}).get("prompt_tokens_details") or {}
        written = _count(details.get("cache_write_tokens"))
        return price.cost(prompt, completion, cached, written)

    def _price_of(self, record: RequestRecord) -> TokenPrice | None:
        """Return the price at the target that was asked last."""
        for target in record.bill.targets:
            if target.provider.name == record.provider and target.model == record.upstream_model:
                return self._prices.price_of(target)
        return None


def _tokens_of(record: RequestRecord, status: int) -> tuple[int, int]:
    """Return tokens of prompt and answer: as the provider counts, else at least what came.

    A refused request has used nothing. One that was left or cut has used its prompt.
    """
    usage: Mapping[str, Any] = record.usage or {}
    prompt, completion = (_count(usage.get(f"{each}_tokens")) for each in ("prompt", "completion"))
    if record.usage is not None and (status < 400 or record.bill is None):
        return prompt, completion
    if record.cache == UNCHARGED or record.bill is None or not record.attempts:
        return 0, 0
    if not record.chunks and status not in (200, 499, 504):
        return prompt, completion
    bound: TokenBound = record.bill.tokens
    received = record.received
    if bound.is_stated:
        received = min(received, bound.completion)
    # Some providers tell a part of the count at the beginning.
    return prompt or -(-bound.prompt // CHARACTERS_PER_TOKEN), max(completion, received)


def _details_of(record: RequestRecord) -> tuple[int, int]:
    """Return cached and reasoning tokens, which prompt and completion tokens have in them."""
    usage: Mapping[str, Any] = record.usage or {}
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return _count(prompt.get("cached_tokens")), _count(completion.get("reasoning_tokens"))


def _count(value: Any) -> int:
    """Return a count of tokens; what a provider has told wrongly is none."""
    return value if type(value) is int and 0 < value <= MOST_TOKENS else 0


def _name_of(user: Any) -> str:
    return user[:_LONGEST_NAME] if isinstance(user, str) else ""


def _created(record: RequestRecord) -> int:
    return int((time.time() - (time.monotonic() - record.started)) * 1000)


def _milliseconds(began: float, ended: float | None) -> int | None:
    return None if ended is None else round((ended - began) * 1000)
