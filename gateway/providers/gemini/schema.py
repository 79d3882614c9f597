"""A JSON Schema as Gemini's ``parametersJsonSchema`` and ``responseJsonSchema`` take it.

They take plain JSON Schema, but know neither ``const`` nor ``allOf``, and take
``oneOf`` for ``anyOf`` (Google's documentation of structured output). What those say
is said in other words. Knows JSON Schema, and must not know what it is for.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import InvalidRequestError
from gateway.validation.fields import wrong_value

MAX_DEPTH = 64

_LEFT_OUT = frozenset({"$schema", "$comment", "strict"})
_ONE_SCHEMA = ("items", "additionalProperties", "not", "contains", "propertyNames")
_LISTS = ("anyOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")


def clean_schema(schema: Any, param: str, depth: int = 0) -> Any:
    """Return a schema in Gemini's words; raises ``InvalidRequestError`` where it is too deep."""
    if depth > MAX_DEPTH:
        raise _too_deep(param)
    if not isinstance(schema, dict):
        return schema

    def clean(inner: Any) -> Any:
        return clean_schema(inner, param, depth + 1)

    cleaned = {name: value for name, value in schema.items() if name not in _LEFT_OUT}
    if "const" in cleaned:
        cleaned.setdefault("enum", [cleaned.pop("const")])
        cleaned.pop("const", None)
    if isinstance(cleaned.get("oneOf"), list):
        others = cleaned.get("anyOf")
        cleaned["anyOf"] = [*(others if isinstance(others, list) else ()), *cleaned.pop("oneOf")]
    for name in _ONE_SCHEMA:
        if name in cleaned:
            cleaned[name] = clean(cleaned[name])
    for name in _LISTS:
        if isinstance(cleaned.get(name), list):
            cleaned[name] = [clean(each) for each in cleaned[name]]
    for name in _NAMED:
        if isinstance(cleaned.get(name), dict):
            cleaned[name] = {key: clean(value) for key, value in cleaned[name].items()}
    if isinstance(cleaned.get("allOf"), list):
        cleaned = _merge(cleaned, [clean(each) for each in cleaned.pop("allOf")])
    return cleaned


def _merge(base: dict[str, Any], others: list[Any]) -> dict[str, Any]:
    """Return one schema that says what all say, as far as one can; later ones win."""
    merged = dict(base)
    properties: dict[str, Any] = {}
    required: dict[str, None] = {}
    for each in (base, *others):
        if not isinstance(each, dict):
            continue
        merged.update(each)
        if isinstance(each.get("properties"), dict):
            properties.update(each["properties"])
        if isinstance(each.get("required"), list):
            required.update((name, None) for name in each["required"] if isinstance(name, str))
    if properties:
        merged["properties"] = properties
    if required:
        merged["required"] = list(required)
    return merged


def _too_deep(param: str) -> InvalidRequestError:
    return wrong_value(param, f"`{param}` is deeper than {MAX_DEPTH} levels.")
