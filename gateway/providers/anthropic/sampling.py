"""Sampling, and where an answer ends, as Anthropic takes them.

Knows ranges and which model takes what: newer ones refuse sampling parameters, and thinking
excludes them. Must not know messages.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.anthropic.families import Family
from gateway.providers.anthropic.reasoning import Reasoning
from gateway.types import ChatRequest
from gateway.validation.fields import (
    LARGEST_INTEGER,
    check_integer,
    unsupported_value,
)

_NAMES = ("temperature", "top_p", "top_k")
_DEFAULTS = {"temperature": 1, "top_p": 1}
"""Values that ask for what happens anyway."""

LEAST_TOP_P_WITH_BUDGET = 0.95


def build_sampling(
    request: ChatRequest, family: Family, reasoning: Reasoning
) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters to send, and the names of those that the model can't take.

    Raises ``InvalidRequestError`` for a temperature that is beyond what any of its models takes.
    """
    check_integer(request, "top_k", 0, LARGEST_INTEGER)
    given = {name: request[name] for name in _NAMES if request.get(name) is not None}
    kept = {name: value for name, value in given.items() if _takes(name, value, family, reasoning)}
    if kept.get("temperature", 0) > 1:
        raise unsupported_value("temperature", "`temperature` must be between 0 and 1 here.")
    if family.sampling == "one" and "temperature" in kept:
        kept.pop("top_p", None)
    lost = given.keys() - kept.keys()
    dropped = [name for name in _NAMES if name in lost and given[name] != _DEFAULTS.get(name)]
    return kept, dropped


def build_stop(request: ChatRequest) -> list[str]:
    """Return stop sequences without empty ones; raises ``InvalidRequestError`` for blank ones."""
    stop = request.get("stop") or []
    sequences = [stop] if isinstance(stop, str) else stop
    for place, sequence in enumerate(sequences):
        if sequence and not sequence.strip():
            param = "stop" if isinstance(stop, str) else f"stop[{place}]"
            raise unsupported_value(
                param, f"`{param}` must hold more than white space for this model."
            )
    return [sequence for sequence in sequences if sequence]


def choose_max_tokens(request: ChatRequest, family: Family) -> int:
    """Return the answer's limit, which Anthropic demands: by default the most the model can."""
    for name in ("max_completion_tokens", "max_tokens"):
        if request.get(name) is not None:
            return int(request[name])
    return family.max_output


def _takes(name: str, value: float, family: Family, reasoning: Reasoning) -> bool:
    if family.sampling == "none":
        return False
    if reasoning.is_budgeted:
        return name == "top_p" and LEAST_TOP_P_WITH_BUDGET <= value <= 1
    return family.sampling != "without_thinking" or not reasoning.is_active(family)
