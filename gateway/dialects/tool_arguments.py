"""A tool call's arguments: text in the canonical form, and an object in some APIs.

Must not know any one of these APIs.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.serialization import dumps, loads_lenient
from gateway.validation.fields import wrong_type, wrong_value


def read_arguments(name: str, arguments: str) -> dict[str, Any]:
    """Return the arguments of a call of ``name``; raises ``UpstreamError`` where they are none."""
    try:
        parsed = loads_lenient(arguments) if arguments.strip() else {}
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise UpstreamError(f"The model called {name!r} with arguments that are no JSON object.")
    return parsed


def write_arguments(arguments: Any, param: str) -> str:
    """Return the arguments that a client gives as an object; raises ``InvalidRequestError``."""
    if not isinstance(arguments, dict):
        raise wrong_type(param, "an object", arguments)
    try:
        return dumps(arguments).decode()
    except TypeError:
        raise wrong_value(param, f"`{param}` is nested too deeply.") from None


def is_whole(arguments: str) -> bool:
    """Tell whether arguments that come in pieces are a whole object by now."""
    try:
        return isinstance(loads_lenient(arguments), dict)
    except ValueError:
        return False
