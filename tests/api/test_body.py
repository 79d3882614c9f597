"""Reading a request's body: its size, its framing, its end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from gateway.api.body import BLOCK_BYTES, read_body
from gateway.errors import (
    ClientDisconnectedError,
    GatewayError,
    InvalidRequestError,
    RequestTooLargeError,
)
from tests.api.conftest import BEARER, CHAT, BuildApp, chat_body


class Broken(io.RawIOBase):
    """A body that breaks with ``error`` after some bytes."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._blocks = [b"some"]

    def read(self, size: int = -1) -> bytes:
        if self._blocks:
            return self._blocks.pop()
        raise self._error


def read(
    body: Any, length: int | None, limit: int = 1 << 20, **environ: Any
) -> tuple[bytes | GatewayError, Flask]:
    """Read ``body`` as a view does; returns what came of it."""
    app = Flask(__name__)
    stream = io.BytesIO(body) if isinstance(body, bytes) else body
    overrides = {"wsgi.input": stream, **environ}
    if length is not None:
        overrides["CONTENT_LENGTH"] = str(length)
    with app.test_request_context("/", method="POST", environ_overrides=overrides):
        if length is None:
            request.environ.pop("CONTENT_LENGTH", None)
        try:
            return read_body(limit), app
        except GatewayError as error:
            return error, app


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 300_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_any_size_is_read_whole(size: int, chunked: bool) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    length = None if chunked else size
    environ = {"wsgi.input_terminated": True} if chunked else {}
    got, _ = read(body, length, **environ)
    assert got == body


def test_no_more_is_read_than_was_announced() -> None:
    stream = io.BytesIO(b"bodynext request")
    got, _ = read(stream, 4)
    assert got == b"body"
    assert stream.read() == b"next request"


def test_body_without_a_length_or_an_end_is_not_read() -> None:
    stream = io.BytesIO(b"next request")
    got, _ = read(stream, None)
    assert got == b""
    assert stream.tell() == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_limit_is_the_largest_size_that_passes(chunked: bool) -> None:
    environ = {"wsgi.input_terminated": True} if chunked else {}
    length = None if chunked else 1000
    got, _ = read(b"x" * 1000, length, limit=1000, **environ)
    assert got == b"x" * 1000
    error, _ = read(b"x" * 1000, length, limit=999, **environ)
    assert isinstance(error, RequestTooLargeError)
    assert error.message == "The request body is larger than the limit of 999 bytes."


def test_body_announced_as_too_large_is_not_read() -> None:
    stream = io.BytesIO(b"x" * 1000)
    error, _ = read(stream, 1000, limit=999)
    assert isinstance(error, RequestTooLargeError)
    assert stream.tell() == 0


def test_body_that_never_ends_is_read_no_further_than_the_limit() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"x" * size

    stream = Endless()
    error, _ = read(stream, None, limit=1 << 20, **{"wsgi.input_terminated": True})
    assert isinstance(error, RequestTooLargeError)
    assert stream.given <= (1 << 20) + BLOCK_BYTES


def test_body_shorter_than_announced_is_a_client_that_left() -> None:
    error, _ = read(b"short", 100)
    assert isinstance(error, ClientDisconnectedError)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ConnectionResetError(104, "reset"), ClientDisconnectedError),
        (ValueError("bad chunk"), InvalidRequestError),
    ],
)
def test_body_that_breaks_is_told_by_its_kind(
    failure: Exception, expected: type[GatewayError]
) -> None:
    error, _ = read(Broken(failure), 100)
    assert type(error) is expected


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
def test_compressed_body_is_refused(client: FlaskClient, coding: str) -> None:
    headers = {**BEARER, "Content-Encoding": coding}
    got = client.post(CHAT, data=b"x", headers=headers)
    assert got.status_code == 400
    assert got.json is not None
    assert got.json["error"]["message"] == (
        "The request body must not be compressed: send it without Content-Encoding."
    )


@pytest.mark.parametrize("coding", ["identity", "Identity"])
def test_body_may_say_that_it_is_not_compressed(client: FlaskClient, coding: str) -> None:
    got = client.post(CHAT, json=chat_body(), headers={**BEARER, "Content-Encoding": coding})
    assert got.status_code == 200


def test_limit_is_the_configured_one(build_app: BuildApp) -> None:
    client = build_app(max_request_bytes=100).test_client()
    got = client.post(CHAT, data=json.dumps(chat_body(user="x" * 100)), headers=BEARER)
    assert got.status_code == 413
    assert got.json is not None
    assert got.json["error"]["code"] == "request_too_large"


SLOW_BODY = """
from gevent import monkey
monkey.patch_all()
import time
from flask import Flask
from gateway.api import body
from gateway.errors import RequestTimeoutError

class Slow:
    def read(self, size):
        time.sleep(20)

body.BLOCK_SECONDS = 0.05
environ = {"wsgi.input": Slow(), "CONTENT_LENGTH": "10"}
with Flask("slow").test_request_context("/", method="POST", environ_overrides=environ):
    began = time.monotonic()
    try:
        body.read_body(100)
    except RequestTimeoutError as error:
        print(error.status, error.message, time.monotonic() - began < 10)
"""


def test_slow_body_is_cut_off_under_gevent() -> None:
    run = subprocess.run([sys.executable, "-c", SLOW_BODY], capture_output=True, text=True)
    assert run.stdout == "408 The request body came too slowly. True\n", run.stderr
