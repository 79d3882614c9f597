"""Tool calls in Ollama's answers as deltas of OpenAI's.

Knows both forms of a call that a model made. Must not know streams.
"""

from __future__ import annotations

import secrets
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.ollama.tools import ToolPlan
from gateway.serialization import dumps, dumps_ascii


def build_call_deltas(calls: Any, call_ids: set[str], plan: ToolPlan) -> list[dict[str, Any]]:
    """Return one delta a call, numbered on from the calls in ``call_ids``, which they join.

    Ollama's own numbers and ids are missing, repeated or all 0, depending on
    version and model. Calls beyond the first are left out where the client allows
    but one. Raises ``UpstreamError`` for what is not a list of calls.
    """
    if not isinstance(calls, list):
        raise _not_a_call()
    deltas = []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise _not_a_call()
        if call_ids and (plan.legacy or plan.only_first_call):
            break
        deltas.append(
            build_call_delta(
                len(call_ids),
                _choose_id(call.get("id"), call_ids),
                function.get("name"),
                function.get("arguments"),
                plan,
            )
        )
    return deltas


def build_call_delta(
    index: int, call_id: str, name: Any, arguments: Any, plan: ToolPlan
) -> dict[str, Any]:
    """Return the delta of one whole call; raises ``UpstreamError`` where it has no name."""
    if not isinstance(name, str) or not name:
        raise _not_a_call()
    function = {"name": name, "arguments": _dump_arguments(arguments)}
    if plan.legacy:
        return {"function_call": function}
    call = {"index": index, "id": call_id, "type": "function", "function": function}
    return {"tool_calls": [call]}


def _dump_arguments(arguments: Any) -> str:
    """Return arguments as OpenAI's compact JSON string; a string is passed on as it is."""
    if arguments is None or arguments == "":
        return "{}"
    if isinstance(arguments, str):
        return arguments
    try:
        return dumps(arguments).decode()
    except TypeError:
        # Lone surrogates, integers beyond 64 bits.
        pass
    try:
        return dumps_ascii(arguments).decode()
    except RecursionError:
        raise _not_a_call() from None


def _choose_id(call_id: Any, call_ids: set[str]) -> str:
    """Return the call's own id if it has one that is new, or else a new one."""
    if not isinstance(call_id, str) or not call_id or call_id in call_ids:
        call_id = build_call_id()
    call_ids.add(call_id)
    return str(call_id)


def build_call_id() -> str:
    """Return a new id for a call."""
    return f"call_{secrets.token_hex(12)}"


def _not_a_call() -> UpstreamError:
    return UpstreamError("The provider sent a tool call that can't be read.")
