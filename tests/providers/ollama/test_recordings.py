"""What a real Ollama answered, replayed in pieces of every size."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidRequestError, NotFoundError, UpstreamError
from gateway.providers.ollama import Ollama
from tests import recordings
from tests.cutting import cuts, iter_cuts
from tests.providers.answers import finish_reason, text, tool_calls, usage
from tests.providers.ollama.asking import ask, read_pieces, read_until_error, target


def _counts(prompt: int, completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _recorded_lines(name: str) -> list[dict[str, Any]]:
    return [orjson.loads(each) for each in recordings.load("ollama", name).body.splitlines()]


CHATS = [
    name
    for name in recordings.names("ollama")
    if recordings.load("ollama", name).request["path"] == "/api/chat"
    and recordings.load("ollama", name).status == 200
    and name not in ("load", "error-runner-killed-stream")
]
SIMPLE = {
    "chat-stream": ("Hello from a tiny model.", "stop", (5, 7)),
    "chat-whole": ("Hello from a tiny model.", "stop", (5, 7)),
    "chat-stop-string": ("word and ", "stop", (5, 3)),
    "think-stream": ("The answer is 42", "stop", (5, 11)),
    "think-cut-by-length": ("", "length", (5, 3)),
    "tools-one-stream": ("", "tool_calls", (198, 11)),
    "tools-parallel-whole": ("", "tool_calls", (370, 19)),
    "truncated-silently": ("Hello from a tiny model.", "stop", (512, 7)),
}


@pytest.mark.parametrize("name", CHATS)
def test_recorded_answer_reads_the_same_cut_at_every_byte(name: str) -> None:
    body = recordings.load("ollama", name).body
    call = ask(logprobs=True)
    whole = read_pieces([body], call)
    for pieces in iter_cuts(body) if len(body) < 1200 else iter_cuts_of_lines(body):
        assert read_pieces(pieces, call) == whole


def iter_cuts_of_lines(body: bytes) -> Any:
    """Yield the cuts around line ends, and byte by byte: all cuts would take too long."""
    for position in (at for at in range(len(body)) if b"\n" in body[max(0, at - 3) : at + 3]):
        yield [body[:position], body[position:]]
    yield [body[position : position + 1] for position in range(len(body))]


@pytest.mark.parametrize("name", CHATS)
@settings(max_examples=20)
@given(data=st.data())
def test_recorded_answer_reads_the_same_cut_anywhere(name: str, data: st.DataObject) -> None:
    body = recordings.load("ollama", name).body
    call = ask()
    pieces = data.draw(cuts(body))
    assert read_pieces(pieces, call) == read_pieces([body], call)


@pytest.mark.parametrize("name", CHATS)
def test_recorded_answer_keeps_every_text_and_count(name: str) -> None:
    lines = _recorded_lines(name)
    chunks = read_pieces([recordings.load("ollama", name).body])

    messages = [each["message"] for each in lines]
    assert text(chunks) == "".join(message["content"] for message in messages)
    assert text(chunks, "reasoning_content") == "".join(
        message.get("thinking", "") for message in messages
    )
    recorded_calls = [call for message in messages for call in message.get("tool_calls", ())]
    assert [
        (call["index"], call["id"], orjson.loads(call["function"]["arguments"]))
        for call in tool_calls(chunks)
    ] == [
        (index, call["id"], call["function"]["arguments"])
        for index, call in enumerate(recorded_calls)
    ]
    assert usage(chunks) == _counts(lines[-1]["prompt_eval_count"], lines[-1]["eval_count"])
    expected = "tool_calls" if recorded_calls else lines[-1]["done_reason"]
    assert finish_reason(chunks) == expected


@pytest.mark.parametrize("name", SIMPLE)
def test_recorded_answer_says_what_the_model_said(name: str) -> None:
    content, reason, (prompt_tokens, completion_tokens) = SIMPLE[name]
    chunks = read_pieces(recordings.load("ollama", name).pieces)
    assert text(chunks) == content
    assert finish_reason(chunks) == reason
    assert usage(chunks) == _counts(prompt_tokens, completion_tokens)


@pytest.mark.parametrize("name", CHATS)
def test_stream_without_its_last_line_is_an_error_after_what_came(name: str) -> None:
    pieces = recordings.load("ollama", name).body.splitlines(keepends=True)[:-1]
    chunks, error = read_until_error(b"".join(pieces))
    assert type(error) is UpstreamError
    assert error.message == "The provider `local` broke off its answer before the end."
    assert all(choice["finish_reason"] is None for each in chunks for choice in each["choices"])
    assert text(chunks) == "".join(orjson.loads(each)["message"]["content"] for each in pieces)


def test_killed_runner_is_an_error_after_the_words_before_it() -> None:
    recording = recordings.load("ollama", "error-runner-killed-stream")
    chunks, error = read_until_error(recording.body)
    assert text(chunks) == "word and another thenwordword"
    assert error.message == "The provider `local` lost its model while it was answering."


def test_loading_a_model_is_no_answer() -> None:
    with pytest.raises(UpstreamError, match="gave no answer"):
        read_pieces([recordings.load("ollama", "load").body])


@pytest.mark.parametrize(
    ("name", "kind", "param", "code"),
    [
        ("error-bad-json", InvalidRequestError, None, None),
        ("error-content-array", InvalidRequestError, None, None),
        ("error-context-overflow", InvalidRequestError, None, "context_length_exceeded"),
        ("error-model-not-found", NotFoundError, "model", "model_not_found"),
        ("embed-not-found", NotFoundError, "model", "model_not_found"),
        ("error-no-model", InvalidRequestError, "model", None),
        ("error-option-type", InvalidRequestError, "options", "invalid_type"),
        ("format-bad", InvalidRequestError, "response_format", "invalid_value"),
        ("think-unsupported", InvalidRequestError, "reasoning_effort", "unsupported_parameter"),
        ("tools-unsupported", InvalidRequestError, "tools", "unsupported_value"),
        ("unknown-path", UpstreamError, None, "upstream_error"),
    ],
)
def test_recorded_error_is_told_in_openai_terms(
    name: str, kind: type[GatewayError], param: str | None, code: str | None
) -> None:
    recording = recordings.load("ollama", name)
    error = Ollama().parse_error(recording.status, recording.headers, recording.body, target())
    assert type(error) is kind
    assert (error.param, error.code) == (param, code)
    for secret in ("registry.ollama.ai", "tiny", "Go ", "json:", "ChatRequest", "nope", "page"):
        assert secret not in error.message


def test_every_recorded_error_is_in_the_table_above() -> None:
    failed = {
        name for name in recordings.names("ollama") if recordings.load("ollama", name).status != 200
    }
    assert failed == {
        "error-bad-json",
        "error-content-array",
        "error-context-overflow",
        "error-model-not-found",
        "embed-not-found",
        "error-no-model",
        "error-option-type",
        "format-bad",
        "think-unsupported",
        "tools-unsupported",
        "unknown-path",
    }
