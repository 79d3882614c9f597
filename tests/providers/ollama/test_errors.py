"""Ollama's errors in OpenAI's terms, by the texts of its versions."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.providers.ollama import Ollama
from tests.providers.ollama.asking import read_until_error, target


def parse(status: int, message: Any, **headers: str) -> GatewayError:
    return Ollama().parse_error(status, headers, orjson.dumps({"error": message}), target())


@pytest.mark.parametrize(
    ("status", "message", "expected_status", "param", "code"),
    [
        (404, "model 'tiny' not found", 404, "model", "model_not_found"),
        (404, 'model "tiny" not found, try pulling it first', 404, "model", "model_not_found"),
        (400, "invalid model name", 404, "model", "model_not_found"),
        (400, "model is required", 400, "model", None),
        (400, "missing request body", 400, None, None),
        (400, "top_logprobs must be between 0 and 20", 400, "top_logprobs", "invalid_value"),
        (400, "x does not support insert", 400, "suffix", "unsupported_parameter"),
        (400, '"x" does not support chat', 400, "model", "unsupported_value"),
        (400, '"x" does not support generate', 400, "model", "unsupported_value"),
        (501, "this model does not support embeddings", 400, "model", "unsupported_value"),
        (
            500,
            "Failed to create new sequence: failed to process inputs: image: unknown format",
            400,
            "messages",
            "invalid_value",
        ),
        (
            400,
            "the prompt is longer than the context length currently available",
            400,
            None,
            "context_length_exceeded",
        ),
        (
            400,
            "input length (9 tokens) exceeds the model's maximum context length (8 tokens)",
            400,
            None,
            "context_length_exceeded",
        ),
        (499, "request canceled", 502, None, "upstream_error"),
        (
            500,
            "model requires more system memory (8.0 GiB) than is available (4.0 GiB)",
            503,
            None,
            "service_unavailable",
        ),
        (
            500,
            "timed out waiting for llama-server to start - progress 0.5",
            504,
            None,
            "upstream_timeout",
        ),
        (500, "llama runner process has terminated: exit 2", 502, None, "upstream_error"),
        (500, "model failed to load, this may be due to resource limits", 502, None, None),
        (500, "model runner has unexpectedly stopped, this may be due to", 502, None, None),
        (500, "failed to parse JSON: invalid character 'x'", 502, None, "upstream_error"),
        (500, 'template: :1:2: executing "" at <.X>: nil', 502, None, "upstream_error"),
        (500, "prediction aborted, token repeat limit reached", 502, None, "upstream_error"),
        (500, "something new", 502, None, "upstream_error"),
        (401, "unauthorized", 502, None, "upstream_error"),
        (403, "cloud is disabled", 502, None, "upstream_error"),
        (429, "slow down", 429, None, "rate_limit_exceeded"),
        (502, "dial tcp 10.0.0.7:443", 502, None, "upstream_error"),
        (413, "too big", 413, None, "request_too_large"),
        (504, "too slow", 504, None, "upstream_timeout"),
        (500, {"message": "out of memory"}, 503, None, "service_unavailable"),
        (500, 5, 502, None, "upstream_error"),
    ],
)
def test_errors_have_true_statuses_and_leak_nothing(
    status: int, message: Any, expected_status: int, param: str | None, code: str | None
) -> None:
    error = parse(status, message)
    expected_code = code or ("upstream_error" if expected_status == 502 else None)
    assert (error.status, error.param, error.code) == (expected_status, param, expected_code)
    for secret in ("10.0.0.7", "<.X>", "llama", "tiny", "dial"):
        assert secret not in error.message


@pytest.mark.parametrize(
    "message",
    [
        "model requires more system memory (8.0 GiB) than is available (4.0 GiB)",
        "failed to parse JSON: invalid character 'x'",
        "template: :1:2: nil",
    ],
)
def test_lasting_failures_say_that_asking_again_is_no_use(message: str) -> None:
    assert parse(500, message).should_retry is False


def test_wait_that_the_upstream_asks_for_is_passed_on() -> None:
    assert parse(429, "slow", **{"Retry-After": "7"}).retry_after == 7
    assert parse(503, "busy", **{"retry-after": "3"}).retry_after == 3
    assert parse(503, "busy").retry_after == 1


@pytest.mark.parametrize(
    ("message", "quoted"),
    [
        ("images are not allowed with tiny", ": images are not allowed with the model."),
        ("registry.ollama.ai/library/tiny:latest is odd", ": the model is odd."),
        ("open /root/.ollama/models: denied", "."),
        ("dial tcp 10.0.0.7:443 refused", "."),
        ("json: value of type api.ChatRequest", "."),
        ("<html>", "."),
        ("x" * 1000, "."),
    ],
)
def test_unknown_refusal_is_quoted_only_where_it_is_harmless(message: str, quoted: str) -> None:
    assert parse(400, message).message == f"The provider `local` refused the request{quoted}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("error"), inner),
    max_leaves=8,
)


@given(st.integers(300, 599), st.binary() | json_values.map(lambda value: _dump(value)))
def test_no_error_body_crashes_the_parser(status: int, body: bytes) -> None:
    error = Ollama().parse_error(status, {}, body, target())
    assert 400 <= error.status < 600
    assert error.message


@given(st.lists(st.binary() | json_values.map(lambda value: _dump(value)), max_size=4))
def test_no_stream_ends_in_anything_but_an_answer_or_an_error(pieces: list[bytes]) -> None:
    chunks, error = read_until_error(b"".join(piece + b"\n" for piece in pieces))
    assert chunks == []
    assert error.status >= 400


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        return b"{}"
