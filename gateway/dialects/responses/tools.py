"""Tools and the choice among them: flat in the Responses API, nested in a chat.

Knows functions and custom tools; any other is hosted by OpenAI. Must not know items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.responses.namespaces import iter_flat
from gateway.validation.fields import require_name, wrong_type, wrong_value

_OWN = ("function", "custom")
_NOT_OF_A_CHAT = ("type", "defer_loading", "allowed_callers", "async", "output_schema")
_MODES = ("none", "auto", "required")


def build_tools(request: Mapping[str, Any], native_only: list[str]) -> dict[str, Any]:
    """Return ``tools`` of the canonical request; hosted ones are noted in ``native_only``.

    Those of a namespace stand beside the others.
    """
    tools = request.get("tools")
    if tools is None:
        return {}
    if not isinstance(tools, list):
        raise wrong_type("tools", "an array of tools", tools)
    built = []
    for tool, path in iter_flat(tools):
        if not isinstance(tool, dict):
            raise wrong_type(path, "an object", tool)
        kind = require_name(tool, "type", f"{path}.type")
        if kind not in _OWN or tool.get("defer_loading"):
            native_only.append(path)
            continue
        require_name(tool, "name", f"{path}.name")
        definition = {
            name: value
            for name, value in tool.items()
            if name not in _NOT_OF_A_CHAT and value is not None
        }
        if kind == "custom" and isinstance(definition.get("format"), dict):
            definition["format"] = _nested_format(definition["format"])
        built.append({"type": kind, kind: definition})
    return {"tools": built} if built else {}


def build_tool_choice(request: Mapping[str, Any], native_only: list[str]) -> dict[str, Any]:
    """Return ``tool_choice`` of the canonical request."""
    choice = request.get("tool_choice")
    if choice is None or (choice in ("auto", "none") and not request.get("tools")):
        return {}
    if isinstance(choice, str):
        if choice not in _MODES:
            raise wrong_value(
                "tool_choice",
                '`tool_choice` must be one of "none", "auto" and "required", or an object.',
            )
        return {"tool_choice": choice}
    if not isinstance(choice, dict):
        raise wrong_type("tool_choice", "a string or an object", choice)
    kind = require_name(choice, "type", "tool_choice.type")
    if kind == "allowed_tools":
        tools = choice.get("tools")
        if not isinstance(tools, list):
            raise wrong_type("tool_choice.tools", "an array of tools", tools)
        nested = [_nested(tool, f"tool_choice.tools[{at}]") for at, tool in enumerate(tools)]
        if None in nested:
            native_only.append("tool_choice")
        mode = require_name(choice, "mode", "tool_choice.mode")
        return {"tool_choice": {"type": kind, kind: {"mode": mode, "tools": nested}}}
    named = _nested(choice, "tool_choice")
    if named is None:
        native_only.append("tool_choice")
        return {}
    return {"tool_choice": named}


def echo_tools(tools: Any) -> list[dict[str, Any]]:
    """Return the tools as an answer repeats them, with every field that has to be there.

    A function is strict only where the client said so: the canonical request says no more.
    """
    return [
        {"description": None, "parameters": None, "strict": False, **_without_nulls(tool)}
        if tool.get("type") == "function"
        else tool
        for tool in tools or ()
    ]


def _nested(tool: Any, path: str) -> dict[str, Any] | None:
    if not isinstance(tool, dict):
        raise wrong_type(path, "an object", tool)
    kind = require_name(tool, "type", f"{path}.type")
    if kind not in _OWN:
        return None
    return {"type": kind, kind: {"name": require_name(tool, "name", f"{path}.name")}}


def _nested_format(given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("type") != "grammar":
        return dict(given)
    grammar = {name: value for name, value in given.items() if name != "type"}
    return {"type": "grammar", "grammar": grammar}


def _without_nulls(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tool.items() if value is not None}
