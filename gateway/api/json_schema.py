"""marshmallow's schemas as JSON Schema.

Knows the kinds of fields in use. Must not know what they are for.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from gateway.accounts.keys.fields import MAX_TEXT, Metadata, Moment, Name, Positive, Whole


def describe_fields(schema: Schema) -> dict[str, Any]:
    """Return the JSON Schema of what ``schema`` reads."""
    required = [
        name for name, field in schema.fields.items() if field.required and not schema.partial
    ]
    described: dict[str, Any] = {
        "type": "object",
        "properties": {name: _describe(field) for name, field in schema.fields.items()},
        "additionalProperties": False,
    }
    return {**described, "required": required} if required else described


def _describe(field: fields.Field[Any]) -> dict[str, Any]:
    described = _describe_kind(field)
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            described["enum"] = list(validator.choices)
        elif isinstance(validator, validate.Range):
            described |= {"minimum": validator.min, "maximum": validator.max}
    if field.allow_none:
        kinds = described["type"]
        described["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
    if "description" in field.metadata:
        described["description"] = field.metadata["description"]
    return described


def _describe_kind(field: fields.Field[Any]) -> dict[str, Any]:
    if isinstance(field, Whole):
        return {"type": "integer", "minimum": field.minimum, "maximum": field.maximum}
    if isinstance(field, Positive):
        return {"type": "number", "exclusiveMinimum": 0, "maximum": field.maximum}
    if isinstance(field, Moment):
        return {"type": ["string", "number"], "format": "date-time"}
    if isinstance(field, Metadata):
        return {"type": "object"}
    if isinstance(field, fields.Nested):
        return describe_fields(field.schema)
    if isinstance(field, fields.List):
        return {"type": "array", "items": _describe(field.inner)}
    if isinstance(field, Name):
        return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
    if isinstance(field, fields.Boolean):
        return {"type": "boolean"}
    return {"type": "integer" if isinstance(field, fields.Integer) else "string"}
