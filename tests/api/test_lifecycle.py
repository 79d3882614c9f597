"""What every request gets: an id, headers that tell who answered, a line in the log."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.api.lifecycle import answer_headers
from gateway.inference import Asked
from gateway.telemetry import AttemptRecord, RequestRecord
from tests.api.conftest import BEARER, CHAT, USER_KEY, BuildApp, chat_body


def requests_in(log: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines of requests."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line["logger"] == "gateway.request"]


@pytest.mark.parametrize("given", ["abc", "A-z_09", "x" * 64])
def test_request_id_is_the_clients_if_it_is_harmless(client: FlaskClient, given: str) -> None:
    got = client.get("/health", headers={"x-request-id": given})
    assert got.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "<b>", "é", "a=b"])
def test_request_id_is_ours_otherwise_and_never_twice(client: FlaskClient, given: str) -> None:
    headers = {"x-request-id": given}
    ids = {client.get("/health", headers=headers).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(each.startswith("req_") and len(each) == 36 for each in ids)


@pytest.mark.parametrize("path", ["/nowhere", CHAT, "/v1/models"])
def test_errors_have_an_id_and_a_line_too(client: FlaskClient, log: io.StringIO, path: str) -> None:
    got = client.get(path, headers={"x-request-id": "mine"}, buffered=True)
    assert got.headers["x-request-id"] == "mine"
    (line,) = requests_in(log)
    assert (line["request_id"], line["status"], line["path"]) == ("mine", got.status_code, path)
    assert line["error"]


def test_answer_tells_who_gave_it(client: FlaskClient) -> None:
    body = chat_body(temperature=0.5, seed=1)
    for stream in (False, True):
        got = client.post(CHAT, json={**body, "stream": stream}, headers=BEARER)
        assert got.status_code == 200
        assert got.headers["x-gateway-provider"] == "demo"
        assert got.headers["x-gateway-model"] == "echo"
        assert got.headers["x-gateway-attempts"] == "1"
        assert got.headers["x-gateway-dropped-params"] == "seed, temperature"
        got.close()


def test_line_of_a_whole_answer(client: FlaskClient, log: io.StringIO) -> None:
    client.post(CHAT, json=chat_body(), headers=BEARER, buffered=True)
    (line,) = requests_in(log)
    assert (line["method"], line["path"], line["status"]) == ("POST", CHAT, 200)
    assert (line["key"], line["model"]) == ("user-1", "demo/echo")
    assert (line["provider"], line["upstream_model"]) == ("demo", "echo")
    assert (line["attempts"], line["finish_reason"]) == (1, "stop")
    assert line["prompt_tokens"] == 1
    assert line["completion_tokens"] > 5
    assert line["duration_ms"] >= 200
    assert line["overhead_ms"] < line["duration_ms"]
    assert "prompt" not in line


def test_line_of_a_stream_is_written_at_its_end(client: FlaskClient, log: io.StringIO) -> None:
    body = chat_body(stream=True, max_tokens=2)
    got = client.post(CHAT, json=body, headers=BEARER, buffered=True)
    assert got.content_type == "text/event-stream; charset=utf-8"
    assert got.headers["X-Accel-Buffering"] == "no"
    assert got.data.endswith(b"data: [DONE]\n\n")
    (line,) = requests_in(log)
    assert (line["status"], line["stream"], line["finish_reason"]) == (200, True, "length")
    assert line["completion_tokens"] == 2
    assert line["ttft_ms"] <= line["duration_ms"]


@pytest.mark.parametrize("read", [0, 1])
def test_stream_that_its_client_left_is_a_499(
    client: FlaskClient, log: io.StringIO, read: int
) -> None:
    got = client.post(CHAT, json=chat_body(stream=True), headers=BEARER, buffered=False)
    for _ in range(read):
        next(got.response)  # type: ignore[call-overload]
    got.close()
    (line,) = requests_in(log)
    assert (line["status"], line["error"]) == (499, "client_closed_request")
    assert line["usage_estimated"] is True


def test_silence_is_filled_with_pings(build_app: BuildApp) -> None:
    client = build_app(ping_after=0.005).test_client()
    got = client.post(CHAT, json=chat_body(stream=True, max_tokens=2), headers=BEARER)
    assert b": ping\n\n" in got.data
    assert got.data.endswith(b"data: [DONE]\n\n")


def test_log_has_neither_keys_nor_words(client: FlaskClient, log: io.StringIO) -> None:
    for key in (USER_KEY, "wrong-key-0123456789"):
        body = chat_body(messages=[{"role": "user", "content": "topsecret"}])
        headers = {"Authorization": f"Bearer {key}"}
        client.post(CHAT, json=body, headers=headers, buffered=True)
    assert len(requests_in(log)) == 2
    for secret in ("topsecret", USER_KEY, "wrong-key"):
        assert secret not in log.getvalue()


def test_words_are_logged_when_switched_on(build_app: BuildApp, log: io.StringIO) -> None:
    client = build_app(log_content=True).test_client()
    for stream in (False, True):
        body = chat_body(messages=[{"role": "user", "content": "said"}], stream=stream)
        client.post(CHAT, json=body, headers=BEARER, buffered=True)
    lines = requests_in(log)
    assert len(lines) == 2
    for line in lines:
        assert "said" in line["prompt"]
        assert 'You wrote: "said".' in line["answer"]


def test_names_in_headers_are_plain_ascii_and_not_too_many() -> None:
    record = RequestRecord("req_1", "POST", CHAT)
    record.attempts = [AttemptRecord("p/a"), AttemptRecord("p/b")]
    dropped = ("größe", "a,b", "x" * 100, *map(str, range(30)))
    headers = answer_headers(Asked("p", "模:1\r\nx", dropped), record)
    assert headers["x-gateway-model"] == "%E6%A8%A1:1%0D%0Ax"
    assert headers["x-gateway-attempts"] == "2"
    names = headers["x-gateway-dropped-params"].split(", ")
    assert names[:3] == ["gr%C3%B6%C3%9Fe", "a%2Cb", "x" * 60]
    assert names[-1] == "and 13 more"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"HTTP_HOST": None, "SERVER_PROTOCOL": "HTTP/1.1"}, "The request has no Host header."),
        (
            {"HTTP_HOST": "a", "RAW_URI": "http://b/health"},
            "The request's URI names another host than its Host header.",
        ),
    ],
)
def test_request_that_could_be_understood_in_two_ways_is_a_400(
    app: Flask, environ: dict[str, Any], message: str
) -> None:
    seen: list[str] = []
    defaults = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/health",
        "SERVER_NAME": "a",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    }
    given = {name: value for name, value in (defaults | environ).items() if value is not None}
    body = b"".join(app.wsgi_app(given, lambda status, headers: seen.append(status)))  # type: ignore[arg-type]
    assert seen == ["400 BAD REQUEST"]
    assert json.loads(body)["error"]["message"] == message


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_HOST": "a", "SERVER_PROTOCOL": "HTTP/1.1", "RAW_URI": "http://a/health"},
        {"SERVER_PROTOCOL": "HTTP/1.0"},
    ],
)
def test_plain_requests_pass(app: Flask, environ: dict[str, Any]) -> None:
    got = app.test_client().get("/health", environ_overrides=environ)
    assert got.status_code == 200
