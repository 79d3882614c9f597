"""Parameters of functions in the part of JSON Schema that Ollama passes on."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import InvalidRequestError
from gateway.providers.ollama.tool_schema import SchemaBudget, normalize_parameters


def normalize(schema: Any) -> Any:
    return normalize_parameters(schema, "p", SchemaBudget())


def properties(**schemas: Any) -> dict[str, Any]:
    return {"type": "object", "properties": schemas}


def test_references_into_references_are_put_in_place() -> None:
    schema = {
        **properties(home={"$ref": "#/$defs/Address"}),
        "$defs": {
            "Address": properties(city={"$ref": "#/$defs/City"}),
            "City": {"type": "string"},
        },
    }
    assert normalize(schema) == properties(home=properties(city={"type": "string"}))


def test_recursive_schema_is_a_plain_object_where_it_recurs() -> None:
    schema = {
        **properties(root={"$ref": "#/$defs/Node"}),
        "$defs": {"Node": properties(next={"$ref": "#/$defs/Node", "description": "the next"})},
    }
    assert normalize(schema) == properties(
        root=properties(next={"type": "object", "description": "the next"})
    )


def test_schema_that_is_its_own_root_is_finite() -> None:
    assert normalize(properties(child={"$ref": "#"})) == properties(
        child=properties(child={"type": "object"})
    )


def test_pointers_are_unescaped() -> None:
    schema = {**properties(a={"$ref": "#/$defs/x~1y%20z"}), "$defs": {"x/y z": {"type": "null"}}}
    assert normalize(schema) == properties(a={"type": "null"})


def test_all_of_is_merged() -> None:
    schema = properties(
        a={
            "allOf": [
                {"properties": {"x": {"type": "string"}}, "required": ["x"]},
                {"properties": {"y": {"const": 1}}, "required": ["y", "x"]},
            ],
            "description": "both",
        }
    )
    assert normalize(schema) == properties(
        a={
            "properties": {"x": {"type": "string"}, "y": {"enum": [1]}},
            "required": ["x", "y"],
            "description": "both",
        }
    )


def test_variants_at_the_top_become_properties() -> None:
    schema = {
        "oneOf": [
            {"properties": {"a": {"type": "string"}, "c": {}}, "required": ["a", "c"]},
            {"properties": {"b": {"type": "string"}, "c": {}}, "required": ["b", "c"]},
        ]
    }
    assert normalize(schema) == {
        **properties(a={"type": "string"}, c={}, b={"type": "string"}),
        "required": ["c"],
    }


def test_items_and_type_lists_of_properties_are_kept() -> None:
    schema = properties(a={"type": ["array", "null"], "items": {"const": "x"}, "default": []})
    assert normalize(schema) == properties(
        a={"type": ["array", "null"], "items": {"enum": ["x"]}, "default": []}
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        properties(a="string"),
        properties(a={"type": 1}),
        properties(a={"required": True}),
        properties(a={"enum": "x"}),
        properties(a={"description": 1}),
        properties(a={"$ref": "https://example.com/schema.json"}),
        properties(a={"$ref": "#/$defs/missing"}),
        properties(a={"$ref": 1}),
        {"properties": []},
    ],
)
def test_what_is_no_schema_of_an_object_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        normalize(schema)
    assert (caught.value.param or "").startswith("p")


def test_references_that_stand_for_millions_are_refused_at_once() -> None:
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, 40):
        reference = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = properties(a=reference, b=reference)
    schema = {**properties(a={"$ref": "#/$defs/d39"}), "$defs": definitions}
    with pytest.raises(InvalidRequestError, match="too large"):
        normalize(schema)


def test_large_text_behind_many_references_is_refused() -> None:
    schema = {
        **properties(**{f"p{number}": {"$ref": "#/$defs/big"} for number in range(100)}),
        "$defs": {"big": {"description": "x" * 100_000}},
    }
    with pytest.raises(InvalidRequestError, match="too large"):
        normalize(schema)


def test_the_request_is_left_as_it_was() -> None:
    schema = {**properties(a={"$ref": "#/$defs/x"}, b={"oneOf": [{}]}), "$defs": {"x": {}}}
    before = repr(schema)
    normalize(schema)
    assert repr(schema) == before
