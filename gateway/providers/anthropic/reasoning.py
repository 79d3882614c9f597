"""``reasoning_effort`` as Anthropic's ``thinking`` and ``output_config.effort``.

Knows the levels on both sides, and what each family of models takes. Must not know answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.providers.anthropic.families import Family
from gateway.types import ChatRequest
from gateway.validation import REASONING_EFFORTS
from gateway.validation.fields import (
    check_choice,
    check_object,
    unsupported_parameter,
    wrong_type,
)

BUDGETS = {
    "minimal": 1024,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16384,
}
"""Tokens of thinking by effort, for models that are given a number (as litellm 1.106 has them)."""

SMALLEST_BUDGET = 1024

_WANTED = {"minimal": ("low",), "xhigh": ("xhigh", "max"), "max": ("max", "high")}
"""Levels to try for an effort that isn't one of a model's own, in this order."""


@dataclass(frozen=True)
class Reasoning:
    """``thinking`` and ``effort`` as sent, None where nothing is; ``param`` asked for them."""

    thinking: dict[str, Any] | None = None
    effort: str | None = None
    param: str = "reasoning_effort"
    dropped: tuple[str, ...] = ()

    @property
    def is_budgeted(self) -> bool:
        """Whether thinking has a number of tokens: then much else is refused."""
        return self.thinking is not None and self.thinking.get("type") == "enabled"

    def is_active(self, family: Family) -> bool:
        """Tell whether the model thinks, asked to or by itself."""
        if self.thinking is None:
            return family.thinks_by_default
        return self.thinking.get("type") != "disabled"

    def without(self) -> Reasoning:
        """Return no thinking, which is told as dropped."""
        return replace(self, thinking=None, dropped=(*self.dropped, self.param))


def build_reasoning(request: ChatRequest, family: Family, max_tokens: int) -> Reasoning:
    """Read ``reasoning_effort``, ``reasoning: {effort}`` or ``think``, in this order.

    Anthropic's own ``thinking`` goes before all. ``max_tokens`` is the answer's limit,
    thinking included. Raises ``InvalidRequestError`` for a model that can't think.
    """
    check_object(request, "thinking")
    param, effort = _read_effort(request)
    reasoning = _build(param, effort, family, max_tokens)
    if request.get("thinking") is not None:
        reasoning = replace(reasoning, thinking=request["thinking"], param="thinking", dropped=())
    others = request.get("reasoning") or {}
    lost = [f"reasoning.{name}" for name in others if name != "effort" and others[name] is not None]
    return replace(reasoning, dropped=(*reasoning.dropped, *lost))


def _build(param: str, effort: str | None, family: Family, max_tokens: int) -> Reasoning:
    if effort is None:
        return Reasoning()
    if effort == "none":
        if not family.thinks_by_default:
            return Reasoning(param=param)
        if family.may_disable:
            return Reasoning({"type": "disabled"}, param=param)
        return Reasoning(param=param, dropped=(param,))
    level = _choose_level(effort, family)
    if family.thinking == "adaptive":
        # Without it newer models leave the text of their thinking out.
        return Reasoning({"type": "adaptive", "display": "summarized"}, level, param)
    if family.thinking == "none":
        raise unsupported_parameter(param, f"This model can't reason: leave `{param}` out.")
    budget = min(BUDGETS[effort], max_tokens - 1)
    if budget < SMALLEST_BUDGET:
        return Reasoning(None, level, param, (param,))
    return Reasoning({"type": "enabled", "budget_tokens": budget}, level, param)


def _choose_level(effort: str, family: Family) -> str | None:
    """Return the model's own level that is nearest, None where it has none."""
    wanted = _WANTED.get(effort, (effort,))
    return next((level for level in wanted if level in family.efforts), None) or (
        family.efforts[-1] if family.efforts else None
    )


def _read_effort(request: ChatRequest) -> tuple[str, str | None]:
    check_object(request, "reasoning")
    reasoning: dict[str, Any] = request.get("reasoning") or {}
    check_choice(reasoning, "effort", REASONING_EFFORTS, "reasoning.effort")
    if request.get("reasoning_effort") is not None:
        return "reasoning_effort", request["reasoning_effort"]
    if reasoning.get("effort") is not None:
        return "reasoning.effort", reasoning["effort"]
    think = request.get("think")
    if isinstance(think, bool):
        return "think", "high" if think else "none"
    if not isinstance(think, str | None):
        raise wrong_type("think", "a boolean or a string", think)
    check_choice(request, "think", REASONING_EFFORTS)
    return "think", think
