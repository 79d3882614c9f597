"""What a key and a tenant are made of, for the admin API, its description and the command line.

Knows the fields and their rules. Must not know HTTP, nor where they are kept.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from gateway.accounts.keys.fields import (
    BudgetSchema,
    Metadata,
    Moment,
    Name,
    Network,
    Rate,
    StrictSchema,
    Switch,
    Whole,
    find_problem,
    messages,
)
from gateway.accounts.keys.keys import ROLES
from gateway.errors import InvalidRequestError

MAX_OVERLAP = 30 * 86_400
DEFAULT_OVERLAP = 300
_MAX_CONCURRENCY = 1_000_000
_MAX_ITEMS = 200


class _LimitsSchema(StrictSchema):
    rate_limit = Rate(metadata={"description": "Requests in a time, such as 100/minute."})
    token_rate_limit = Rate(metadata={"description": "Tokens in a time, such as 50000/minute."})
    max_concurrency = Whole(
        1, _MAX_CONCURRENCY, allow_none=True, metadata={"description": "Requests at the same time."}
    )
    budget = fields.Nested(
        BudgetSchema,
        allow_none=True,
        error_messages=messages('an object such as {"usd": 20, "per": "month"}, or null for none'),
        metadata={"description": "What may be spent in each period."},
    )
    metadata = Metadata(metadata={"description": "Anything of yours, up to 16 KiB."})
    enabled = Switch(metadata={"description": "Whether it is let in; true unless given."})


class TenantSchema(_LimitsSchema):
    """A tenant, the owner of keys; its limits bound the sum of them."""

    name = Name(required=True, metadata={"description": "Unique among tenants."})


class KeySchema(_LimitsSchema):
    """A key. Only its name is needed."""

    name = Name(required=True, metadata={"description": "What logs and reports call it."})
    owner = Name(
        allow_none=True,
        metadata={"description": "The tenant's name; one that is new is made, without limits."},
    )
    role = fields.String(
        validate=validate.OneOf(ROLES, error=f"must be {' or '.join(ROLES)}"),
        error_messages=messages(" or ".join(ROLES)),
        metadata={"description": "What it may do; user unless given."},
    )
    models = fields.List(
        Name(),
        validate=validate.Length(max=_MAX_ITEMS, error="must be 200 names at most"),
        error_messages=messages('a list of names and patterns such as ["fast", "ollama/*"]'),
        metadata={"description": "The models it may use, * for any text; all unless given."},
    )
    allowed_ips = fields.List(
        Network(),
        validate=validate.Length(max=_MAX_ITEMS, error="must be 200 networks at most"),
        error_messages=messages('a list of networks such as ["10.0.0.0/8"]'),
        metadata={"description": "The addresses it may be used from; all unless given."},
    )
    priority = Whole(
        -1000, 1000, metadata={"description": "Who waits for a model: the highest goes first."}
    )
    expires_at = Moment(metadata={"description": "From when on it is refused."})


class RotationSchema(StrictSchema):
    """How a key gets another text."""

    overlap_seconds = Whole(
        0,
        MAX_OVERLAP,
        load_default=DEFAULT_OVERLAP,
        metadata={"description": "For how long the old text is good, too; 300 unless given."},
    )


def load_fields(schema: Schema, body: Any) -> dict[str, Any]:
    """Return what ``schema`` makes of a JSON object.

    Raises ``InvalidRequestError`` that names the field and what would be right.
    """
    if not isinstance(body, dict):
        raise InvalidRequestError("The request body must be a JSON object.")
    try:
        return dict(schema.load(body))
    except ValidationError as error:
        param, problem = find_problem(error.messages_dict)
        raise InvalidRequestError(f"{param} {problem}.", param=param) from error
