"""Gemini's and Vertex's lists of models, and how their keys are sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.providers.gemini import Gemini, Vertex
from gateway.types import ModelInfo

CHATTING = ["generateContent", "countTokens"]
SEES = {"completion", "tools", "vision", "audio", "json_schema"}


def _parse(*models: Any) -> list[ModelInfo]:
    return Gemini().parse_model_list(json.dumps({"models": list(models)}).encode())


def test_models_are_asked_for_in_large_pages() -> None:
    assert Gemini().build_model_list()[:2] == ("GET", "/models?pageSize=1000")
    assert Vertex().build_model_list().path == "/publishers/google/models?pageSize=1000"


@pytest.mark.parametrize(
    ("model", "name", "capabilities"),
    [
        (
            {
                "name": "models/gemini-2.5-pro",
                "supportedGenerationMethods": CHATTING,
                "thinking": True,
            },
            "gemini-2.5-pro",
            SEES | {"thinking"},
        ),
        (
            {"name": "models/gemini-2.0-flash", "supportedGenerationMethods": CHATTING},
            "gemini-2.0-flash",
            SEES,
        ),
        (
            {"name": "models/gemini-3.5-flash", "supportedGenerationMethods": CHATTING},
            "gemini-3.5-flash",
            SEES | {"thinking"},
        ),
        ({"name": "models/gemma-3-4b", "supportedGenerationMethods": CHATTING}, "gemma-3-4b", None),
        (
            {"name": "models/gemini-2.5-flash-image", "supportedGenerationMethods": CHATTING},
            "gemini-2.5-flash-image",
            None,
        ),
        (
            {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]},
            "gemini-embedding-001",
            {"embedding"},
        ),
        ({"name": "tunedModels/mine"}, "tunedModels/mine", None),
    ],
)
def test_model_is_named_as_it_is_asked_for(
    model: Any, name: str, capabilities: set[str] | None
) -> None:
    (info,) = _parse({**model, "inputTokenLimit": 1000})
    assert (info.id, info.capabilities) == (name, capabilities)
    assert (info.context_length, info.owned_by) == (1000, "google")


def test_models_of_vertex() -> None:
    listed = {"publisherModels": [{"name": "publishers/google/models/gemini-2.5-pro"}]}
    models = Vertex().parse_model_list(json.dumps(listed).encode())
    assert [each.id for each in models] == ["gemini-2.5-pro"]
    for name in ("gemini-2.5-pro", "google/gemini-2.5-pro"):
        assert Vertex().find_model(models, name) == models[0]


def test_model_is_found_with_its_collection_and_without() -> None:
    models = _parse({"name": "models/a"}, {"name": ""}, 3)
    assert [each.id for each in models] == ["a"]
    assert Gemini().find_model(models, "models/a") == models[0]
    assert Gemini().find_model(models, "b") is None


@pytest.mark.parametrize("body", [b"x", b"[]", b'{"models":3}'])
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        Gemini().parse_model_list(body)


def test_key_and_token_have_headers_of_their_own() -> None:
    for provider in (Gemini(), Vertex()):
        assert provider.build_headers("AIza1") == {"x-goog-api-key": "AIza1"}
        assert provider.build_headers("Bearer ya29") == {"Authorization": "Bearer ya29"}
        assert provider.build_headers(None) == {}
