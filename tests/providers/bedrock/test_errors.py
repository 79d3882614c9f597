"""Bedrock's exceptions in OpenAI's terms."""

from __future__ import annotations

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
from gateway.providers.bedrock import Bedrock
from gateway.providers.bedrock.errors import STATUS_OF
from tests.providers.bedrock.asking import target


def parse(status: int, name: str = "", message: str = "m", **headers: str) -> GatewayError:
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    if name:
        sent["x-amzn-ErrorType"] = f"{name}:http://internal.amazon.com/coral/"
    body = b'{"message":"%b"}' % message.encode()
    return Bedrock().parse_error(status, sent, body, target())


@pytest.mark.parametrize(
    ("status", "name", "kind", "code"),
    [
        (400, "ValidationException", InvalidRequestError, None),
        (400, "ServiceQuotaExceededException", RateLimitError, "rate_limit_exceeded"),
        (403, "AccessDeniedException", UpstreamError, "upstream_error"),
        (404, "ResourceNotFoundException", NotFoundError, "model_not_found"),
        (408, "ModelTimeoutException", UpstreamTimeoutError, "upstream_timeout"),
        (413, "", RequestTooLargeError, "request_too_large"),
        (424, "ModelErrorException", UpstreamError, "upstream_error"),
        (424, "", UpstreamError, "upstream_error"),
        (429, "ThrottlingException", RateLimitError, "rate_limit_exceeded"),
        (429, "", RateLimitError, "rate_limit_exceeded"),
        (429, "ModelNotReadyException", ServiceUnavailableError, "service_unavailable"),
        (500, "InternalServerException", UpstreamError, "upstream_error"),
        (503, "ServiceUnavailableException", ServiceUnavailableError, "service_unavailable"),
        (302, "", UpstreamError, "upstream_error"),
    ],
)
def test_an_exception_becomes_the_error_of_its_status(
    status: int, name: str, kind: type[GatewayError], code: str | None
) -> None:
    error = parse(status, name)
    assert (type(error), error.code, error.upstream_status) == (kind, code, status)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Input is too long for requested model.", "context_length_exceeded"),
        ("prompt is too long: 9 tokens > 8 maximum", "context_length_exceeded"),
        ("temperature: 1.5 is invalid", None),
    ],
)
def test_a_context_that_overflows_is_told_from_other_faults(message: str, code: str | None) -> None:
    error = parse(400, "ValidationException", message)
    assert (error.message, error.code) == (message, code)


def test_a_throttled_request_is_told_when_to_come_again() -> None:
    assert parse(429, "ThrottlingException", retry_after="7").retry_after == 7
    assert parse(503, "ServiceUnavailableException", retry_after="3").retry_after == 3


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"message":5}'])
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_a_body_that_says_nothing_still_has_a_message(status: int, body: bytes) -> None:
    assert Bedrock().parse_error(status, {}, body, target()).message


def test_what_is_said_of_credentials_is_not_passed_on() -> None:
    message = "User: arn:aws:iam::123456789012:user/x is not authorized"
    error = parse(403, "AccessDeniedException", message)
    assert "123456789012" not in error.message
    assert error.should_retry is False


def test_every_exception_of_the_service_model_is_known() -> None:
    loaders = pytest.importorskip("botocore.loaders", reason="botocore is not installed")
    shapes = loaders.Loader().load_service_model("bedrock-runtime", "service-2")["shapes"]
    exceptions = {name.lower() for name, shape in shapes.items() if shape.get("exception")}
    assert exceptions - STATUS_OF.keys() == {"conflictexception"}
