"""A call that had to be made (``tool_choice`` required or named), read from a structured answer.

Knows the form asked for in ``gateway.providers.ollama.tools``. Must not know
Ollama's lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.ollama.answer import Answer, build_choice
from gateway.providers.ollama.tool_calls import build_call_delta, build_call_id
from gateway.providers.ollama.tools import ToolPlan
from gateway.serialization import loads_lenient
from gateway.types import Chunk


def iter_forced_call(
    chunk_lists: Iterator[list[Chunk]], answer: Answer, index: int
) -> Iterator[list[Chunk]]:
    """Collect an answer and yield it as one call, so that a wrong one is an error and no answer.

    Raises ``UpstreamError`` where the model did not make the call. An answer cut
    by its length may have no call, and ends with ``length``.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    call: dict[str, Any] | None = None
    for chunks in chunk_lists:
        built: list[Chunk] = []
        for chunk in chunks:
            if not chunk["choices"]:
                built.append(chunk)
                continue
            (choice,) = chunk["choices"]
            delta, finish_reason = choice["delta"], choice["finish_reason"]
            texts.append(delta.get("content") or "")
            thoughts.append(delta.get("reasoning_content") or "")
            call = call or _find_call(delta)
            if finish_reason is not None:
                call = call or _parse_call("".join(texts), answer.plan)
                deltas = _build_deltas("".join(thoughts), call, finish_reason)
                built += [answer.head.wrap([build_choice(answer, index, d)]) for d in deltas]
                built.append(_build_finish(answer, index, finish_reason))
        yield built


def _find_call(delta: dict[str, Any]) -> dict[str, Any] | None:
    """Return a call that Ollama recognised as one itself, from the model's own form of calls."""
    calls = {name: call for name, call in delta.items() if name in ("tool_calls", "function_call")}
    return calls or None


def _parse_call(text: str, plan: ToolPlan) -> dict[str, Any] | None:
    """Return the delta of the call in ``text``; None where it is not a call of the plan."""
    try:
        parsed = loads_lenient(text)
    except ValueError:
        return None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("arguments"), dict):
        return None
    if parsed.get("name") not in [function["name"] for function in plan.functions]:
        return None
    return build_call_delta(0, build_call_id(), parsed["name"], parsed["arguments"], plan)


def _build_deltas(
    thoughts: str, call: dict[str, Any] | None, finish_reason: str
) -> list[dict[str, Any]]:
    if call is None and finish_reason != "length":
        raise UpstreamError("The model did not make the tool call it had to make.")
    deltas = []
    if thoughts:
        deltas.append({"reasoning_content": thoughts})
    deltas.append({"content": ""} if call is None else call)
    return [{"role": "assistant", **deltas[0]}, *deltas[1:]]


def _build_finish(answer: Answer, index: int, finish_reason: str) -> Chunk:
    if finish_reason != "length":
        finish_reason = answer.plan.forced_finish_reason or finish_reason
    return answer.head.wrap([build_choice(answer, index, {}, finish_reason)])
