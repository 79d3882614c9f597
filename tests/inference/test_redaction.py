"""What an upstream says of itself that no client may see."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.settings import ProviderSettings
from gateway.errors import InvalidRequestError, RateLimitError, UpstreamError
from gateway.inference.redaction import redact, redact_error


def provider(**settings: Any) -> ProviderSettings:
    defaults = {"base_url": "http://models.corp.example:11434", "api_keys": ("my-key-1234",)}
    return ProviderSettings("test", "openai", **{**defaults, **settings})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key my-key-1234 is wrong", "key [redacted] is wrong"),
        ("Incorrect API key provided: sk-abcd****wxyz.", "Incorrect API key provided: [redacted]"),
        ("sk-proj-A1b2_C3d4-E5f6 and gsk_12345678abc", "[redacted] and [redacted]"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "[redacted]"),
        ("hf_abcdefghijk xai-abcdefghij", "[redacted] [redacted]"),
        (
            'Post "http://models.corp.example:11434/api/chat": EOF',
            'Post "[address]": EOF',
        ),
        ("https://models.corp.example/x?y=1 failed", "[address] failed"),
        (
            "lookup models.corp.example on 10.0.0.2:53: no such host",
            "lookup [address] on [address]: no such host",
        ),
        (
            "dial tcp 192.168.1.20:8080: connection refused",
            "dial tcp [address]: connection refused",
        ),
        ("dial tcp [::1]:11434: connection refused", "dial tcp [address]: connection refused"),
        ("peer [fe80::1] reset", "peer [address] reset"),
    ],
)
def test_secrets_and_addresses_are_taken_out(text: str, shown: str) -> None:
    assert redact(text, provider()) == shown


@pytest.mark.parametrize(
    "text",
    [
        "See https://platform.openai.com/docs/guides/error-codes for more.",
        "Use model llama3.2:1b at temperature 0.5, not v1.2.3.",
        "task-based routing is on",
        'model "tiny" not found, try pulling it first',
        "",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert redact(text, provider()) == text


def test_words_of_a_message_are_not_taken_for_a_host_without_dots() -> None:
    settings = provider(base_url="http://ollama:11434")
    text = "ollama at ollama:11434 failed: http://ollama:11434/api"
    assert redact(text, settings) == "ollama at [address] failed: [address]"


def test_configured_headers_are_taken_out_with_and_without_their_scheme() -> None:
    settings = provider(api_keys=(), headers={"Authorization": "Bearer top-secret", "X": "abc"})
    text = "got Bearer top-secret, that is top-secret; abc"
    assert redact(text, settings) == "got Bearer [redacted], that is [redacted]; abc"


def test_key_that_is_a_part_of_another_leaves_nothing_of_it() -> None:
    settings = provider(api_keys=("abcd", "abcd-efgh"))
    assert redact("abcd-efgh abcd", settings) == "[redacted] [redacted]"


def test_error_keeps_all_but_its_words() -> None:
    error = UpstreamError("my-key-1234", param="p", code="c", should_retry=False)
    assert redact_error(error, provider()) is error
    assert (error.message, str(error), error.args) == ("[redacted]", "[redacted]", ("[redacted]",))
    assert (error.param, error.code, error.should_retry) == ("p", "c", False)


@pytest.mark.parametrize("secret", ["sk-UPSTREAMSECRET1234567890", "10.0.0.7:11434", "two words\n"])
def test_fields_of_an_error_hold_names_only(secret: str) -> None:
    error = RateLimitError("Slow down.", type=secret, param=secret, code=secret)
    redact_error(error, provider())
    assert (error.type, error.param, error.code) == ("requests", None, "rate_limit_exceeded")


def test_names_in_an_error_stay() -> None:
    error = InvalidRequestError("No.", param="messages[0].content[1].image_url", code="too-long_1")
    redact_error(error, provider())
    assert (error.param, error.code) == ("messages[0].content[1].image_url", "too-long_1")


def test_what_requests_are_signed_with_is_taken_out() -> None:
    signing = provider(
        access_key_id="AKIAIOSFODNN7", secret_access_key="wJalrXUtnFEMI", session_token="IQoJb3Jp"
    )
    assert redact("AKIAIOSFODNN7 wJalrXUtnFEMI IQoJb3Jp", signing) == " ".join(["[redacted]"] * 3)
