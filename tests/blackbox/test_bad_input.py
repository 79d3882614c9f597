"""What clients must not send: a clear answer, and nothing reaches the upstream."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any

import pytest

from tests.blackbox.wire import NDJSON, assert_error, ollama_line
from tests.gateway_process import Gateway, chat_body
from tests.upstream import Upstream, stream

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", **fields}]}


def image(url: str) -> dict[str, Any]:
    """Return the fields of a request with an image, for a model that sees."""
    return {
        "model": "ollama/seeing",
        **message(content=[{"type": "image_url", "image_url": {"url": url}}]),
    }


WRONG_FIELDS: list[tuple[str, Any, str]] = [
    ("messages missing", {"messages": None}, "messages"),
    ("messages empty", {"messages": []}, "messages"),
    ("messages an object", {"messages": {}}, "messages"),
    ("message a string", {"messages": ["hi"]}, "messages[0]"),
    ("role missing", {"messages": [{"content": "hi"}]}, "messages[0].role"),
    ("role unknown", {"messages": [*HI, {"role": "boss", "content": "x"}]}, "messages[1].role"),
    ("content missing", message(), "messages[0].content"),
    ("content null", message(content=None), "messages[0].content"),
    ("content a number", message(content=1), "messages[0].content"),
    ("content an object", message(content={}), "messages[0].content"),
    ("part a string", message(content=["hi"]), "messages[0].content[0]"),
    ("part unknown", message(content=[{"type": "smell"}]), "messages[0].content[0].type"),
    ("text missing", message(content=[{"type": "text"}]), "messages[0].content[0].text"),
    ("image elsewhere", image("http://127.0.0.1/i.png"), "messages[0].content[0].image_url.url"),
    ("image no base64", image("data:image/png;base64,?"), "messages[0].content[0].image_url.url"),
    ("stream a string", {"stream": "yes"}, "stream"),
    ("stream a number", {"stream": 1}, "stream"),
    ("temperature a string", {"temperature": "0"}, "temperature"),
    ("temperature a boolean", {"temperature": True}, "temperature"),
    ("temperature too high", {"temperature": 2.1}, "temperature"),
    ("temperature negative", {"temperature": -0.1}, "temperature"),
    ("top_p too high", {"top_p": 1.5}, "top_p"),
    ("penalty too low", {"frequency_penalty": -3}, "frequency_penalty"),
    ("max_tokens zero", {"max_tokens": 0}, "max_tokens"),
    ("max_tokens negative", {"max_tokens": -1}, "max_tokens"),
    ("max_tokens a fraction", {"max_tokens": 1.5}, "max_tokens"),
    ("max_tokens a boolean", {"max_tokens": True}, "max_tokens"),
    ("max_completion_tokens zero", {"max_completion_tokens": 0}, "max_completion_tokens"),
    ("n zero", {"n": 0}, "n"),
    ("n a string", {"n": "2"}, "n"),
    ("n huge", {"n": 100000}, "n"),
    ("seed a fraction", {"seed": 1.5}, "seed"),
    ("stop a number", {"stop": 1}, "stop"),
    ("stop with a number", {"stop": ["a", 1]}, "stop[1]"),
    ("tools an object", {"tools": {}}, "tools"),
    ("tool without function", {"tools": [{"type": "function"}]}, "tools[0].function"),
    ("tool_choice without tools", {"tool_choice": "required"}, "tool_choice"),
    ("format unknown", {"response_format": {"type": "yaml"}}, "response_format.type"),
    (
        "schema missing",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema",
    ),
    ("top_logprobs alone", {"top_logprobs": 3}, "top_logprobs"),
    ("top_logprobs too high", {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ("logit_bias", {"logit_bias": {"50256": -100}}, "logit_bias"),
    ("effort unknown", {"reasoning_effort": "huge"}, "reasoning_effort"),
    (
        "stream_options alone",
        {"stream": False, "stream_options": {"include_usage": True}},
        "stream_options",
    ),
    ("audio out", {"modalities": ["text", "audio"]}, "modalities"),
    ("model a number", {"model": 5}, "model"),
    ("model empty", {"model": ""}, "model"),
    ("model null", {"model": None}, "model"),
]


def raw(text: str) -> bytes:
    """Return a chat request with ``text`` in place of its temperature."""
    return json.dumps(chat_body("ollama/tiny", temperature="@")).replace('"@"', text).encode()


NOT_JSON: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("text", b"hello"),
    ("half", b'{"model": "ollama/tiny", "messages": ['),
    ("a list", b"[]"),
    ("a string", b'"hi"'),
    ("null", b"null"),
    ("a number", b"5"),
    ("NaN", raw("NaN")),
    ("Infinity", raw("Infinity")),
    ("-Infinity", raw("-Infinity")),
    ("trailing garbage", raw("1") + b"}"),
    ("two values", raw("1") + raw("1")),
    ("lone surrogate", raw('"\\ud800"')),
    ("not UTF-8", raw('"\xff"').decode().encode("latin-1")),
    ("a byte order mark", b"\xef\xbb\xbf" + raw("1")),
    ("deep lists", b'{"model":"ollama/tiny","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ("deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    ("deep and cut", b"[" * 100_000),
]


def assert_refused(got: Any, status: int = 400) -> dict[str, Any]:
    assert got.status_code == status, got.text
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["x-request-id"]
    error: dict[str, Any] = got.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"].endswith(".")
    return error


@pytest.mark.parametrize("streamed", [None, True])
@pytest.mark.parametrize(
    ("fields", "param"), [row[1:] for row in WRONG_FIELDS], ids=[row[0] for row in WRONG_FIELDS]
)
def test_wrong_field_is_named(
    gateway: Gateway, upstream: Upstream, fields: dict[str, Any], param: str, streamed: bool | None
) -> None:
    given = {"model": "ollama/tiny", "stream": streamed, **fields}
    error = assert_refused(gateway.post(CHAT, {"messages": HI, **given}))
    assert error["param"] == param
    assert upstream.asked("/api/chat") == []


@pytest.mark.parametrize("body", [row[1] for row in NOT_JSON], ids=[row[0] for row in NOT_JSON])
def test_body_that_is_no_json_object(gateway: Gateway, upstream: Upstream, body: bytes) -> None:
    assert_refused(gateway.post(CHAT, body, headers={"Content-Type": "application/json"}))
    assert_refused(gateway.post("/v1/embeddings", body))
    assert upstream.requests == []
    assert gateway.get("/health").status_code == 200


def test_duplicate_keys_say_the_same_to_us_and_to_the_upstream(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.handler = stream([ollama_line("one", done=True)], 200, NDJSON)
    body = b"""{"model": "ollama/none", "model": "ollama/tiny", "temperature": 9, "temperature": 1,
        "messages": [], "messages": [{"role": "user", "content": "a", "content": "b"}]}"""
    assert gateway.post(CHAT, body).status_code == 200
    (asked,) = upstream.asked("/api/chat")
    assert asked.body.count(b'"messages"') == 1
    assert asked.body.count(b'"temperature"') == 1
    assert asked.json()["messages"] == [{"role": "user", "content": "b"}]


def test_openai_checks_no_more_than_the_envelope(gateway: Gateway, upstream: Upstream) -> None:
    for fields, param in (
        ({"model": None}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"stream": "yes"}, "stream"),
    ):
        error = assert_refused(gateway.post(CHAT, chat_body("openai/gpt-4o-mini") | fields))
        assert error["param"] == param
    assert upstream.requests == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings"])
def test_body_over_the_limit_is_413(
    impatient: Gateway, upstream: Upstream, path: str, chunked: bool
) -> None:
    body = json.dumps(chat_body("ollama/tiny", user="x" * 1024 * 1024)).encode()
    data = (body[at : at + 65536] for at in range(0, len(body), 65536)) if chunked else body
    got = impatient.request("POST", path, data=data)
    assert assert_refused(got, 413)["code"] == "request_too_large"
    assert upstream.requests == []


def test_chunked_body_under_the_limit_is_read(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = stream([ollama_line("one", done=True)], 200, NDJSON)
    body = json.dumps(chat_body("ollama/tiny")).encode()
    got = gateway.request("POST", CHAT, data=iter([body[:10], body[10:]]))
    assert got.status_code == 200, got.text


def test_slow_body_is_cut_off(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.open_socket() as client:
        client.sendall(head(gateway, "Content-Length: 1000"))
        client.settimeout(0.5)
        start = time.monotonic()
        received = b""
        while time.monotonic() - start < 15:
            try:
                client.sendall(b" ")
                data = client.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not data:
                break
            received += data
        assert 5 < time.monotonic() - start < 12.5
    assert received.startswith(b"HTTP/1.1 408 ")
    assert upstream.requests == []


def head(gateway: Gateway, *headers: str, host: str | None = "Host: gateway") -> bytes:
    lines = [f"POST {CHAT} HTTP/1.1", f"Authorization: Bearer {gateway.key}", *headers]
    if host is not None:
        lines.append(host)
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer @\r\n\r\n",
        b"GET http://other/v1/models HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer @\r\n\r\n",
        b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer @\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer @\r\n"
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer @\r\n"
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"nonsense\r\n\r\n",
    ],
    ids=["no host", "other host", "chunk size", "two framings", "two lengths", "nonsense"],
)
def test_broken_http_is_a_400(gateway: Gateway, upstream: Upstream, request_bytes: bytes) -> None:
    with gateway.open_socket() as client:
        client.sendall(request_bytes.replace(b"@", gateway.key.encode()))
        got = http.client.HTTPResponse(client)
        got.begin()
        body = got.read()
    assert got.status == 400
    assert got.headers["x-request-id"].startswith("req_")
    assert_error(body.decode())
    assert upstream.requests == []


def test_client_that_leaves_within_its_body_is_no_error(
    gateway: Gateway, upstream: Upstream
) -> None:
    with gateway.open_socket() as client:
        client.sendall(head(gateway, "Content-Length: 1000", "X-Request-Id: left-in-body") + b"{")
        client.shutdown(socket.SHUT_WR)
        client.recv(65536)
    assert "499" in gateway.wait_for_log("left-in-body")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["a", 5]}, "input[1]"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "8"}, "dimensions"),
        ({"model": None}, "model"),
    ],
)
def test_wrong_field_of_embeddings_is_named(
    gateway: Gateway, upstream: Upstream, fields: dict[str, Any], param: str
) -> None:
    body = {"model": "ollama/tiny", "input": "a", **fields}
    assert assert_refused(gateway.post("/v1/embeddings", body))["param"] == param
    assert upstream.requests == []


def test_model_names_never_leave_their_place(gateway: Gateway, upstream: Upstream) -> None:
    for name in ("../../admin", "%2e%2e/x", "a?b=c", "a#b", "a\nb", "a\x00b", "x" * 5000):
        got = gateway.chat(f"nobody/{name}")
        assert got.status_code in (400, 404, 502), name
        got = gateway.request("GET", "/v1/models/" + name.replace("\n", "%0A"))
        assert got.status_code in (400, 404, 414), name
    assert {asked.path for asked in upstream.requests} <= {
        "/api/tags",
        "/api/show",
        "/api/chat",
        "/v1/models",
    }
