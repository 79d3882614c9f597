"""How a request is told that it takes more than is left: which limit, and what to do.

Knows limits and budgets. Must not know HTTP's headers.
"""

from __future__ import annotations

from decimal import Decimal

from gateway.accounts.limits.claims import Share
from gateway.accounts.prices.prices import NANO
from gateway.errors import BudgetExceededError, GatewayError, RateLimitError
from gateway.state import Refusal

_HOLDERS = {"key": "this key", "owner": "this key's owner", "model": "this model"}
_SOON = 1.0
"""Seconds after which a place among those open may be free again."""


def build_refusal(share: Share, refusal: Refusal, now: float) -> GatewayError:
    """Return the error for a request whose ``share`` was refused; ``now`` is Unix time."""
    if share.budget is not None:
        return _over_budget(share, refusal, now)
    holder = _HOLDERS[share.holder]
    limit, amount = share.claim.limit or 0, share.claim.least or share.claim.amount
    if share.measure == "open":
        return RateLimitError(
            f"Too many requests at once: {holder} may have {limit} open. "
            "Try again when one of them has ended.",
            code="concurrency_limit_exceeded",
            retry_after=_SOON,
        )
    window = share.rate.window if share.rate is not None else ""
    if amount > limit:
        return RateLimitError(
            f"Request too large: {holder} may use {limit} tokens per {window}, and this request "
            f"may use up to {amount}. Shorten it, or set a lower max_tokens.",
            type="tokens",
            should_retry=False,
            retry_after=refusal.resets_in,
        )
    if share.measure == "tokens":
        return RateLimitError(
            f"Rate limit reached: {holder} may use {limit} tokens per {window}; {refusal.value} "
            f"are used or reserved, and this request may use up to {amount}. "
            f"Try again in {refusal.resets_in:.3g} s.",
            type="tokens",
            retry_after=refusal.resets_in,
        )
    return RateLimitError(
        f"Rate limit reached: {holder} takes {limit} requests per {window}. "
        f"Try again in {refusal.resets_in:.3g} s.",
        retry_after=refusal.resets_in,
    )


def build_unpriced_error(model: str) -> GatewayError:
    """Return the error for a model without a known price and a budget in dollars."""
    return BudgetExceededError(
        f"The price of {model!r} is not known, so that it can't be paid from a budget in US "
        "dollars. Ask for a price to be configured for it (0 if it is free).",
        param="model",
        code="price_unknown",
    )


def format_amount(share: Share, amount: int) -> str:
    """Return an amount of a budget as people read it: ``$1.25`` or ``1500 tokens``."""
    if share.measure == "tokens":
        return f"{amount} tokens"
    dollars = f"{Decimal(amount) / NANO:.6f}".rstrip("0")
    whole, _, cents = dollars.partition(".")
    return f"${whole}.{cents:0<2}"


def _over_budget(share: Share, refusal: Refusal, now: float) -> GatewayError:
    holder = _HOLDERS[share.holder]
    limit = share.claim.limit or 0
    per = share.budget.per if share.budget is not None else ""
    whole = format_amount(share, limit) + ("" if per == "total" else f" per {per}")
    end = share.span.end if share.span is not None else None
    if refusal.value >= limit:
        state = "is spent, or reserved for requests under way"
    else:
        state = (
            f"has {format_amount(share, limit - refusal.value)} left, and this request may use up "
            f"to {format_amount(share, share.claim.least or share.claim.amount)}"
        )
    advice = "" if end is None else f" It begins anew in {_format_wait(end - now)}."
    return BudgetExceededError(f"The budget of {holder}, {whole}, {state}.{advice}")


def _format_wait(seconds: float) -> str:
    hours = max(1, round(seconds / 3600))
    if hours < 48:
        return f"{hours} hour{'' if hours == 1 else 's'}"
    return f"{round(hours / 24)} days"
