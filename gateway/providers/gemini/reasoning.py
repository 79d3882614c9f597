"""``reasoning_effort``, and the forms of it other clients use, as Gemini's ``thinkingConfig``.

Knows the levels and budgets of each generation (Google's documentation of thinking
and of its OpenAI layer). Must not know answers.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.gemini.generations import Generation
from gateway.types import ChatRequest
from gateway.validation import REASONING_EFFORTS
from gateway.validation.fields import check_choice, check_integer, check_object, wrong_value

_LEVELS = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}
_BUDGETS = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
_LARGEST_BUDGET = 24576
_LARGEST_BUDGET_OF_PRO = 32768
_SMALLEST_BUDGET_OF_PRO = 128
"""The pro models of 2.5 always think."""


def build_thinking(
    request: ChatRequest, generation: Generation
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return ``thinkingConfig``, None to leave it to the model, and the names of what is dropped.

    Reads ``reasoning_effort`` and ``reasoning: {effort, max_tokens}``. Raises
    ``InvalidRequestError`` where they contradict each other.
    """
    param, effort, budget = _read_effort(request)
    if effort is None and budget is None:
        return None, []
    if not generation.thinks:
        return None, [] if effort == "none" else [param]
    if budget is not None:
        return {"includeThoughts": budget != 0, "thinkingBudget": budget}, []
    assert effort is not None
    if generation.has_levels:
        return _build_level(effort, generation), [param] if effort == "none" else []
    return _build_budget(effort, generation), (
        [param] if effort == "none" and generation.is_pro else []
    )


def _build_level(effort: str, generation: Generation) -> dict[str, Any]:
    level = _LEVELS[effort]
    if level == "MINIMAL" and generation.is_pro:
        level = "LOW"
    if effort == "none":
        return {"thinkingLevel": level}
    return {"includeThoughts": True, "thinkingLevel": level}


def _build_budget(effort: str, generation: Generation) -> dict[str, Any]:
    budget = _BUDGETS[effort]
    if effort == "none":
        return {"thinkingBudget": _SMALLEST_BUDGET_OF_PRO if generation.is_pro else 0}
    if budget == _LARGEST_BUDGET and effort != "high" and generation.is_pro:
        budget = _LARGEST_BUDGET_OF_PRO
    return {"includeThoughts": True, "thinkingBudget": budget}


def _read_effort(request: ChatRequest) -> tuple[str, str | None, int | None]:
    """Return the parameter that asks, and the effort or the budget in tokens it asks for."""
    check_object(request, "reasoning")
    reasoning: dict[str, Any] = request.get("reasoning") or {}
    check_choice(reasoning, "effort", REASONING_EFFORTS, "reasoning.effort")
    check_integer(reasoning, "max_tokens", 0, param="reasoning.max_tokens")
    effort, other = request.get("reasoning_effort"), reasoning.get("effort")
    if effort is not None and other is not None and effort != other:
        raise wrong_value(
            "reasoning.effort",
            "`reasoning.effort` contradicts `reasoning_effort`: give only one of them.",
        )
    param = "reasoning_effort" if effort is not None else "reasoning"
    effort = effort if effort is not None else other
    budget = reasoning.get("max_tokens")
    if effort is not None and budget is not None:
        raise wrong_value(
            "reasoning.max_tokens",
            "`reasoning.max_tokens` and an effort are two ways to say one thing: give only one.",
        )
    return param, effort, budget
