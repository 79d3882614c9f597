"""Which models Ollama has in memory, and having it load one."""

from __future__ import annotations

import orjson
import pytest

from gateway.config.settings import ModelSettings, ProviderSettings, Target
from gateway.errors import UpstreamError
from gateway.providers import get_provider
from gateway.providers.ollama import Ollama
from tests import recordings


def target(provider: ProviderSettings) -> Target:
    return Target(provider, "tiny", "tiny")


def test_recorded_list_tells_the_loaded_models() -> None:
    loaded = Ollama().parse_loaded_models(recordings.load("ollama", "ps").body)
    assert loaded == {"tiny:latest", "tiny-think:latest", "tiny-loop:latest"}


def test_asking_for_the_loaded_models_loads_none() -> None:
    assert Ollama().build_loaded_models()[:3] == ("GET", "/api/ps", None)


@pytest.mark.parametrize("body", [b'{"models": null}', b'{"models": []}', b"{}"])
def test_no_model_is_loaded(body: bytes) -> None:
    assert Ollama().parse_loaded_models(body) == frozenset()


def test_what_has_no_name_is_left_out() -> None:
    body = orjson.dumps({"models": [{"name": "a:1"}, {"name": ""}, {"name": 1}, {}, None, "b"]})
    assert Ollama().parse_loaded_models(body) == {"a:1"}


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"models": {"a": 1}}', b'{"models": 1}'])
def test_what_is_no_list_is_an_error_of_the_provider(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        Ollama().parse_loaded_models(body)


def test_loading_is_the_recorded_request() -> None:
    request = Ollama().build_warm(target(ProviderSettings("ollama", "ollama", "http://o")))
    recording = recordings.load("ollama", "load")
    assert (request.method, request.path) == ("POST", recording.request["path"])
    assert orjson.loads(request.body or b"") == {**recording.request["body"], "stream": False}


def test_a_model_is_loaded_with_the_context_it_is_asked_with() -> None:
    provider = ProviderSettings("ollama", "ollama", "http://o", num_ctx=8192)
    body = orjson.loads(Ollama().build_warm(target(provider)).body or b"")
    assert body["options"] == {"num_ctx": 8192}
    own = ProviderSettings("ollama", "ollama", "http://o", models={"tiny": ModelSettings(512)})
    body = orjson.loads(Ollama().build_warm(target(own)).body or b"")
    assert body["options"] == {"num_ctx": 512}


@pytest.mark.parametrize("kind", ["openai", "demo"])
def test_others_load_nothing(kind: str) -> None:
    provider = get_provider(kind)
    assert provider.build_loaded_models() is None
    assert provider.build_warm(target(ProviderSettings(kind, kind, "http://o"))) is None
