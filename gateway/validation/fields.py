"""Checks of single values, and the sentences that say what is wrong with them.

Knows JSON's types. Must not know any field's meaning. A ``param`` is the path of
a value as the client would write it: ``messages[0].content[1].text``. In each
``check_…`` of an optional member, ``null`` means "not given", as in OpenAI's API.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gateway.errors import InvalidRequestError

LARGEST_INTEGER = 2**31 - 1
"""Largest count of tokens and the like that is believed: providers count in 32 bits."""


def _describe_type(value: Any) -> str:
    """Return the name of a value's JSON type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def wrong_type(param: str, expected: str, value: Any) -> InvalidRequestError:
    """Return the error for a value of the wrong type; ``expected`` has its article."""
    return InvalidRequestError(
        f"`{param}` must be {expected}, not {_describe_type(value)}.",
        param=param,
        code="invalid_type",
    )


def wrong_value(param: str, message: str) -> InvalidRequestError:
    """Return the error for a value of the right type that says nothing valid."""
    return InvalidRequestError(message, param=param, code="invalid_value")


def missing(param: str) -> InvalidRequestError:
    """Return the error for a required value that isn't there."""
    return InvalidRequestError(
        f"`{param}` is required.", param=param, code="missing_required_parameter"
    )


def unsupported_parameter(param: str, message: str) -> InvalidRequestError:
    """Return the error for a parameter that the provider can't honour at all."""
    return InvalidRequestError(message, param=param, code="unsupported_parameter")


def unsupported_value(param: str, message: str) -> InvalidRequestError:
    """Return the error for a valid value that the provider can't honour."""
    return InvalidRequestError(message, param=param, code="unsupported_value")


def check_boolean(container: Mapping[str, Any], name: str, param: str | None = None) -> None:
    """Check an optional boolean."""
    value = container.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong_type(param or name, "a boolean", value)


def check_string(container: Mapping[str, Any], name: str, param: str | None = None) -> None:
    """Check an optional string."""
    value = container.get(name)
    if value is not None and not isinstance(value, str):
        raise wrong_type(param or name, "a string", value)


def check_object(container: Mapping[str, Any], name: str, param: str | None = None) -> None:
    """Check an optional object."""
    value = container.get(name)
    if value is not None and not isinstance(value, dict):
        raise wrong_type(param or name, "an object", value)


def check_integer(
    container: Mapping[str, Any],
    name: str,
    minimum: int,
    maximum: int = LARGEST_INTEGER,
    param: str | None = None,
) -> None:
    """Check an optional integer; neither a boolean nor ``1.0`` is one."""
    value = container.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(param or name, "an integer", value)
    _check_range(param or name, value, minimum, maximum, "integer")


def check_number(
    container: Mapping[str, Any],
    name: str,
    minimum: float,
    maximum: float,
    param: str | None = None,
) -> None:
    """Check an optional number; a boolean is none."""
    value = container.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(param or name, "a number", value)
    _check_range(param or name, value, minimum, maximum, "decimal")


def check_choice(
    container: Mapping[str, Any], name: str, allowed: Collection[str], param: str | None = None
) -> None:
    """Check an optional string that must be one of ``allowed``."""
    check_string(container, name, param)
    value = container.get(name)
    if value is not None and value not in allowed:
        raise wrong_value(param or name, f"`{param or name}` must be one of {listed(allowed)}.")


def require_string(container: Mapping[str, Any], name: str, param: str) -> str:
    """Return a required string; it may be empty."""
    value = container.get(name)
    if value is None:
        raise missing(param)
    if not isinstance(value, str):
        raise wrong_type(param, "a string", value)
    return value


def require_name(container: Mapping[str, Any], name: str, param: str) -> str:
    """Return a required string that must not be empty."""
    value = require_string(container, name, param)
    if not value:
        raise wrong_value(param, f"`{param}` must not be empty.")
    return value


def require_object(container: Mapping[str, Any], name: str, param: str) -> dict[str, Any]:
    """Return a required object."""
    value = container.get(name)
    if value is None:
        raise missing(param)
    if not isinstance(value, dict):
        raise wrong_type(param, "an object", value)
    return value


def listed(names: Collection[str]) -> str:
    """Return names as people list them, each in quotes: ``"a", "b" and "c"``."""
    quoted = [f'"{name}"' for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def _check_range(param: str, value: float, minimum: float, maximum: float, kind: str) -> None:
    if minimum <= value <= maximum:
        return
    side = "below_min" if value < minimum else "above_max"
    raise InvalidRequestError(
        f"`{param}` must be between {minimum} and {maximum}, but is {value}.",
        param=param,
        code=f"{kind}_{side}_value",
    )
