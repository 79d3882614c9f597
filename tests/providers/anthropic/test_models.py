"""Anthropic's list of models, and which of them a name means."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.errors import InvalidRequestError, UpstreamError
from gateway.providers.anthropic import Anthropic
from gateway.types import ModelInfo
from tests.providers.anthropic.asking import target

PROVIDER = Anthropic()
MODELS = [
    ModelInfo("claude-haiku-4-5-20251001", created=2),
    ModelInfo("claude-haiku-4-5-20250101", created=1),
    ModelInfo("claude-opus-5", created=3),
]


def listed(*models: dict[str, Any], **fields: Any) -> list[ModelInfo]:
    return PROVIDER.parse_model_list(orjson.dumps({"data": list(models), **fields}))


def test_the_list_is_asked_for_in_large_pages() -> None:
    assert PROVIDER.build_model_list().path == "/v1/models?limit=1000"


def test_a_model_is_described_by_what_the_list_tells() -> None:
    model = {
        "type": "model",
        "id": "claude-opus-5",
        "created_at": "2026-07-01T00:00:00Z",
        "max_input_tokens": 1_000_000,
        "capabilities": {
            "image_input": {"supported": True},
            "structured_outputs": {"supported": False},
            "thinking": {"supported": True, "types": {}},
        },
    }
    assert listed(model) == [
        ModelInfo(
            "claude-opus-5",
            1782864000,
            "anthropic",
            frozenset({"completion", "tools", "vision", "thinking"}),
            1_000_000,
        )
    ]


def test_a_list_that_tells_little_is_read_all_the_same() -> None:
    models = listed({"id": "a"}, {"id": ""}, {"name": "b"}, {"id": "c", "lifecycle": "retired"})
    assert models == [ModelInfo("a", owned_by="anthropic")]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": 5}', b"<html>"])
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        PROVIDER.parse_model_list(body)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("claude-opus-5", "claude-opus-5"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-latest", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-20250101", "claude-haiku-4-5-20250101"),
        ("claude-haiku-4-5-20240101", None),
        ("claude-opus", None),
    ],
)
def test_which_model_a_name_means(name: str, found: str | None) -> None:
    model = PROVIDER.find_model(MODELS, name)
    assert (model.id if model else None) == found


def test_there_are_no_embeddings() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        PROVIDER.build_embeddings({"model": "m", "input": "a"}, target())
    assert caught.value.param == "model"


def test_the_key_and_the_version_are_headers() -> None:
    assert PROVIDER.build_headers("k") == {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    assert PROVIDER.build_headers(None) == {"anthropic-version": "2023-06-01"}
