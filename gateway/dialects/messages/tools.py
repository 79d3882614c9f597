"""Anthropic's tools and tool choice as canonical ones.

Knows both forms. Must not know messages.
"""

from __future__ import annotations

from typing import Any

from gateway.validation.fields import check_object, wrong_type, wrong_value

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def build_tools(request: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the canonical fields, and where the tools stand that Anthropic runs itself.

    Raises ``InvalidRequestError`` with ``param``.
    """
    tools = request.get("tools")
    if tools is None:
        tools = []
    if not isinstance(tools, list):
        raise wrong_type("tools", "an array", tools)
    functions, foreign = [], []
    for place, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise wrong_type(f"tools[{place}]", "an object", tool)
        if tool.get("type") not in (None, "custom"):
            foreign.append(f"tools[{place}]")
        else:
            functions.append(_build_function(tool, f"tools[{place}]"))
    fields: dict[str, Any] = {"tools": functions} if functions else {}
    if functions:
        fields |= _build_choice(request)
    return fields, tuple(foreign)


def _build_function(tool: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(tool.get("name"), str) or not tool["name"]:
        raise wrong_type(f"{where}.name", "a string", tool.get("name"))
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        raise wrong_type(f"{where}.input_schema", "an object", schema)
    function: dict[str, Any] = {"name": tool["name"], "parameters": schema}
    if tool.get("description"):
        function["description"] = tool["description"]
    if tool.get("strict") is not None:
        function["strict"] = tool["strict"]
    return {"type": "function", "function": function}


def _build_choice(request: dict[str, Any]) -> dict[str, Any]:
    check_object(request, "tool_choice")
    choice = request.get("tool_choice") or {}
    fields: dict[str, Any] = {}
    if choice.get("disable_parallel_tool_use"):
        fields["parallel_tool_calls"] = False
    kind = choice.get("type")
    if kind == "tool" and isinstance(choice.get("name"), str):
        fields["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    elif kind in _CHOICES:
        fields["tool_choice"] = _CHOICES[kind]
    elif choice:
        raise wrong_value(
            "tool_choice",
            "`tool_choice` must be of type auto, any, none, or tool with a `name`.",
        )
    return fields
