"""``tools``, ``tool_choice`` and ``response_format`` as Converse's ``toolConfig``.

Knows which functions a model may call, and that an answer in JSON may have to be asked
for as the call of a tool, which is unwrapped when it is read. Must not know answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.providers.bedrock.families import Family
from gateway.providers.bedrock.messages import build_cache_point
from gateway.providers.tool_forms import read_function, refuse_functions
from gateway.serialization import dumps
from gateway.types import ChatRequest
from gateway.validation.fields import unsupported_value

JSON_TOOL = "json_answer"
"""The tool whose call is an answer in JSON, not a call."""

_ANY_OBJECT = {"type": "object", "properties": {}}
_JSON_DESCRIPTION = "Give the final answer by calling this tool, with the answer as its input."
_COMBINATORS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")


@dataclass(frozen=True)
class ToolPlan:
    """``config`` is ``toolConfig`` ({}: none), ``text_format`` is ``outputConfig.textFormat``.

    ``json_tool`` is the name of the tool whose call is the answer, ``forced`` tells that some
    call is demanded.
    """

    config: dict[str, Any]
    text_format: dict[str, Any] | None = None
    json_tool: str | None = None
    forced: bool = False
    dropped: tuple[str, ...] = ()


def build_tool_plan(
    request: ChatRequest, family: Family, messages: list[dict[str, Any]]
) -> ToolPlan:
    """Read a checked request's tools and format; ``messages`` are Converse's.

    Raises ``InvalidRequestError`` for custom tools, for the older ``functions``, and for a
    demand that the model can't be held to.
    """
    refuse_functions(request)
    specs, choice, dropped = _read_tools(request)
    response_format = request.get("response_format") or {"type": "text"}
    text_format = None
    json_tool = None
    if response_format["type"] == "json_schema" and family.native_schema:
        text_format = _build_text_format(response_format["json_schema"], family)
    elif response_format["type"] != "text":
        _require_forced_tool(family)
        json_tool = JSON_TOOL
        specs.append(_build_json_tool(response_format.get("json_schema") or {}))
        choice = choice or {"any": {}}
    if not specs:
        specs, dropped = _restore_tools(messages, request)
    config: dict[str, Any] = {"tools": specs} if specs else {}
    if config and choice:
        config["toolChoice"] = choice
    return ToolPlan(config, text_format, json_tool, bool(choice), dropped)


def _read_tools(
    request: ChatRequest,
) -> tuple[list[dict[str, Any]], dict[str, Any] | None, tuple[str, ...]]:
    """Return the tools on offer, the choice among them, and the names of what is dropped."""
    choice = request.get("tool_choice")
    if not request.get("tools") or choice == "none":
        return [], None, ()
    names, built_choice = _read_choice(choice)
    specs = []
    for position, tool in enumerate(request["tools"]):
        function = read_function(tool, f"tools[{position}]")
        if names is None or function["name"] in names:
            specs += [_build_spec(function), *build_cache_point(tool)]
    return specs, built_choice, ()


def _build_spec(function: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": function["name"]}
    if function.get("description"):
        spec["description"] = function["description"]
    spec["inputSchema"] = {"json": function.get("parameters") or _ANY_OBJECT}
    if function.get("strict"):
        spec["strict"] = True
    return {"toolSpec": spec}


def _read_choice(choice: Any) -> tuple[set[str] | None, dict[str, Any] | None]:
    """Return the names of the only tools to offer, if not all, and Converse's choice, if any."""
    if choice is None or choice == "auto":
        return None, None
    if choice == "required":
        return None, {"any": {}}
    if choice["type"] == "custom":
        raise unsupported_value("tool_choice.type", "This model has no custom tools.")
    if choice["type"] == "function":
        return None, {"tool": {"name": choice["function"]["name"]}}
    allowed = choice["allowed_tools"]
    names = {tool["function"]["name"] for tool in allowed["tools"] if "function" in tool}
    return names, {"any": {}} if allowed["mode"] == "required" else None


def _restore_tools(
    messages: list[dict[str, Any]], request: ChatRequest
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return tools for calls of earlier turns, which Bedrock refuses without any.

    It can't be told then that none may be called.
    """
    names = {
        block["toolUse"]["name"]: None
        for message in messages
        for block in message["content"]
        if "toolUse" in block
    }
    if not names:
        return [], ()
    known = {
        tool["function"]["name"]: tool["function"]
        for tool in request.get("tools") or ()
        if tool["type"] == "function"
    }
    specs = [_build_spec(known.get(name, {"name": name})) for name in names]
    return specs, ("tool_choice",) if request.get("tool_choice") == "none" else ()


def _require_forced_tool(family: Family) -> None:
    if not family.forced_tool:
        raise unsupported_value(
            "response_format.type",
            "This model gives JSON by a schema only: use a `response_format` of type json_schema.",
        )


def _build_json_tool(json_schema: dict[str, Any]) -> dict[str, Any]:
    description = json_schema.get("description")
    return _build_spec(
        {
            "name": JSON_TOOL,
            "description": f"{_JSON_DESCRIPTION} {description or ''}".strip(),
            "parameters": json_schema.get("schema"),
        }
    )


def _build_text_format(json_schema: dict[str, Any], family: Family) -> dict[str, Any]:
    schema = json_schema["schema"]
    try:
        text = dumps(_close(schema) if family.closed_schema else schema).decode()
    except (TypeError, RecursionError):
        raise unsupported_value(
            "response_format.json_schema.schema", "The schema is nested too deeply."
        ) from None
    named = {key: json_schema[key] for key in ("name", "description") if json_schema.get(key)}
    return {"type": "json_schema", "structure": {"jsonSchema": {**named, "schema": text}}}


def _close(schema: Any) -> Any:
    """Return a schema whose objects say nothing of further properties as one that forbids them."""
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    for name in _COMBINATORS:
        if isinstance(schema.get(name), dict):
            closed[name] = {key: _close(value) for key, value in schema[name].items()}
    for name in _LISTS:
        if isinstance(schema.get(name), list):
            closed[name] = [_close(value) for value in schema[name]]
    if "items" in schema:
        closed["items"] = _close(schema["items"])
    if schema.get("type") == "object" or "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
