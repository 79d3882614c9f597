"""Models as Ollama lists and describes them."""

from __future__ import annotations

import orjson
import pytest

from gateway.errors import UpstreamError
from gateway.providers.ollama import Ollama
from tests import recordings


def test_recorded_list_tells_names_capabilities_and_context() -> None:
    models = Ollama().parse_model_list(recordings.load("ollama", "tags").body)
    (tiny,) = [model for model in models if model.id == "tiny-tools:latest"]
    assert tiny.capabilities == frozenset({"completion", "tools"})
    assert (tiny.context_length, tiny.owned_by, tiny.created) == (4096, "library", 1795445283)


def test_recorded_description_tells_the_same() -> None:
    recording = recordings.load("ollama", "show-think")
    model = Ollama().parse_model_info("tiny-think", recording.body)
    assert model.id == "tiny-think"
    assert model.capabilities == frozenset({"completion", "thinking"})
    assert (model.context_length, model.created) == (4096, 1795445283)


def test_requests_for_models_generate_nothing() -> None:
    assert Ollama().build_model_list()[:3] == ("GET", "/api/tags", None)
    request = Ollama().build_model_info("../a?b")
    assert (request.method, request.path) == ("POST", "/api/show")
    assert orjson.loads(request.body or b"") == {"model": "../a?b"}


@pytest.mark.parametrize(
    ("name", "owner"),
    [("a:7b", "library"), ("ns/a", "ns"), ("hf.co/user/a:Q4", "user"), ("/a", "library")],
)
def test_owner_is_the_namespace(name: str, owner: str) -> None:
    (model,) = Ollama().parse_model_list(orjson.dumps({"models": [{"name": name}]}))
    assert model.owned_by == owner


@pytest.mark.parametrize(
    ("modified_at", "created"),
    [
        ("2026-01-01T00:00:00.123456789Z", 1767225600),
        ("2026-01-01T02:00:00+02:00", 1767225600),
        ("0001-01-01T00:00:00Z", 0),
        ("yesterday", 0),
        (None, 0),
        (5, 0),
    ],
)
def test_created_is_in_unix_seconds(modified_at: object, created: int) -> None:
    listed = orjson.dumps({"models": [{"name": "a", "modified_at": modified_at}]})
    (model,) = Ollama().parse_model_list(listed)
    assert model.created == created


def test_model_of_an_old_server_has_unknown_capabilities() -> None:
    (model,) = Ollama().parse_model_list(b'{"models":[{"name":"a"},{"name":""},{},1]}')
    assert (model.capabilities, model.context_length) == (None, None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"models":"a"}'])
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        Ollama().parse_model_list(body)
