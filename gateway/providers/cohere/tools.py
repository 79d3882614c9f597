"""``tools`` and ``tool_choice`` for Cohere.

Knows that Cohere has no choice of one tool, no allowed tools and no switch for
parallel calls: a choice among tools is made by offering no others.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.tool_forms import read_function, refuse_functions
from gateway.types import ChatRequest
from gateway.validation.fields import unsupported_value

_NO_PARAMETERS = {"type": "object", "properties": {}}
_CHOICES = {"none": "NONE", "required": "REQUIRED"}


def build_tools(request: ChatRequest) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a checked request's tools, and the names of what is dropped.

    Raises ``InvalidRequestError`` for custom tools and for the older ``functions``.
    """
    refuse_functions(request)
    if not request.get("tools"):
        return {}, []
    functions = [
        read_function(tool, f"tools[{position}]") for position, tool in enumerate(request["tools"])
    ]
    names, choice = _read_choice(request.get("tool_choice"))
    offered = [each for each in functions if names is None or each["name"] in names]
    fields: dict[str, Any] = {"tools": [_build_tool(function) for function in offered]}
    if choice is not None:
        fields["tool_choice"] = choice
    strict = [bool(function.get("strict")) for function in offered]
    if all(strict):
        fields["strict_tools"] = True
    return fields, ["tools.function.strict"] if any(strict) and not all(strict) else []


def _build_tool(function: dict[str, Any]) -> dict[str, Any]:
    built = {"name": function["name"]}
    if function.get("description"):
        built["description"] = function["description"]
    built["parameters"] = function.get("parameters") or _NO_PARAMETERS
    return {"type": "function", "function": built}


def _read_choice(choice: Any) -> tuple[set[str] | None, str | None]:
    """Return the names of the only tools to offer, if not all, and Cohere's choice, if any."""
    if choice is None or isinstance(choice, str):
        return None, _CHOICES.get(choice or "")
    if choice["type"] == "custom":
        raise unsupported_value("tool_choice.type", "This model has no custom tools.")
    if choice["type"] == "function":
        return {choice["function"]["name"]}, "REQUIRED"
    allowed = choice["allowed_tools"]
    names = {tool["function"]["name"] for tool in allowed["tools"] if "function" in tool}
    return names, "REQUIRED" if allowed["mode"] == "required" else None
