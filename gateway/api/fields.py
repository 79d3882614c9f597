"""What admins send: JSON bodies and queries, checked, with errors that name the field.

Knows Flask and marshmallow. Must not know what the fields are for.
"""

from __future__ import annotations

from typing import Any

from flask import request
from marshmallow import Schema, fields, validate

from gateway.accounts.keys.fields import Name, StrictSchema, messages
from gateway.accounts.keys.schemas import load_fields
from gateway.api.body import read_body
from gateway.errors import InvalidRequestError
from gateway.serialization import loads_strict

MAX_BODY_BYTES = 64 * 1024
MAX_PAGE = 1000
DEFAULT_PAGE = 100
_SWITCH = {"true": True, "1": True, "false": False, "0": False}


class QuerySwitch(fields.Boolean):
    """true or false, as queries have them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(error_messages=messages("true or false"), **options)

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> bool:
        if value not in _SWITCH:
            raise self.make_error("invalid")
        return _SWITCH[value]


class PageSchema(StrictSchema):
    """Which part of a list."""

    limit = fields.Integer(
        load_default=DEFAULT_PAGE,
        validate=validate.Range(1, MAX_PAGE, error=f"must be a whole number 1 to {MAX_PAGE}"),
        error_messages=messages(f"a whole number 1 to {MAX_PAGE}"),
        metadata={"description": f"How many at most; {DEFAULT_PAGE} unless given."},
    )
    cursor = Name(
        load_default=None, metadata={"description": "The value of next in the page before."}
    )
    search = Name(
        load_default=None,
        metadata={"description": "A part of the name, the owner or the id, in any case."},
    )


class KeyPageSchema(PageSchema):
    """Which part of the list of keys."""

    owner = Name(load_default="", metadata={"description": "The name of the tenant they are of."})


class RevocationSchema(StrictSchema):
    """How soon a key ends."""

    now = QuerySwitch(
        load_default=False,
        metadata={"description": "End its requests under way, too; false unless given."},
    )


def read_fields(schema: Schema, *, is_optional: bool = False) -> dict[str, Any]:
    """Return the JSON body as ``schema`` reads it; raises ``InvalidRequestError``.

    With ``is_optional``, no body is an empty object.
    """
    text = read_body(MAX_BODY_BYTES)
    if not text and is_optional:
        return load_fields(schema, {})
    try:
        body = loads_strict(text)
    except ValueError as error:
        raise InvalidRequestError("The request body is not JSON.") from error
    return load_fields(schema, body)


def read_query(schema: Schema) -> dict[str, Any]:
    """Return the query as ``schema`` reads it; raises ``InvalidRequestError``."""
    return load_fields(schema, request.args.to_dict())
