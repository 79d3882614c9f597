"""``reasoning_effort`` as each family of models takes it.

Knows Claude's thinking (Anthropic's documentation), Nova's ``reasoningConfig`` (recorded),
gpt-oss's ``reasoning_effort`` and Converse's own ``outputConfig.effort`` (botocore 1.44).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.providers.bedrock.families import Family

SMALLEST_BUDGET = 1024
BUDGETS = {
    "minimal": SMALLEST_BUDGET,
    "low": SMALLEST_BUDGET,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16384,
}
"""Tokens that a Claude before 4.6 may think for."""

_THREE_LEVELS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}


@dataclass
class Plan:
    """What an effort becomes: fields of the model's own, ``outputConfig.effort``, what is dropped.

    ``unset`` are fields of ``inferenceConfig`` that must not stand beside it.
    """

    additional: dict[str, Any] = field(default_factory=dict)
    effort: str | None = None
    unset: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def plan_reasoning(
    effort: str | None, family: Family, *, max_tokens: int | None, may_use_budget: bool
) -> Plan:
    """Return what an effort becomes.

    ``may_use_budget`` is False where a request can't be sent with a budget: a call is demanded,
    or an earlier turn lacks its signed reasoning.
    """
    if effort is None:
        return Plan()
    if effort == "none":
        return _plan_none(family)
    if family.reasoning == "adaptive":
        thinking = {"type": "adaptive", "display": "summarized"}
        return Plan({"thinking": thinking}, "low" if effort == "minimal" else effort)
    if family.reasoning == "budget":
        return _plan_budget(effort, max_tokens) if may_use_budget else _plan_nothing()
    if family.reasoning == "nova":
        level = _THREE_LEVELS[effort]
        config = {"type": "enabled", "maxReasoningEffort": level}
        unset = ("maxTokens", "temperature", "topP") if level == "high" else ()
        return Plan({"reasoningConfig": config}, unset=unset)
    if family.reasoning == "effort":
        return Plan({"reasoning_effort": _THREE_LEVELS[effort]})
    return _plan_nothing()


def _plan_none(family: Family) -> Plan:
    """Turn thinking off where it is not off by itself."""
    if not family.may_not_think:
        return _plan_nothing()
    if family.reasoning == "adaptive":
        return Plan({"thinking": {"type": "disabled"}})
    return Plan()


def _plan_budget(effort: str, max_tokens: int | None) -> Plan:
    """Let a model think for fewer tokens than the whole answer may have."""
    budget = BUDGETS[effort]
    if max_tokens is not None:
        budget = min(budget, max_tokens - 1)
    if budget < SMALLEST_BUDGET:
        return _plan_nothing()
    thinking = {"type": "enabled", "budget_tokens": budget}
    return Plan({"thinking": thinking}, unset=("temperature", "topP"))


def _plan_nothing() -> Plan:
    return Plan(dropped=("reasoning_effort",))
