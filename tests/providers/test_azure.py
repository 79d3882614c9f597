"""Azure OpenAI: both of its APIs, and what it says when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load_settings
from gateway.config.settings import ProviderSettings, Target
from gateway.errors import (
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    UpstreamError,
)
from gateway.inference.redaction import redact_error
from gateway.providers.azure import Azure
from gateway.types import PassthroughRequest
from tests.recordings import load

AZURE = Azure()
ENDPOINT = "https://unit.openai.azure.com"
CLASSIC = {"AZURE_OPENAI_API_VERSION": "2024-10-21"}


def settings(tmp_path: Path, **environ: str) -> ProviderSettings:
    given = {"AZURE_OPENAI_ENDPOINT": ENDPOINT, **environ}
    return load_settings(given, tmp_path).providers["azure"]


def build(provider: ProviderSettings, model: str, **fields: Any) -> tuple[str, Any]:
    request = {"model": "m", "messages": [], **fields}
    call = AZURE.build_chat(request, Target(provider, model, "m"), None)
    return call.requests[0].path, json.loads(call.requests[0].body or b"")


def test_without_a_version_it_is_the_v1_api_with_the_deployment_as_model(tmp_path: Path) -> None:
    provider = settings(tmp_path, AZURE_OPENAI_API_KEY="k" * 20)
    assert provider.base_url == f"{ENDPOINT}/openai/v1"
    assert (provider.query, provider.api_keys) == ("", ("k" * 20,))
    path, body = build(provider, "my-gpt", stream=True)
    assert path == "/chat/completions"
    assert body["model"] == "my-gpt"
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("endpoint", [ENDPOINT, f"{ENDPOINT}/", f"{ENDPOINT}/openai"])
def test_with_a_version_the_deployment_is_in_the_path_quoted(tmp_path: Path, endpoint: str) -> None:
    provider = settings(tmp_path, **CLASSIC, AZURE_OPENAI_ENDPOINT=endpoint)
    assert (provider.base_url, provider.query) == (
        f"{ENDPOINT}/openai",
        "api-version=2024-10-21",
    )
    assert build(provider, "a/../b?c d")[0] == ("/deployments/a%2F..%2Fb%3Fc%20d/chat/completions")
    embeddings = AZURE.build_embeddings({"model": "m", "input": "a"}, Target(provider, "e", "m"))
    assert embeddings.request.path == "/deployments/e/embeddings"


@pytest.mark.parametrize("path", ["/openai/v1", "/models"])
def test_an_address_with_another_path_is_taken_as_it_is(tmp_path: Path, path: str) -> None:
    provider = settings(tmp_path, **CLASSIC, AZURE_OPENAI_ENDPOINT=ENDPOINT + path)
    assert provider.base_url == ENDPOINT + path
    assert build(provider, "d")[0] == "/chat/completions"


def test_other_operations_are_under_the_deployment_too(tmp_path: Path) -> None:
    request = PassthroughRequest("/audio/speech", "m", "application/json", str.encode, 1)
    target = Target(settings(tmp_path, **CLASSIC), "tts", "m")
    sent = AZURE.build_passthrough(request, target)
    assert sent is not None
    assert (sent.path, sent.body) == ("/deployments/tts/audio/speech", b"tts")


def test_an_old_version_is_not_asked_for_usage(tmp_path: Path) -> None:
    old = settings(tmp_path, AZURE_OPENAI_API_VERSION="2024-02-01")
    assert "stream_options" not in build(old, "d", stream=True)[1]
    preview = settings(tmp_path, AZURE_OPENAI_API_VERSION="2024-12-01-preview")
    assert "stream_options" in build(preview, "d", stream=True)[1]


def test_a_key_is_a_header_of_azures_and_an_entra_token_wins_over_it(tmp_path: Path) -> None:
    assert AZURE.build_headers("secret") == {"api-key": "secret"}
    assert AZURE.build_headers(None) == {}
    provider = settings(
        tmp_path, AZURE_OPENAI_API_KEY="key-0123456789", AZURE_OPENAI_AD_TOKEN="token-0123456789"
    )
    assert provider.headers == {"Authorization": "Bearer token-0123456789"}
    assert provider.api_keys == ()
    error = redact_error(UpstreamError("no token-0123456789"), provider)
    assert "token-0123456789" not in error.message


@pytest.mark.parametrize("version", ["2024", "latest?x", "2024-10-21&a=b", "../x"])
def test_a_version_that_is_none_stops_the_start(tmp_path: Path, version: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a version; write"):
        settings(tmp_path, AZURE_OPENAI_API_VERSION=version)


def test_reasoning_of_earlier_turns_is_left_out() -> None:
    provider = ProviderSettings("azure", "azure", f"{ENDPOINT}/openai/v1")
    message = {"role": "assistant", "content": "a", "reasoning_content": "Hm."}
    _, body = build(provider, "d", messages=[message, "x"])
    assert body["messages"] == [{"role": "assistant", "content": "a"}, "x"]


def parse(name: str, **headers: str) -> Any:
    recording = load("azure-openai", name)
    target = Target(ProviderSettings("azure", "azure", f"{ENDPOINT}/openai"), "d", "d")
    sent = {**recording.headers, **headers}
    return AZURE.parse_error(recording.status, sent, recording.body, target)


def test_a_filtered_prompt_is_a_bad_request_with_its_code() -> None:
    error = parse("error-400-content-filter-violence")
    assert isinstance(error, InvalidRequestError)
    assert (error.code, error.param, error.type) == (
        "content_filter",
        "prompt",
        "invalid_request_error",
    )


@pytest.mark.parametrize("name", ["innererror", "inner_error"])
def test_a_filter_that_only_the_inner_error_names_has_its_code_too(name: str) -> None:
    body = {"error": {"message": "a", name: {"code": "ResponsibleAIPolicyViolation"}}}
    target = Target(ProviderSettings("azure", "azure", ENDPOINT), "d", "d")
    assert AZURE.parse_error(400, {}, json.dumps(body).encode(), target).code == "content_filter"


def test_a_deployment_there_is_not_is_a_model_not_found() -> None:
    error = parse("error-404-deploymentnotfound-the-api-deployment-for-this-resource-does-no")
    assert isinstance(error, NotFoundError)
    assert (error.code, error.param) == ("model_not_found", "model")


@pytest.mark.parametrize("message", ["Resource not found", "No such thing"])
def test_a_path_there_is_not_is_a_wrong_address(message: str) -> None:
    body = json.dumps({"error": {"code": "404", "message": message}}).encode()
    target = Target(ProviderSettings("azure", "azure", ENDPOINT), "d", "d")
    error = AZURE.parse_error(404, {}, body, target)
    assert type(error) is UpstreamError
    assert error.should_retry is False


@pytest.mark.parametrize(
    "name",
    [
        "error-401-access-denied-due-to-invalid-subscription-ke",
        "embeddings-error-401-access-denied-due-to-invalid-subscription-ke",
    ],
)
def test_a_refused_key_is_a_502_that_quotes_nothing(name: str) -> None:
    error = parse(name)
    assert type(error) is UpstreamError
    assert error.message == "The provider refused the gateway's credentials (HTTP 401)."


def test_of_two_waits_the_longer_counts() -> None:
    body = json.dumps({"error": {"code": "RateLimitReached", "message": "Slow down."}}).encode()
    target = Target(ProviderSettings("azure", "azure", ENDPOINT), "d", "d")
    error = AZURE.parse_error(429, {"retry-after": "1", "retry-after-ms": "0"}, body, target)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 1.0
