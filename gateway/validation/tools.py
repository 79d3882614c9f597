"""Checks of ``tools`` and ``tool_choice``, and of their forerunners ``functions`` and
``function_call``.

Knows the shapes OpenAI's API defines. Must not know any provider, nor look into
the schema of a function's parameters.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gateway.types import ChatRequest
from gateway.validation.fields import (
    check_boolean,
    check_choice,
    check_object,
    check_string,
    listed,
    require_name,
    require_object,
    unsupported_parameter,
    wrong_type,
    wrong_value,
)

_CHOICE_MODES = ("none", "auto", "required")
_CHOICE_TYPES = ("function", "allowed_tools", "custom")


def check_tools(request: ChatRequest) -> None:
    """Check tools, and that what is chosen among them is there."""
    tools = request.get("tools")
    functions = request.get("functions")
    if tools and functions:
        raise unsupported_parameter(
            "functions", "`functions` is the older form of `tools`: give only one of them."
        )
    names = _check_list("tools", tools, _check_tool)
    function_names = _check_list("functions", functions, _check_function)
    if request.get("tool_choice") is not None:
        if not names:
            raise unsupported_parameter("tool_choice", "`tool_choice` needs `tools`.")
        _check_tool_choice(request["tool_choice"], names)
    if request.get("function_call") is not None:
        if not function_names:
            raise unsupported_parameter("function_call", "`function_call` needs `functions`.")
        _check_function_call(request["function_call"], function_names)


def _check_list(param: str, values: Any, check: Any) -> set[str]:
    if values is None:
        return set()
    if not isinstance(values, list):
        raise wrong_type(param, "an array", values)
    return {check(value, f"{param}[{position}]") for position, value in enumerate(values)}


def _check_tool(tool: Any, param: str) -> str:
    if not isinstance(tool, dict):
        raise wrong_type(param, "an object", tool)
    kind = require_name(tool, "type", f"{param}.type")
    check_choice(tool, "type", ("function", "custom"), f"{param}.type")
    definition = require_object(tool, kind, f"{param}.{kind}")
    if kind == "custom":
        return require_name(definition, "name", f"{param}.custom.name")
    return _check_function(definition, f"{param}.function")


def _check_function(function: Any, param: str) -> str:
    if not isinstance(function, dict):
        raise wrong_type(param, "an object", function)
    check_string(function, "description", f"{param}.description")
    check_object(function, "parameters", f"{param}.parameters")
    check_boolean(function, "strict", f"{param}.strict")
    return require_name(function, "name", f"{param}.name")


def _check_tool_choice(choice: Any, names: Collection[str]) -> None:
    if isinstance(choice, str):
        if choice not in _CHOICE_MODES:
            raise wrong_value(
                "tool_choice",
                f"`tool_choice` must be one of {listed(_CHOICE_MODES)}, or an object.",
            )
        return
    if not isinstance(choice, dict):
        raise wrong_type("tool_choice", "a string or an object", choice)
    kind = require_name(choice, "type", "tool_choice.type")
    check_choice(choice, "type", _CHOICE_TYPES, "tool_choice.type")
    if kind == "allowed_tools":
        _check_allowed_tools(choice, names)
    else:
        _check_named(choice, kind, "tool_choice", names)


def _check_allowed_tools(choice: dict[str, Any], names: Collection[str]) -> None:
    param = "tool_choice.allowed_tools"
    allowed = require_object(choice, "allowed_tools", param)
    require_name(allowed, "mode", f"{param}.mode")
    check_choice(allowed, "mode", ("auto", "required"), f"{param}.mode")
    tools = allowed.get("tools")
    if not isinstance(tools, list) or not tools:
        raise wrong_value(
            f"{param}.tools", f"`{param}.tools` must be an array of at least one tool."
        )
    for position, tool in enumerate(tools):
        tool_param = f"{param}.tools[{position}]"
        if not isinstance(tool, dict):
            raise wrong_type(tool_param, "an object", tool)
        kind = require_name(tool, "type", f"{tool_param}.type")
        check_choice(tool, "type", ("function", "custom"), f"{tool_param}.type")
        _check_named(tool, kind, tool_param, names)


def _check_named(choice: dict[str, Any], kind: str, param: str, names: Collection[str]) -> None:
    definition = require_object(choice, kind, f"{param}.{kind}")
    name = require_name(definition, "name", f"{param}.{kind}.name")
    if name not in names:
        raise wrong_value(
            f"{param}.{kind}.name", f"`{param}.{kind}.name` is none of the names in `tools`."
        )


def _check_function_call(choice: Any, names: Collection[str]) -> None:
    if isinstance(choice, str):
        if choice not in ("none", "auto"):
            raise wrong_value(
                "function_call", '`function_call` must be "none", "auto" or an object with a name.'
            )
        return
    if not isinstance(choice, dict):
        raise wrong_type("function_call", "a string or an object", choice)
    if require_name(choice, "name", "function_call.name") not in names:
        raise wrong_value(
            "function_call.name", "`function_call.name` is none of the names in `functions`."
        )
