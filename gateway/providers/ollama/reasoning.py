"""``reasoning_effort``, and the forms of it local clients use, as Ollama's ``think``.

Knows the names of the levels on both sides. Must not know answers.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.ollama.capabilities import Capabilities
from gateway.types import ChatRequest
from gateway.validation import REASONING_EFFORTS
from gateway.validation.fields import check_choice, check_object, wrong_type, wrong_value

THINK: dict[str | bool, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
    True: True,
    False: False,
}

_PARAMS = frozenset(("reasoning_effort", "reasoning", "think"))


def build_think(
    request: ChatRequest, capabilities: Capabilities
) -> tuple[bool | str | None, list[str]]:
    """Return ``think``, or None to leave it to the model, and the names of what is dropped.

    Reads ``reasoning_effort``, ``reasoning: {effort}`` and ``think``. Raises
    ``InvalidRequestError`` where they contradict each other, or ask for thinking
    from a model that is known not to think.
    """
    if request.keys().isdisjoint(_PARAMS):
        return None, []
    asked = _read_efforts(request)
    reasoning = request.get("reasoning") or {}
    dropped = [
        f"reasoning.{name}"
        for name, value in reasoning.items()
        if name != "effort" and value is not None
    ]
    if not asked:
        return None, dropped
    param, think = next(iter(asked.items()))
    for other, value in asked.items():
        if value != think:
            raise wrong_value(other, f"`{other}` contradicts `{param}`: give only one of them.")
    if think is not False:
        capabilities.require("thinking", param, "reasoning")
    return think, dropped


def _read_efforts(request: ChatRequest) -> dict[str, bool | str]:
    """Return what is asked for, by the parameter that asks."""
    check_object(request, "reasoning")
    reasoning: dict[str, Any] = request.get("reasoning") or {}
    check_choice(reasoning, "effort", REASONING_EFFORTS, "reasoning.effort")
    think = request.get("think")
    if not isinstance(think, bool | str | None):
        raise wrong_type("think", "a boolean or a string", think)
    if isinstance(think, str):
        check_choice(request, "think", REASONING_EFFORTS)
    efforts = {
        "reasoning_effort": request.get("reasoning_effort"),
        "reasoning.effort": reasoning.get("effort"),
        "think": think,
    }
    return {param: THINK[effort] for param, effort in efforts.items() if effort is not None}
