"""Every failure in OpenAI's shape, with its true status and what a client may do."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask, Response, abort
from flask.testing import FlaskClient

from gateway.api.responses import json_response
from gateway.errors import (
    ClientDisconnectedError,
    GatewayError,
    RateLimitError,
    ServiceUnavailableError,
    UpstreamError,
)

FIELDS = {"message", "type", "param", "code"}


def fail_with(app: Flask, error: Exception) -> FlaskClient:
    def fail() -> Response:
        raise error

    app.add_url_rule("/fail", view_func=fail)
    return app.test_client()


def error_of(got: Any) -> dict[str, Any]:
    assert got.content_type == "application/json"
    assert set(got.json) == {"error"}
    assert set(got.json["error"]) == FIELDS
    error: dict[str, Any] = got.json["error"]
    return error


def test_json_is_ascii_and_bytes_are_json_already() -> None:
    assert json_response({"a": "ü\u2028"}).data == b'{"a":"\\u00fc\\u2028"}'
    assert json_response(b'{"a": 1.0}', 201, {"x": "y"}).data == b'{"a": 1.0}'
    assert json_response({}).content_type == "application/json"


@pytest.mark.parametrize("path", ["/v1", "/v1/chat/completions/", "/v1//models", "/v2/models"])
def test_unknown_path_is_a_404(client: FlaskClient, path: str) -> None:
    got = client.get(path)
    assert got.status_code == 404
    assert error_of(got) == {
        "message": f"There is nothing at {path}.",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("PUT", "/health", "GET"),
    ],
)
def test_wrong_method_is_a_405_that_says_which_are_right(
    client: FlaskClient, method: str, path: str, allowed: str
) -> None:
    got = client.open(path, method=method)
    assert got.status_code == 405
    assert allowed in got.headers["Allow"]
    error = error_of(got)
    assert error["message"] == f"{method} is not allowed for {path}."
    assert error["code"] == "method_not_allowed"


@pytest.mark.parametrize("error", GatewayError.__subclasses__(), ids=lambda error: error.__name__)
def test_every_failure_has_its_status_and_shape(app: Flask, error: type[GatewayError]) -> None:
    got = fail_with(app, error("Said so.", param="model")).get("/fail")
    assert got.status_code == (400 if error is ClientDisconnectedError else error.status)
    assert error_of(got) == {
        "message": "Said so.",
        "type": error.default_type,
        "param": "model",
        "code": error.default_code,
    }
    assert ("Retry-After" in got.headers) == (error.status in (429, 503))


@pytest.mark.parametrize(
    ("seconds", "whole", "milliseconds"),
    [
        (0.0, "1", "1"),
        (0.2, "1", "200"),
        (1.0, "1", "1000"),
        (1.001, "2", "1001"),
        (60, "60", "60000"),
    ],
)
def test_when_to_come_again_is_rounded_up(
    app: Flask, seconds: float, whole: str, milliseconds: str
) -> None:
    got = fail_with(app, RateLimitError("Slow down.", retry_after=seconds)).get("/fail")
    assert got.headers["Retry-After"] == whole
    assert got.headers["retry-after-ms"] == milliseconds


@pytest.mark.parametrize(("should_retry", "said"), [(True, "true"), (False, "false"), (None, None)])
def test_sdks_are_told_whether_to_retry(
    app: Flask, should_retry: bool | None, said: str | None
) -> None:
    got = fail_with(app, UpstreamError("Broke.", should_retry=should_retry)).get("/fail")
    assert got.headers.get("x-should-retry") == said


def test_defect_is_a_500_without_its_words(app: Flask, log: io.StringIO) -> None:
    got = fail_with(app, KeyError("secret")).get("/fail", headers={"x-request-id": "mine"})
    assert got.status_code == 500
    assert error_of(got)["message"] == "The gateway failed. It is not your request."
    assert "secret" not in got.text
    assert "Traceback" not in got.text
    assert "KeyError" in log.getvalue()
    assert "mine: the gateway failed" in log.getvalue()


def test_failures_are_logged_by_their_code_and_not_their_words(
    app: Flask, log: io.StringIO
) -> None:
    fail_with(app, ServiceUnavailableError("All are busy.")).get("/fail", buffered=True)
    assert '"error": "service_unavailable"' in log.getvalue()
    assert "All are busy." not in log.getvalue()


@pytest.mark.parametrize(("status", "told"), [(413, 413), (400, 400), (415, 400), (503, 500)])
def test_failures_of_flask_itself_have_the_same_shape(app: Flask, status: int, told: int) -> None:
    def fail() -> Response:
        abort(status)

    app.add_url_rule("/abort", view_func=fail)
    got = app.test_client().get("/abort")
    assert got.status_code == told
    error_of(got)
