"""Anthropic's errors in OpenAI's terms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from gateway.providers.anthropic import Anthropic
from gateway.providers.anthropic.errors import STATUSES, build_stream_error
from tests.providers.anthropic.asking import target
from tests.recordings import load, names

UNKNOWN_IN_A_COUNT = "count-tokens-error-404-not-found-error-model-claude-does-not-exist"
INVALID = "invalid_request_error"
TOO_LONG = "context_length_exceeded"
ERRORS = [name for name in names("anthropic") if load("anthropic", name).status != 200]


def told(status: int, kind: str = "", message: str = "", headers: Any = None) -> Any:
    body = orjson.dumps({"type": "error", "error": {"type": kind, "message": message}})
    return Anthropic().parse_error(status, headers or {}, body, target())


@pytest.mark.parametrize(
    ("name", "status", "code", "param"),
    [
        (UNKNOWN_IN_A_COUNT, 404, "model_not_found", "model"),
        ("error-400-output-config-format-schema-for-object-type", 400, None, "response_format"),
        ("error-400-output-config-format-schema-for-object-type-2", 400, None, "response_format"),
        ("error-401-authentication-error-invalid-x-api-key", 502, "upstream_error", None),
        ("error-404-not-found-error-model-bad-model", 404, "model_not_found", "model"),
        ("error-429-rate-limit-error", 429, "rate_limit_exceeded", None),
        ("error-529-overloaded-error", 503, "service_unavailable", None),
    ],
)
def test_a_recorded_error_becomes_openais(
    name: str, status: int, code: str | None, param: str | None
) -> None:
    recording = load("anthropic", name)
    error = Anthropic().parse_error(recording.status, recording.headers, recording.body, target())
    assert (error.status, error.code, error.param) == (status, code, param)
    assert error.upstream_status == recording.status


def test_every_recorded_error_is_in_the_table() -> None:
    assert len(ERRORS) == 7


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected", "code"),
    [
        (400, INVALID, "prompt is too long: 9 tokens > 5 maximum", 400, TOO_LONG),
        (400, INVALID, "input length and `max_tokens` exceed context limit: 1 > 0", 400, TOO_LONG),
        (400, INVALID, "Your credit balance is too low to access the API", 502, "upstream_error"),
        (400, INVALID, "You have reached your specified API usage limits", 502, "upstream_error"),
        (402, "billing_error", "pay", 502, "upstream_error"),
        (403, "permission_error", "no", 502, "upstream_error"),
        (404, "not_found_error", "File not found", 404, "not_found"),
        (404, "", "", 502, "upstream_error"),
        (408, "", "", 504, "upstream_timeout"),
        (409, "conflict_error", "twice", 409, None),
        (413, "request_too_large", "big", 413, "request_too_large"),
        (422, "", "odd", 400, None),
        (429, "rate_limit_error", "monthly spend limit", 502, "upstream_error"),
        (500, "api_error", "Internal server error", 502, "upstream_error"),
        (503, "", "", 503, "service_unavailable"),
        (504, "timeout_error", "slow", 504, "upstream_timeout"),
        (302, "", "", 502, "upstream_error"),
    ],
)
def test_errors_by_status(
    status: int, kind: str, message: str, expected: int, code: str | None
) -> None:
    error = told(status, kind, message)
    assert (error.status, error.code) == (expected, code)
    if expected == 502:
        assert not message or message not in error.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b'"a"', b'{"error": "text"}', b"\xff"])
@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 529])
def test_bodies_of_any_shape_are_mapped(body: bytes, status: int) -> None:
    error = Anthropic().parse_error(status, {}, body, target())
    assert error.message
    assert error.upstream_status == status


def test_what_is_wrong_is_named_as_the_client_knows_it() -> None:
    error = told(400, INVALID, "messages.0.content: claude-opus-5 reads no such")
    assert error.param == "messages"
    assert error.message == "messages.0.content: my-model reads no such"
    assert told(400, INVALID, "thinking.type: bad").param == "reasoning_effort"
    assert len(told(400, "", "x" * 5000).message) == 2000


def test_when_to_come_again() -> None:
    assert told(429, headers={"retry-after": "7"}).retry_after == 7
    assert told(529, headers={"Retry-After": "3"}).retry_after == 3
    assert told(429).retry_after is None
    soon = datetime.now(UTC) + timedelta(seconds=60)
    headers = {
        "anthropic-ratelimit-requests-remaining": "5",
        "anthropic-ratelimit-requests-reset": (soon + timedelta(hours=1)).isoformat(),
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": "nonsense",
    }
    assert 50 < told(429, headers=headers).retry_after <= 60


@pytest.mark.parametrize("kind", STATUSES)
def test_an_error_in_a_stream_is_what_it_would_have_been_as_a_status(kind: str) -> None:
    value = {"type": "error", "error": {"type": kind, "message": "m"}}
    error = build_stream_error(value, target())
    assert error.status == told(STATUSES[kind], kind, "m").status
    assert build_stream_error({}, target()).status == 502
