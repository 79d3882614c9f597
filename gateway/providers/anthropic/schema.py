"""A JSON Schema in the part of JSON Schema that Anthropic can hold an answer to.

Knows what constrained answers refuse (recorded, and Anthropic's documentation of structured
outputs): open objects, and most limits of numbers, texts and lists. Closing an object only
narrows what fits, so that an answer still fits the client's schema; limits are told to the model
in words. Must not know what the schema is for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.serialization import dumps

Schema = dict[str, Any]

MAX_DEPTH = 64

_IN_WORDS = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
)
_INEXPRESSIBLE = frozenset(
    {
        "not",
        "if",
        "then",
        "else",
        "patternProperties",
        "propertyNames",
        "dependentSchemas",
        "dependentRequired",
        "contains",
        "prefixItems",
        "unevaluatedProperties",
        "unevaluatedItems",
    }
)
_LISTS = ("anyOf", "oneOf", "allOf")
_NAMED = ("properties", "$defs", "definitions")


class FitSchema(NamedTuple):
    """``in_words`` names the keywords that only the model's good will keeps."""

    schema: Schema
    in_words: list[str]


def fit_schema(schema: Schema) -> FitSchema | None:
    """Return a schema that Anthropic takes; None where what is asked can't be said with one."""
    in_words: dict[str, None] = {}
    try:
        fit = _fit(schema, in_words, 0)
    except _InexpressibleError:
        return None
    return FitSchema(fit, list(in_words))


class _InexpressibleError(Exception):
    """A schema that can't be made fit."""


def _fit(schema: Any, in_words: dict[str, None], depth: int) -> Schema:
    if not isinstance(schema, dict) or depth > MAX_DEPTH or schema.keys() & _INEXPRESSIBLE:
        raise _InexpressibleError
    if "anyOf" in schema and "oneOf" in schema:
        raise _InexpressibleError
    built: Schema = {}
    words: Schema = {}
    for name, value in schema.items():
        if name in _IN_WORDS or (name == "minItems" and value not in (0, 1)):
            words[name] = value
        elif name in _LISTS and isinstance(value, list):
            kept = "anyOf" if name == "oneOf" else name
            built[kept] = [_fit(each, in_words, depth + 1) for each in value]
        elif name in _NAMED and isinstance(value, dict):
            built[name] = {key: _fit(each, in_words, depth + 1) for key, each in value.items()}
        elif name == "items":
            built[name] = _fit(value, in_words, depth + 1)
        else:
            built[name] = value
    if _is_object(schema):
        if not schema.get("properties"):
            raise _InexpressibleError
        built["additionalProperties"] = False
    if words:
        in_words.update(dict.fromkeys(words))
        described = (built.get("description"), dumps(words).decode())
        built["description"] = " ".join(text for text in described if text)
    return built


def _is_object(schema: Schema) -> bool:
    """Tell whether objects fit; closed ones without properties are objects that are empty."""
    kinds = schema.get("type")
    is_object = kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
    if is_object and schema.get("additionalProperties") is False:
        return bool(schema.get("properties"))
    return is_object or "properties" in schema
