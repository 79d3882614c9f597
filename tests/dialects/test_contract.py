"""What every dialect of chats does: one that is added is tested without a test being written."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import gateway.dialects
from gateway.chunks import gather
from gateway.dialects.base import ChatDialect
from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    ServiceUnavailableError,
    UpstreamError,
)
from tests.dialects.chunks import chunk

_PARTS = [name for name in vars(ChatDialect) if name.islower() and not name.startswith("_")]


def find_dialects() -> dict[str, Any]:
    """Return every module that is a dialect, by its name."""
    found = {}
    for each in pkgutil.walk_packages(gateway.dialects.__path__, "gateway.dialects."):
        module = importlib.import_module(each.name)
        if hasattr(module, "CONTENT_TYPE") and all(hasattr(module, part) for part in _PARTS):
            found[each.name.removeprefix("gateway.dialects.")] = module
    return found


DIALECTS = find_dialects()
REQUEST = {
    "model": "m",
    "max_tokens": 9,
    "stream": True,
    "messages": [{"role": "user", "content": "hi"}],
    "prompt": "hi",
    "input": "hi",
}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Any:
    return DIALECTS[request.param]


@pytest.fixture
def asked(dialect: Any) -> Any:
    return dialect.parse_request(json.dumps(REQUEST).encode(), {})


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ANSWER = [
    [chunk({"role": "assistant", "content": ""})],
    [],
    [chunk({"content": "H\u2028ü"})],
    [chunk({"content": "!"}), chunk({"content": "?"})],
    [chunk({}, "stop"), {**chunk({}), "choices": [], "usage": USAGE}],
]


def test_the_dialects_are_found() -> None:
    assert {"openai_chat", "messages", "completions", "ollama.chat"} <= set(DIALECTS)


def test_a_request_becomes_canonical(dialect: Any, asked: Any) -> None:
    assert asked["model"] == "m"
    assert asked["stream"] is True
    assert asked["messages"][-1] == {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'"a"', b"null", b'{"messages": 1}', b'{"model": 1}', b"[" * 100_000]
)
def test_what_is_no_request_is_refused(dialect: Any, body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        dialect.parse_request(body, {})


def test_a_stream_is_ascii_and_says_everything(dialect: Any, asked: Any) -> None:
    frames = list(dialect.iter_frames(iter(ANSWER), asked))
    text = b"".join(frames).decode("ascii")
    assert text.endswith("\n")
    assert "H\\u2028\\u00fc" in text
    said = [frames.index(each) for each in frames if b'"!"' in each or b"!" in each]
    assert said


def test_nothing_new_writes_nothing_and_a_batch_is_one_write(dialect: Any, asked: Any) -> None:
    frames = list(dialect.iter_frames(iter(ANSWER), asked))
    assert frames[1] == b""
    assert b"!" in frames[3]
    assert b"?" in frames[3]


def test_a_whole_answer_says_what_the_stream_said(dialect: Any, asked: Any) -> None:
    answer = dialect.encode_completion(gather(iter(ANSWER)), asked)
    assert "H\u2028ü!?" in json.dumps(json.loads(json.dumps(answer)), ensure_ascii=False)


def test_a_failure_is_told_and_no_end_is_made_up(dialect: Any, asked: Any) -> None:
    whole = list(dialect.iter_frames(iter(ANSWER), asked))

    def fail() -> Iterator[Any]:
        yield from ANSWER[:-1]
        raise UpstreamError("It broke, quite suddenly.")

    frames: list[bytes] = []
    with pytest.raises(GatewayError):
        frames.extend(dialect.iter_frames(fail(), asked))
    text = b"".join(frames)
    assert text.count(b"It broke, quite suddenly.") >= 1
    assert b"error" in text.rpartition(b"It broke")[0].splitlines()[-1]
    ends = [mark for mark in (b"[DONE]", b"message_stop", b"response.completed", b'"done":true')
            if mark in b"".join(whole)]  # fmt: skip
    assert ends
    assert not any(mark in text for mark in ends)


def test_a_defect_of_ours_tells_nothing_of_itself(dialect: Any, asked: Any) -> None:
    def fail() -> Iterator[Any]:
        yield ANSWER[2]
        raise KeyError("a secret")

    frames: list[bytes] = []
    with pytest.raises(GatewayError):
        frames.extend(dialect.iter_frames(fail(), asked))
    assert b"secret" not in b"".join(frames)


def test_a_note_keeps_to_the_framing(dialect: Any) -> None:
    for note in ("", "queued 3"):
        data = dialect.encode_note(note, True)
        assert data.endswith(b"\n")
        assert data.isascii()


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequestError("Because.", param="model"),
        NotFoundError("Because."),
        RateLimitError("Because."),
        UpstreamError("Because."),
        ServiceUnavailableError("Because."),
    ],
)
def test_an_error_has_a_body(dialect: Any, error: GatewayError) -> None:
    body = json.loads(json.dumps(dialect.encode_error(error)))
    assert "Because." in json.dumps(body)
    assert "error" in body
