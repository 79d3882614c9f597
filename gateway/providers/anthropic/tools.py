"""``tools`` and ``tool_choice``, and the older ``functions`` and ``function_call``, for Anthropic.

Knows both forms of a definition and of a choice. Tools of Anthropic's own (``web_search_20250305``)
go on as they are. Must not know answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gateway.providers.anthropic.families import Family
from gateway.providers.anthropic.schema import MAX_OPTIONAL, MAX_UNIONS, fit_schema
from gateway.providers.tool_forms import read_function
from gateway.types import ChatRequest
from gateway.validation.fields import unsupported_value, wrong_value

Tool = dict[str, Any]

_OWN_TYPE = re.compile(r"[a-z0-9_]+_20\d{6}|mcp_toolset")
MAX_STRICT_TOOLS = 20

_KEPT = ("cache_control", "defer_loading", "input_examples", "eager_input_streaming")
"""What only Anthropic knows of a tool."""


@dataclass(frozen=True)
class ToolPlan:
    """Which tools are offered, and how calls come back.

    ``choice`` is Anthropic's. ``legacy``: calls are told as ``function_call``.
    ``json_tool`` is the name of the tool whose call is the answer's text, if there is one.
    """

    tools: tuple[Tool, ...] = ()
    choice: dict[str, Any] | None = None
    legacy: bool = False
    json_tool: str | None = None
    dropped: tuple[str, ...] = field(default=())

    @property
    def is_forced(self) -> bool:
        """Whether some tool has to be called."""
        return self.choice is not None and self.choice["type"] in ("any", "tool")


def is_own_tool(tool: Any) -> bool:
    """Tell whether a tool is defined by Anthropic, which then runs or describes it itself."""
    kind = tool.get("type") if isinstance(tool, dict) else None
    return isinstance(kind, str) and bool(_OWN_TYPE.fullmatch(kind))


def build_tool_plan(request: ChatRequest, own_tools: list[Tool], family: Family) -> ToolPlan:
    """Read a checked request's tools; raises ``InvalidRequestError`` for what can't be honoured."""
    dropped: dict[str, None] = {}
    definitions: list[tuple[str, Tool, Tool]]
    legacy = bool(request.get("functions"))
    if legacy:
        definitions = [(f"functions[{i}]", {}, f) for i, f in enumerate(request["functions"])]
        choice = _read_function_call(request.get("function_call"))
    else:
        given = [each for each in enumerate(request.get("tools") or ()) if not is_own_tool(each[1])]
        definitions = [
            (f"tools[{i}].function", tool, read_function(tool, f"tools[{i}]")) for i, tool in given
        ]
        choice, definitions = _read_choice(request.get("tool_choice"), definitions)
    tools = [_build_tool(*definition) for definition in definitions]
    strict = [t[2].get("strict") is True for t in definitions]
    if any(strict) and not _hold_to_schemas(tools, strict, family):
        dropped["tools.function.strict"] = None
    if not tools and not own_tools:
        return ToolPlan()
    if request.get("parallel_tool_calls") is False or legacy:
        choice = choice or {"type": "auto"}
        if choice["type"] != "none":
            choice = {**choice, "disable_parallel_tool_use": True}
    plan = ToolPlan((*tools, *own_tools), choice, legacy, dropped=tuple(dropped))
    if plan.is_forced and not family.forced_tool:
        param = "function_call" if legacy else "tool_choice"
        raise unsupported_value(
            param, f"This model can't be made to call a tool: `{param}` must be auto or none."
        )
    return plan


def _build_tool(param: str, tool: Tool, function: Tool) -> Tool:
    built: Tool = {"name": function["name"]}
    if function.get("description"):
        built["description"] = function["description"]
    schema = {"properties": {}, **(function.get("parameters") or {})}
    if schema.setdefault("type", "object") != "object":
        name = f"{param}.parameters.type"
        raise wrong_value(name, f'`{name}` must be "object".')
    built["input_schema"] = schema
    return built | {name: (tool | function)[name] for name in _KEPT if name in tool | function}


def _hold_to_schemas(tools: list[Tool], strict: list[bool], family: Family) -> bool:
    """Make those of ``tools`` strict that are to be; False where some of them can't be.

    Anthropic limits how many there are, and what is loose in all of them together.
    """
    if not family.json_schema:
        return False
    count = optional = unions = 0
    for tool, is_strict in zip(tools, strict, strict=True):
        fit = fit_schema(_closed_if_empty(tool["input_schema"])) if is_strict else None
        if fit is None:
            continue
        optional, unions = optional + fit.optional, unions + fit.unions
        if count == MAX_STRICT_TOOLS or optional > MAX_OPTIONAL or unions > MAX_UNIONS:
            return False
        count += 1
        tool |= {"input_schema": fit.schema, "strict": True}
    return count == sum(strict)


def _closed_if_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of an object without properties as one that is closed: nothing fits it."""
    return schema if schema["properties"] else {**schema, "additionalProperties": False}


def _read_choice(
    choice: Any, definitions: list[tuple[str, Tool, Tool]]
) -> tuple[dict[str, Any] | None, list[tuple[str, Tool, Tool]]]:
    """Return Anthropic's choice, and the tools that may be chosen."""
    if choice is None:
        return None, definitions
    if isinstance(choice, str):
        return {"type": "any" if choice == "required" else choice}, definitions
    if choice["type"] == "custom":
        raise unsupported_value("tool_choice.type", "This model has no custom tools.")
    if choice["type"] == "function":
        return {"type": "tool", "name": choice["function"]["name"]}, definitions
    allowed = choice["allowed_tools"]
    names = {tool["function"]["name"] for tool in allowed["tools"] if "function" in tool}
    kept = [each for each in definitions if each[2]["name"] in names]
    return {"type": "any" if allowed["mode"] == "required" else "auto"}, kept


def _read_function_call(choice: Any) -> dict[str, Any] | None:
    if choice is None or isinstance(choice, str):
        return None if choice is None else {"type": choice}
    return {"type": "tool", "name": choice["name"]}
