"""``tools`` and ``tool_choice``, and the older ``functions`` and ``function_call``, for Gemini.

Knows both forms of a function and of the choice among them. Must not know calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.providers.gemini.generations import Generation
from gateway.providers.gemini.schema import clean_schema
from gateway.providers.tool_forms import read_function
from gateway.types import ChatRequest
from gateway.validation.fields import unsupported_value

Declaration = dict[str, Any]


@dataclass(frozen=True)
class ToolPlan:
    """Which functions are offered, and how calls of them come back.

    ``mode`` and ``allowed`` are Gemini's choice among them (None: not said). ``legacy``:
    calls are told as ``function_call``. ``only_first_call``: there is no switch for
    that at Gemini, so what is called besides is left out.
    """

    declarations: tuple[Declaration, ...] = ()
    mode: str | None = None
    allowed: tuple[str, ...] = ()
    legacy: bool = False
    only_first_call: bool = False
    dropped: tuple[str, ...] = ()


def build_tool_plan(request: ChatRequest, generation: Generation) -> ToolPlan:
    """Read a checked request's tools; raises ``InvalidRequestError`` for custom tools."""
    if request.get("functions"):
        functions = request["functions"]
        plan = ToolPlan(_declare(functions, "functions", ""), legacy=True, only_first_call=True)
        return _choose_function(plan, request.get("function_call"))
    if not request.get("tools"):
        return ToolPlan()
    functions = [
        read_function(tool, f"tools[{position}]") for position, tool in enumerate(request["tools"])
    ]
    plan = ToolPlan(
        _declare(functions, "tools", ".function"),
        only_first_call=request.get("parallel_tool_calls") is False,
    )
    plan = _choose_tool(plan, request.get("tool_choice"))
    if any(function.get("strict") for function in functions):
        return _be_strict(plan, generation)
    return plan


def build_tools(plan: ToolPlan) -> dict[str, Any]:
    """Return ``tools`` and ``toolConfig`` of the request, where there are any."""
    if not plan.declarations:
        return {}
    built: dict[str, Any] = {"tools": [{"functionDeclarations": list(plan.declarations)}]}
    if plan.mode is not None:
        config: dict[str, Any] = {"mode": plan.mode}
        if plan.allowed:
            config["allowedFunctionNames"] = list(plan.allowed)
        built["toolConfig"] = {"functionCallingConfig": config}
    return built


def _declare(functions: list[dict[str, Any]], source: str, inner: str) -> tuple[Declaration, ...]:
    declarations = []
    for position, function in enumerate(functions):
        declaration = {"name": function["name"]}
        if function.get("description"):
            declaration["description"] = function["description"]
        if function.get("parameters"):
            param = f"{source}[{position}]{inner}.parameters"
            declaration["parametersJsonSchema"] = clean_schema(function["parameters"], param)
        declarations.append(declaration)
    return tuple(declarations)


def _choose_tool(plan: ToolPlan, choice: Any) -> ToolPlan:
    if choice is None:
        return plan
    if isinstance(choice, str):
        return replace(plan, mode={"none": "NONE", "auto": "AUTO", "required": "ANY"}[choice])
    if choice["type"] == "custom":
        raise unsupported_value("tool_choice.type", "This model has no custom tools.")
    if choice["type"] == "function":
        return replace(plan, mode="ANY", allowed=(choice["function"]["name"],))
    allowed = choice["allowed_tools"]
    names = tuple(tool["function"]["name"] for tool in allowed["tools"] if "function" in tool)
    if allowed["mode"] == "required":
        return replace(plan, mode="ANY", allowed=names)
    # A list of names is only taken with ANY.
    kept = tuple(each for each in plan.declarations if each["name"] in names)
    return replace(plan, declarations=kept, mode="AUTO")


def _choose_function(plan: ToolPlan, choice: Any) -> ToolPlan:
    if choice is None:
        return plan
    if isinstance(choice, str):
        return replace(plan, mode={"none": "NONE", "auto": "AUTO"}[choice])
    return replace(plan, mode="ANY", allowed=(choice["name"],))


def _be_strict(plan: ToolPlan, generation: Generation) -> ToolPlan:
    """Return a plan whose calls follow their schemas: ANY does by itself, VALIDATED else."""
    if plan.mode in ("ANY", "NONE"):
        return plan
    if generation.thinks:
        return replace(plan, mode="VALIDATED")
    return replace(plan, dropped=("tools.function.strict",))
