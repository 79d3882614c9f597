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


FORMATS = frozenset(
    {
        "date-time",
        "time",
        "date",
        "duration",
        "email",
        "hostname",
        "uri",
        "ipv4",
        "ipv6",
        "uuid",
    }
)
"""The formats of texts that it can be held to (anthropic-python 2.14)."""

MAX_OPTIONAL = 24
MAX_UNIONS = 16
"""Optional properties and properties of several types in all strict schemas of a request."""


class FitSchema(NamedTuple):
    """``in_words`` names the keywords that only the model's good will keeps.

    ``optional`` and ``unions`` count what Anthropic limits (``MAX_OPTIONAL``, ``MAX_UNIONS``).
    """

    schema: Schema
    in_words: list[str]
    optional: int
    unions: int


def fit_schema(schema: Schema) -> FitSchema | None:
    """Return a schema that Anthropic takes; None where what is asked can't be said with one."""
    walk = _Walk()
    try:
        fit = walk.fit(schema, 0)
    except _InexpressibleError:
        return None
    if _refers_to_itself(schema) or walk.optional > MAX_OPTIONAL or walk.unions > MAX_UNIONS:
        return None
    return FitSchema(fit, list(walk.in_words), walk.optional, walk.unions)


class _InexpressibleError(Exception):
    """A schema that can't be made fit."""


class _Walk:
    """A walk through one schema, and what is noted on it."""

    def __init__(self) -> None:
        self.in_words: dict[str, None] = {}
        self.optional = 0
        self.unions = 0

    def fit(self, schema: Any, depth: int) -> Schema:
        """Return a new schema."""
        _check(schema, depth)
        built: Schema = {}
        words: Schema = {}
        for name, value in schema.items():
            if _has_to_be_said(name, value):
                words[name] = value
            elif name in _LISTS and isinstance(value, list):
                kept = "anyOf" if name == "oneOf" else name
                built[kept] = [self.fit(each, depth + 1) for each in value]
            elif name in _NAMED and isinstance(value, dict):
                built[name] = {key: self.fit(each, depth + 1) for key, each in value.items()}
            elif name == "items":
                built[name] = self.fit(value, depth + 1)
            else:
                built[name] = value
        if _is_object(schema):
            if not schema.get("properties"):
                raise _InexpressibleError
            built["additionalProperties"] = False
            self.optional += len(schema["properties"].keys() - set(_names(schema, "required")))
        self.unions += "anyOf" in built or isinstance(schema.get("type"), list)
        if words:
            self.in_words.update(dict.fromkeys(words))
            described = (built.get("description"), dumps(words).decode())
            built["description"] = " ".join(text for text in described if isinstance(text, str))
        return built


def _check(schema: Any, depth: int) -> None:
    """Raise for what has no fit form.

    Of several schemas that hold at once none can be closed by itself.
    """
    if not isinstance(schema, dict) or depth > MAX_DEPTH or schema.keys() & _INEXPRESSIBLE:
        raise _InexpressibleError
    combined = [name for name in _LISTS if name in schema]
    if len(combined) > 1 or (combined and "properties" in schema):
        raise _InexpressibleError
    if "allOf" in schema and isinstance(schema["allOf"], list) and len(schema["allOf"]) > 1:
        raise _InexpressibleError
    if not isinstance(schema.get("properties", {}), dict):
        raise _InexpressibleError


def _has_to_be_said(name: str, value: Any) -> bool:
    """Tell whether a keyword can only be told in words."""
    if name == "format":
        return isinstance(value, str) and value not in FORMATS
    if name == "minItems" and value in (0, 1):
        return False
    if name in _IN_WORDS or name == "minItems":
        if not isinstance(value, int | float):
            raise _InexpressibleError
        return True
    return False


def _names(schema: Schema, name: str) -> list[str]:
    value = schema.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _refers_to_itself(schema: Schema) -> bool:
    """Tell whether a definition holds itself, directly or by others, or the whole does."""
    definitions = {
        f"#/{name}/{key}": value
        for name in ("$defs", "definitions")
        if isinstance(schema.get(name), dict)
        for key, value in schema[name].items()
    }
    references = {name: _references(value) for name, value in definitions.items()}
    if "#" in _references(schema):
        return True
    reached = {name: set(found) for name, found in references.items()}
    for name in reached:
        waiting = list(reached[name])
        while waiting:
            more = references.get(waiting.pop(), set()) - reached[name]
            reached[name] |= more
            waiting += more
    return any(name in found for name, found in reached.items())


def _references(schema: Any) -> set[str]:
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                found.add(reference)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found


def _is_object(schema: Schema) -> bool:
    """Tell whether objects fit; closed ones without properties are objects that are empty."""
    kinds = schema.get("type")
    is_object = kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
    if is_object and schema.get("additionalProperties") is False:
        return bool(schema.get("properties"))
    return is_object or "properties" in schema
