"""Token counts in OpenAI's form, wherever an upstream puts them and whatever it leaves out.

Knows where in a chunk or an answer they may lie, and how they add up: a completion
counts its reasoning, and a prompt what of it was cached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gateway.types import Usage


def find_usage(answer: Mapping[str, Any]) -> Usage | None:
    """Return what a chunk or a whole answer tells of usage, made whole; None if nothing.

    It lies at the top, in ``x_groq`` (Groq), or in a choice (Moonshot).
    """
    usage = complete_usage(answer.get("usage"))
    if usage is None and isinstance(answer.get("x_groq"), dict):
        usage = complete_usage(answer["x_groq"].get("usage"))
    if usage is None:
        for choice in answer.get("choices") or ():
            if isinstance(choice, dict) and choice.get("usage"):
                usage = complete_usage(choice["usage"])
    return usage


def complete_usage(told: Any) -> Usage | None:
    """Return ``told`` with all of OpenAI's counts: itself if it has them; None if it tells none.

    Tokens that only the total counts are the model's reasoning: xAI leaves them out of
    ``completion_tokens``, Gemini's layer names them nowhere else (both recorded).
    """
    if not isinstance(told, dict):
        return None
    prompt = _count(told, "prompt_tokens", "input_tokens")
    completion = _count(told, "completion_tokens", "output_tokens")
    total = _count(told, "total_tokens")
    if prompt is None and completion is None and total is None:
        return None
    if prompt is None:
        prompt = max(0, (total or 0) - (completion or 0))
    if completion is None:
        completion = max(0, (total or 0) - prompt)
    cached = _detail(told, "prompt_tokens_details", "cached_tokens", "prompt_cache_hit_tokens")
    reasoning = _detail(told, "completion_tokens_details", "reasoning_tokens")
    uncounted = 0 if total is None else total - prompt - completion
    if uncounted > 0 and reasoning in (0, uncounted):
        completion += uncounted
        reasoning = uncounted
    counts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    changes: dict[str, Any] = {
        name: count
        for name, count in counts.items()
        if type(told.get(name)) is not int or told[name] != count
    }
    changes |= _change_detail(told, "prompt_tokens_details", "cached_tokens", cached)
    changes |= _change_detail(
        told, "completion_tokens_details", "reasoning_tokens", min(reasoning, completion)
    )
    return cast("Usage", {**told, **changes} if changes else told)


def _count(told: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = told.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return int(value)
    return None


def _detail(told: Mapping[str, Any], group: str, *names: str) -> int:
    """Return a count that OpenAI keeps in ``group`` under the first of ``names``; 0 if untold."""
    details = told.get(group)
    inside = _count(details, names[0]) if isinstance(details, dict) else None
    return (inside if inside is not None else _count(told, *names)) or 0


def _change_detail(
    told: Mapping[str, Any], group: str, name: str, count: int
) -> dict[str, dict[str, Any] | None]:
    details = told.get(group)
    known = details if isinstance(details, dict) else {}
    fixed = {
        each: int(value) if each.endswith("_tokens") and value is not None else value
        for each, value in known.items()
        if isinstance(value, int | float | None) or not each.endswith("_tokens")
    }
    if count != (fixed.get(name) or 0):
        fixed[name] = count
    kinds = {each: type(value) for each, value in fixed.items()}
    if fixed == known and kinds == {each: type(value) for each, value in known.items()}:
        return {} if details is known or details is None else {group: None}
    return {group: fixed}
