"""A function's parameters in the part of JSON Schema that reaches an Ollama model.

Ollama decodes them into a fixed structure: ``$ref``, ``oneOf``, ``allOf`` and
``const`` would vanish, and a boolean schema be refused (recorded). So references
are put in place, and the rest is said in ``anyOf``, ``properties`` and ``enum``.
Knows JSON Schema, and must not know what it is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from gateway.errors import InvalidRequestError
from gateway.serialization import dumps
from gateway.validation.fields import wrong_type, wrong_value

Schema = dict[str, Any]

MAX_DEPTH = 64

_REPLACED = ("$defs", "definitions", "oneOf", "allOf", "const")
_ONE_SCHEMA = ("items", "additionalProperties", "not", "contains", "propertyNames")
_LIST_OF_SCHEMAS = ("anyOf", "prefixItems")
_NAMED_SCHEMAS = ("properties", "patternProperties")
_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "type": ((str, list), "a string or an array of strings"),
    "description": (str, "a string"),
    "enum": (list, "an array"),
    "required": (list, "an array of strings"),
    "properties": (dict, "an object"),
    "patternProperties": (dict, "an object"),
    "anyOf": (list, "an array"),
    "oneOf": (list, "an array"),
    "allOf": (list, "an array"),
    "prefixItems": (list, "an array"),
}


class SchemaBudget:
    """How large the schemas of one request may become: few lines of ``$ref`` can mean gigabytes.

    ``subschemas`` counts every schema made, ``referenced_bytes`` the size of what
    references are replaced with.
    """

    def __init__(self, subschemas: int = 10_000, referenced_bytes: int = 4 * 1024 * 1024) -> None:
        self.subschemas = subschemas
        self.referenced_bytes = referenced_bytes

    def is_exhausted(self) -> bool:
        """Tell whether more was made than is allowed."""
        return self.subschemas < 0 or self.referenced_bytes < 0


def normalize_parameters(parameters: Schema | None, param: str, budget: SchemaBudget) -> Schema:
    """Return ``parameters`` as an object schema without references.

    A schema that refers to itself becomes a plain object at that point. Raises
    ``InvalidRequestError`` for what is not a JSON Schema of an object, refers to
    another document, or is too large.
    """
    if not parameters:
        return {"type": "object", "properties": {}}
    walk = _Walk(parameters, param, budget)
    schema = _merge_variants(walk.normalize(parameters, (), 0))
    if isinstance(schema.get("type"), str) and schema["type"] != "object":
        raise wrong_value(f"{param}.type", f'`{param}.type` must be "object".')
    return {"properties": {}, **schema, "type": "object"}


class _Walk:
    """A walk through one schema, whose root is where references begin."""

    def __init__(self, root: Schema, param: str, budget: SchemaBudget) -> None:
        self.root = root
        self.param = param
        self.budget = budget

    def normalize(self, schema: Any, resolving: tuple[str, ...], depth: int) -> Schema:
        """Return a new schema; ``resolving`` are the references this one stands for."""
        self.budget.subschemas -= 1
        self._check_size(depth)
        if isinstance(schema, bool):
            return {}
        self._check_keywords(schema)
        if "$ref" in schema:
            return self._follow(schema, resolving, depth)

        def normalize_all(schemas: Iterable[Any]) -> list[Schema]:
            return [self.normalize(each, resolving, depth + 1) for each in schemas]

        built = {name: value for name, value in schema.items() if name not in _REPLACED}
        if "oneOf" in schema:
            built["anyOf"] = [*schema.get("anyOf", ()), *schema["oneOf"]]
        if "const" in schema:
            built.setdefault("enum", [schema["const"]])
        for name in _ONE_SCHEMA:
            if isinstance(built.get(name), dict):
                (built[name],) = normalize_all([built[name]])
        for name in _LIST_OF_SCHEMAS:
            if name in built:
                built[name] = normalize_all(built[name])
        for name in _NAMED_SCHEMAS:
            if name in built:
                named = built[name]
                built[name] = dict(zip(named, normalize_all(named.values()), strict=True))
        return _merge(built, normalize_all(schema.get("allOf", ())))

    def _follow(self, schema: Schema, resolving: tuple[str, ...], depth: int) -> Schema:
        reference = schema["$ref"]
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        target = self._resolve(reference)
        if reference in resolving:
            target = {"type": "object"}
        self.budget.referenced_bytes -= self._measure(target)
        resolved = self.normalize(target, (*resolving, reference), depth + 1)
        return _merge(resolved, [self.normalize(beside, resolving, depth + 1)])

    def _resolve(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise self._wrong(f"`{self.param}` holds a `$ref` to another document.")
        found: Any = self.root
        for step in unquote(reference[1:]).split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or key not in found:
                raise self._wrong(f"`{self.param}` holds a `$ref` that leads nowhere.")
            found = found[key]
        return found

    def _measure(self, target: Any) -> int:
        try:
            return len(dumps(target))
        except TypeError:
            raise self._wrong(f"`{self.param}` is nested too deeply.") from None

    def _check_size(self, depth: int) -> None:
        if depth > MAX_DEPTH or self.budget.is_exhausted():
            raise self._wrong(
                f"`{self.param}` is too large once its references are put in place, "
                f"or deeper than {MAX_DEPTH} levels."
            )

    def _check_keywords(self, schema: Any) -> None:
        if not isinstance(schema, dict):
            raise wrong_type(self.param, "made of objects and booleans, as JSON Schema is", schema)
        for name, (kinds, expected) in _KINDS.items():
            if name in schema and not isinstance(schema[name], kinds):
                raise self._wrong(f"`{name}` in `{self.param}` must be {expected}.")
        for name in ("type", "required"):
            value = schema.get(name)
            if isinstance(value, list) and not all(isinstance(each, str) for each in value):
                raise self._wrong(f"`{name}` in `{self.param}` must hold strings only.")

    def _wrong(self, message: str) -> InvalidRequestError:
        return wrong_value(self.param, message)


def _merge(base: Schema, others: list[Schema]) -> Schema:
    """Return one schema that says what all say, as far as one can; later ones win."""
    if not others:
        return base
    merged = dict(base)
    properties = dict(base.get("properties", {}))
    required = dict.fromkeys(base.get("required", ()))
    for other in others:
        merged.update(other)
        properties.update(other.get("properties", {}))
        required.update(dict.fromkeys(other.get("required", ())))
    if "properties" in merged:
        merged["properties"] = properties
    if "required" in merged:
        merged["required"] = list(required)
    return merged


def _merge_variants(schema: Schema) -> Schema:
    """Return a schema that has the properties of its ``anyOf`` as its own.

    At the top Ollama knows no ``anyOf``. Required is what all variants require.
    """
    variants = schema.pop("anyOf", None)
    if not variants:
        return schema
    properties = {
        name: value for variant in variants for name, value in variant.get("properties", {}).items()
    }
    shared = set.intersection(*(set(variant.get("required", ())) for variant in variants))
    required = [name for name in variants[0].get("required", ()) if name in shared]
    return _merge({"properties": properties, "required": required}, [schema])
