"""What can be asked of the books, as queries have it.

Knows marshmallow. Must not know how the answer is found.
"""

from __future__ import annotations

import time
from typing import Any

from marshmallow import ValidationError, fields, validate

from gateway.accounts.keys.fields import Name, StrictSchema, messages
from gateway.accounts.ledger.moments import EXPECTED, parse_moment
from gateway.accounts.ledger.requests import MOST_AT_ONCE, parse_cursor
from gateway.accounts.ledger.usage import parse_dimensions


class Since(fields.String):
    """``7d``, a date, a time, or seconds since 1970; becomes Unix seconds."""

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> Any:
        try:
            return parse_moment(str(value), time.time())
        except (ValueError, OverflowError):
            raise ValidationError(f"must be a moment: {EXPECTED}") from None


class _Dimensions(fields.String):
    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> Any:
        try:
            return parse_dimensions(str(value))
        except ValueError as error:
            raise ValidationError(str(error)) from error


class _Cursor(fields.String):
    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> Any:
        try:
            return parse_cursor(str(value))
        except ValueError:
            raise ValidationError("must be the value of next in the page before") from None


def _whole(minimum: int, maximum: int, **options: Any) -> fields.Integer:
    wanted = f"a whole number {minimum} to {maximum}"
    return fields.Integer(
        validate=validate.Range(minimum, maximum, error=f"must be {wanted}"),
        error_messages=messages(wanted),
        **options,
    )


class StatsSchema(StrictSchema):
    """Which requests are summed up."""

    since = Since(load_default=0.0, metadata={"description": f"From when on: {EXPECTED}."})


class UsageSchema(StatsSchema):
    """Which requests are summed up, and by what."""

    by = _Dimensions(
        load_default=("key", "model"),
        metadata={"description": "Names separated by commas, such as key,model,day."},
    )
    key = Name(load_default=None, metadata={"description": "The id of a key."})


class RequestsSchema(StrictSchema):
    """Which rows of the ledger."""

    since = Since(load_default=None)
    until = Since(load_default=None)
    key = Name(load_default=None, metadata={"description": "The id of a key."})
    model = Name(load_default=None, metadata={"description": "The model's name, as asked for."})
    status = _whole(100, 599, load_default=None)
    request_id = Name(load_default=None)
    limit = _whole(1, MOST_AT_ONCE, load_default=100)
    cursor = _Cursor(
        load_default=None, metadata={"description": "The value of next in the page before."}
    )
