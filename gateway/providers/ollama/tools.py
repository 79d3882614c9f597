"""``tools`` and ``tool_choice``, and the older ``functions`` and ``function_call``, for Ollama.

Knows which functions a model may call and how that is said to Ollama, which has
no ``tool_choice``: a call that must be made is asked for as a structured answer
and read back by ``gateway.providers.ollama.forced_call``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.providers.ollama.capabilities import Capabilities
from gateway.providers.ollama.tool_schema import SchemaBudget, normalize_parameters
from gateway.providers.tool_forms import read_function
from gateway.serialization import dumps
from gateway.types import ChatRequest, FinishReason
from gateway.validation.fields import unsupported_value

Function = dict[str, Any]
"""An OpenAI function definition with normalised ``parameters`` and without ``strict``."""


@dataclass(frozen=True)
class ToolPlan:
    """Which functions are offered, and how calls of them come back.

    ``forced_finish_reason`` is set where a call must be made: what the answer
    then ends with. ``legacy``: calls are told as ``function_call``.
    """

    functions: tuple[Function, ...] = ()
    forced_finish_reason: FinishReason | None = None
    legacy: bool = False
    only_first_call: bool = False


def build_tool_plan(request: ChatRequest, capabilities: Capabilities) -> ToolPlan:
    """Read a checked request's tools; raises ``InvalidRequestError`` for custom tools, and for
    any tools where the model is known to have no use for them.
    """
    if request.get("functions"):
        capabilities.require("tools", "functions", "functions")
        plan = ToolPlan(_build_functions(request["functions"], "functions"), legacy=True)
        return _choose_function(plan, request.get("function_call"))
    if not request.get("tools"):
        return ToolPlan()
    capabilities.require("tools", "tools", "tools")
    definitions = [
        read_function(tool, f"tools[{position}]") for position, tool in enumerate(request["tools"])
    ]
    plan = ToolPlan(
        _build_functions(definitions, "tools"),
        only_first_call=request.get("parallel_tool_calls") is False,
    )
    return _choose_tool(plan, request.get("tool_choice"))


def build_forced_format(plan: ToolPlan) -> dict[str, Any]:
    """Return the schema of an answer that is a call of one of the plan's functions."""
    variants = [
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": [function["name"]]},
                "arguments": function["parameters"],
            },
            "required": ["name", "arguments"],
        }
        for function in plan.functions
    ]
    return variants[0] if len(variants) == 1 else {"anyOf": variants}


def build_forced_instruction(plan: ToolPlan) -> str:
    """Return the sentence that tells the model what it may call, and how to write it."""
    return (
        "Answer with the call of one function and nothing else, as a JSON object with the "
        'members "name" and "arguments". The functions are: ' + dumps(plan.functions).decode()
    )


def _build_functions(definitions: list[dict[str, Any]], source: str) -> tuple[Function, ...]:
    budget = SchemaBudget()
    inner = ".function" if source == "tools" else ""
    functions = []
    for position, definition in enumerate(definitions):
        param = f"{source}[{position}]{inner}.parameters"
        function = {"name": definition["name"]}
        if definition.get("description"):
            function["description"] = definition["description"]
        function["parameters"] = normalize_parameters(definition.get("parameters"), param, budget)
        functions.append(function)
    return tuple(functions)


def _choose_tool(plan: ToolPlan, choice: Any) -> ToolPlan:
    if choice is None or choice == "auto":
        return plan
    if choice == "none":
        return replace(plan, functions=())
    if choice == "required":
        return replace(plan, forced_finish_reason="tool_calls")
    if choice["type"] == "custom":
        raise unsupported_value("tool_choice.type", "This model has no custom tools.")
    if choice["type"] == "function":
        return _force(plan, choice["function"]["name"])
    allowed = choice["allowed_tools"]
    names = {tool["function"]["name"] for tool in allowed["tools"] if "function" in tool}
    plan = replace(plan, functions=tuple(each for each in plan.functions if each["name"] in names))
    if allowed["mode"] == "required":
        return replace(plan, forced_finish_reason="tool_calls")
    return plan


def _choose_function(plan: ToolPlan, choice: Any) -> ToolPlan:
    if choice is None or choice == "auto":
        return plan
    if choice == "none":
        return replace(plan, functions=())
    return _force(plan, choice["name"])


def _force(plan: ToolPlan, name: str) -> ToolPlan:
    """Return a plan for the one function named; OpenAI ends such an answer with ``stop``."""
    chosen = tuple(each for each in plan.functions if each["name"] == name)
    return replace(plan, functions=chosen, forced_finish_reason="stop")
