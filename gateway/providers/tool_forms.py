"""OpenAI's forms of a tool that most other APIs have not: custom tools, and older functions.

Knows the fields of OpenAI's API. Must not know any provider's format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import InvalidRequestError
from gateway.validation.fields import unsupported_parameter, unsupported_value


def read_function(tool: Mapping[str, Any], param: str) -> dict[str, Any]:
    """Return the function of a checked tool; raises ``InvalidRequestError`` for a custom tool."""
    if tool["type"] != "function":
        raise unsupported_value(
            f"{param}.type", f'`{param}.type` must be "function": this model has no custom tools.'
        )
    function: dict[str, Any] = tool["function"]
    return function


def refuse_functions(request: Mapping[str, Any]) -> None:
    """Raise ``InvalidRequestError`` for a request that has the older form of tools."""
    for name in ("functions", "function_call"):
        if request.get(name):
            raise unsupported_parameter(
                name, f"`{name}` is the older form of tools: use `tools` and `tool_choice`."
            )


def older_form(param: str) -> InvalidRequestError:
    """Return the error for a message of the older form of tools."""
    return unsupported_value(
        param, f"`{param}` is of the older form of tools: use `tools` and `tool_calls`."
    )
