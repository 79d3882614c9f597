"""The API's description: everybody may read it, and nothing is missing from it."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def description(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    return dict(answer.get_json())


def test_every_route_is_described(app: Flask, client: FlaskClient) -> None:
    described = description(client)
    assert described["openapi"].startswith("3.1")
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in METHODS:
            if method in (rule.methods or ()):
                operation = described["paths"][path][method.lower()]
                assert operation["summary"], path
                assert operation["responses"]
                named = [each["name"] for each in operation.get("parameters", ())]
                assert set(re.findall(r"{(\w+)}", path)) <= set(named)


def test_operations_have_names_of_their_own(client: FlaskClient) -> None:
    names = [
        operation["operationId"]
        for operations in description(client)["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))


def test_the_fields_of_a_key_are_described_with_their_rules(client: FlaskClient) -> None:
    operation = description(client)["paths"]["/admin/keys"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["name"]
    assert schema["properties"]["role"]["enum"] == ["user", "admin"]
    assert schema["properties"]["budget"]["type"] == ["object", "null"]
    assert schema["properties"]["max_concurrency"]["minimum"] == 1
    assert "201" in operation["responses"]
    assert operation["security"] == [{"key": []}]


def test_a_change_requires_no_field(client: FlaskClient) -> None:
    operation = description(client)["paths"]["/admin/keys/{key_id}"]["patch"]
    assert "required" not in operation["requestBody"]["content"]["application/json"]["schema"]


def test_what_needs_no_key_says_so(client: FlaskClient) -> None:
    paths = description(client)["paths"]
    assert paths["/health"]["get"]["security"] == []
    assert paths["/v1/models"]["get"]["security"] == [{"key": []}]
