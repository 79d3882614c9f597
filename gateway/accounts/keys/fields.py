"""Fields of keys and tenants as the admin API and the command line take them.

Knows what a right value looks like and how to say so: every message goes on after the
field's name. Must not know which fields there are.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marshmallow import (
    Schema,
    ValidationError,
    fields,
    post_load,
    pre_load,
    validate,
    validates_schema,
)

from gateway.accounts.keys.keys import PERIODS, Budget
from gateway.config.values import parse_rate

MAX_METADATA = 16 * 1024
_SHOWN_ONLY = frozenset(
    {"id", "key", "status", "created_at", "updated_at", "revoked_at", "last_used_at"}
)
MAX_TEXT = 200
_MAX_NUMBER = 10**15


def messages(right: str) -> dict[str, Any]:
    """Return marshmallow's messages for a field whose value ``right`` describes."""
    wrong = f"must be {right}"
    return dict.fromkeys(("required", "null", "invalid", "type", "too_large"), wrong)


class Name(fields.String):
    """A text for people: printable, of 1 to 200 characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            error_messages=messages("a text of 1 to 200 printable characters"), **options
        )

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, *rest, **options)
        if not (0 < len(text) <= MAX_TEXT and text.isprintable() and text.strip() == text):
            raise self.make_error("invalid")
        return text


class Whole(fields.Integer):
    """A whole number from ``minimum`` to ``maximum``, written as a number."""

    def __init__(self, minimum: int, maximum: int = _MAX_NUMBER, **options: Any) -> None:
        wanted = f"of {minimum} or more" if maximum == _MAX_NUMBER else f"{minimum} to {maximum}"
        super().__init__(
            strict=True, error_messages=messages(f"a whole number {wanted}"), **options
        )
        self.minimum, self.maximum = minimum, maximum

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> int:
        if isinstance(value, bool | str) or not isinstance(value, int):
            raise self.make_error("invalid")
        if not self.minimum <= value <= self.maximum:
            raise self.make_error("invalid")
        return value


class Switch(fields.Boolean):
    """true or false, and nothing that only looks like it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(error_messages=messages("true or false"), **options)

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class Rate(fields.String):
    """How much in which time, such as ``100/minute``."""

    def __init__(self, **options: Any) -> None:
        wanted = "a rate such as 100/minute, or null for none"
        super().__init__(error_messages=messages(wanted), allow_none=True, **options)

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, *rest, **options)
        try:
            return parse_rate(text)
        except ValueError:
            raise self.make_error("invalid") from None


class Network(fields.String):
    """An IP address or a network such as ``10.0.0.0/8``."""

    def __init__(self, **options: Any) -> None:
        wanted = "an IP address or a network such as 10.0.0.0/8"
        super().__init__(error_messages=messages(wanted), **options)

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, *rest, **options)
        try:
            return str(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise self.make_error("invalid") from None


class Moment(fields.Field[float]):
    """A point in time: ISO 8601 with its zone; seconds since 1970 are understood, too."""

    def __init__(self, **options: Any) -> None:
        wanted = "a time with its zone such as 2030-01-31T12:00:00Z, or null for none"
        super().__init__(error_messages=messages(wanted), allow_none=True, **options)

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> float:
        try:
            if isinstance(value, str):
                moment = datetime.fromisoformat(value)
                value = moment.timestamp() if moment.tzinfo is not None else None
            if isinstance(value, int | float) and not isinstance(value, bool):
                datetime.fromtimestamp(value, UTC)  # it must be one that can be shown
                return float(value)
        except (ValueError, OverflowError, OSError):
            pass
        raise self.make_error("invalid")


class Metadata(fields.Field[dict[str, Any]]):
    """Any JSON object up to 16 KiB; the gateway only keeps it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(error_messages=messages("a JSON object of 16 KiB at most"), **options)

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(json.dumps(value)) > MAX_METADATA:
            raise self.make_error("invalid")
        return value


class Positive(fields.Field[float]):
    """A number above 0, up to ``maximum``."""

    def __init__(self, maximum: float, wanted: str, **options: Any) -> None:
        super().__init__(error_messages=messages(wanted), **options)
        self.maximum = maximum

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not 0 < value <= self.maximum:
            raise self.make_error("invalid")
        return float(value)


class StrictSchema(Schema):
    """Says of a field it does not know what is wrong with it."""

    @pre_load
    def _refuse_unknown(self, data: Any, **options: Any) -> Any:
        for name in data if isinstance(data, Mapping) else ():
            if name in self.fields:
                continue
            if name in _SHOWN_ONLY:
                raise ValidationError("is set by the gateway and can't be changed", str(name))
            near = difflib.get_close_matches(str(name), self.fields, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ValidationError(f"is not known{meant}", str(name))
        return data


class BudgetSchema(StrictSchema):
    """US dollars or tokens for each period."""

    error_messages = messages('an object such as {"usd": 20, "per": "month"}, or null for none')

    usd = Positive(_MAX_NUMBER, "an amount of US dollars above 0, such as 20 or 0.5")
    tokens = Whole(1)
    per = fields.String(
        load_default="month",
        validate=validate.OneOf(PERIODS, error=f"must be one of {', '.join(PERIODS)}"),
        error_messages=messages(f"one of {', '.join(PERIODS)}"),
    )
    soft_limit = Positive(1, "a share above 0 and up to 1, such as 0.8", allow_none=True)

    @validates_schema
    def _check_amount(self, data: Mapping[str, Any], **options: Any) -> None:
        if ("usd" in data) == ("tokens" in data):
            raise ValidationError(
                'needs either usd or tokens, such as {"usd": 20, "per": "month"}', "_schema"
            )

    @post_load
    def _build(self, data: Mapping[str, Any], **options: Any) -> Budget:
        usd = None if "usd" not in data else Decimal(repr(data["usd"])).normalize()
        return Budget(usd, data.get("tokens"), data["per"], data.get("soft_limit"))


def find_problem(problems: Mapping[Any, Any]) -> tuple[str, str]:
    """Return the path of the first field that is wrong, and what is wrong with it."""
    path = ""
    found: Any = problems
    while isinstance(found, Mapping):
        name, found = next(iter(found.items()))
        if name != "_schema":
            path += f"[{name}]" if isinstance(name, int) else f".{name}"
    return path.lstrip("."), str(found[0])
