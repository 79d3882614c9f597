"""Google's errors, as a client of OpenAI's API understands them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RequestTooLargeError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.gemini import Gemini
from tests.providers.gemini.asking import target


def _parse(status: int, body: Any, **headers: str) -> GatewayError:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Gemini().parse_error(status, named, data, target())


def _error(message: str, status: str = "INVALID_ARGUMENT", *details: Any) -> dict[str, Any]:
    return {"error": {"code": 400, "message": message, "status": status, "details": list(details)}}


BAD_KEY = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48.5s"}
DAILY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            400,
            _error("API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", BAD_KEY),
        ),
        (400, _error("API key expired. Please renew the API key.")),
        (400, [_error("no", "INVALID_ARGUMENT", BAD_KEY)]),
        (400, _error("User location is not supported for the API use.", "FAILED_PRECONDITION")),
        (401, _error("Request had invalid authentication credentials.", "UNAUTHENTICATED")),
        (403, _error("Method doesn't allow unregistered callers", "PERMISSION_DENIED")),
    ],
)
def test_refused_credentials_are_the_gateways_fault(status: int, body: Any) -> None:
    error = _parse(status, body)
    assert type(error) is UpstreamError
    assert (error.status, error.should_retry, error.upstream_status) == (502, False, status)
    assert "API key" not in error.message


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, _error("Unable to submit"), InvalidRequestError, None),
        (
            400,
            _error("The input token count (9) exceeds the maximum number of tokens allowed (8)."),
            InvalidRequestError,
            "context_length_exceeded",
        ),
        (
            404,
            _error("models/gemini-x is not found", "NOT_FOUND"),
            NotFoundError,
            "model_not_found",
        ),
        (404, _error("CachedContent not found", "NOT_FOUND"), InvalidRequestError, None),
        (404, b"<html>", UpstreamError, "upstream_error"),
        (302, b"", UpstreamError, "upstream_error"),
        (413, b"", RequestTooLargeError, "request_too_large"),
        (429, _error("Quota", "RESOURCE_EXHAUSTED"), RateLimitError, "rate_limit_exceeded"),
        (429, b"", RateLimitError, "rate_limit_exceeded"),
        (499, _error("cancelled", "CANCELLED"), UpstreamError, "upstream_error"),
        (500, _error("Internal", "INTERNAL"), UpstreamError, "upstream_error"),
        (502, b"bad gateway", UpstreamError, "upstream_error"),
        (503, _error("overloaded", "UNAVAILABLE"), ServiceUnavailableError, "service_unavailable"),
        (504, _error("late", "DEADLINE_EXCEEDED"), UpstreamTimeoutError, "upstream_timeout"),
        (400, b"not json", UpstreamError, "upstream_error"),
        (400, {"error": "text"}, InvalidRequestError, None),
        (400, {"error": 3}, InvalidRequestError, None),
        (
            400,
            {"error": {"message": 3, "details": [1, {"violations": 3}]}},
            InvalidRequestError,
            None,
        ),
    ],
)
def test_status_and_body_become_openais(
    status: int, body: Any, kind: type[GatewayError], code: str | None
) -> None:
    error = _parse(status, body)
    assert type(error) is kind
    assert error.code == code
    assert error.upstream_status == status


def test_delay_is_taken_from_the_body_and_the_header_whichever_is_longer() -> None:
    body = _error("Quota exceeded", "RESOURCE_EXHAUSTED", RETRY)
    assert _parse(429, body).retry_after == 48.5
    assert _parse(429, body, retry_after="60").retry_after == 60
    assert _parse(429, body, retry_after="6").retry_after == 48.5
    assert _parse(429, _error("Quota", "RESOURCE_EXHAUSTED")).retry_after is None
    odd = {**RETRY, "retryDelay": "soon"}
    assert _parse(429, _error("Quota", "RESOURCE_EXHAUSTED", odd)).retry_after is None


def test_quota_of_the_day_is_not_asked_for_again() -> None:
    error = _parse(429, _error("Quota exceeded", "RESOURCE_EXHAUSTED", RETRY, DAILY))
    assert type(error) is RateLimitError
    assert (error.code, error.should_retry) == ("insufficient_quota", False)


def test_long_message_is_cut() -> None:
    error = _parse(400, _error("x" * 10_000))
    assert len(error.message) < 3000
    assert error.message.endswith("….")
