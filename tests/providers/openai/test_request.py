"""What an upstream that speaks OpenAI's format is asked, and its whole answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import InvalidRequestError, UpstreamError
from gateway.providers.openai import OpenAI
from gateway.types import ModelInfo, RawChunk, RawCompletion
from tests.recordings import load, names

PROVIDER = OpenAI()
SETTINGS = ProviderSettings("backup", "openai", "https://api.example.com/v1")
TARGET = Target(SETTINGS, "gpt-4.1-nano", "fast")
MESSAGES = [{"role": "user", "content": "Hello"}]


def sent(**fields: Any) -> Any:
    request = {"model": "fast", "messages": MESSAGES, **fields}
    before = json.dumps(request)
    call = PROVIDER.build_chat(request, TARGET, None)
    assert json.dumps(request) == before
    assert call.requests[0].body is not None
    return json.loads(call.requests[0].body)


def test_only_the_model_of_a_whole_request_is_changed() -> None:
    fields = {
        "tools": [{"type": "custom", "x": None}],
        "temperature": 1.0,
        "n": 3,
        "stop": None,
        "moderation": {"model": "m"},
        "stream": False,
    }
    expected = {"model": "gpt-4.1-nano", "messages": MESSAGES, **fields}
    assert sent(**fields) == expected
    assert list(sent(**fields)) == list(expected)


def test_request_that_is_nested_too_deeply_to_be_written_is_refused() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(InvalidRequestError) as caught:
        PROVIDER.build_chat({"model": "fast", "messages": MESSAGES, "x": deep}, TARGET, None)
    assert caught.value.code == "invalid_value"


def test_one_post_goes_to_the_chat_path_also_for_several_choices() -> None:
    call = PROVIDER.build_chat({"model": "fast", "messages": [], "n": 2}, TARGET, None)
    (request,) = call.requests
    assert (request.method, request.path) == ("POST", "/chat/completions")
    assert request.headers == {"Content-Type": "application/json"}
    assert call.dropped_params == ()
    assert not call.streamed


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {"include_usage": True}),
        ({}, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_usage": True}, {"include_usage": True}),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
        ("wrong", "wrong"),
    ],
)
def test_usage_is_always_asked_for_in_a_stream(options: Any, expected: Any) -> None:
    assert sent(stream=True, stream_options=options)["stream_options"] == expected
    request = {"model": "fast", "messages": [], "stream": True, "stream_options": options}
    call = PROVIDER.build_completion(request, TARGET)
    assert call.streamed


@pytest.mark.parametrize("stream", [{}, {"stream": False}, {"stream": None}])
def test_stream_options_are_never_added_without_stream(stream: dict[str, Any]) -> None:
    assert "stream_options" not in sent(**stream)
    options = {"include_usage": True}
    assert sent(**stream, stream_options=options)["stream_options"] == options


def test_the_key_is_sent_as_bearer_token() -> None:
    assert PROVIDER.build_headers("sk-1") == {"Authorization": "Bearer sk-1"}
    assert PROVIDER.build_headers(None) == {}


def test_the_models_capabilities_are_never_asked_for() -> None:
    assert not PROVIDER.needs_model_info({"model": "m", "messages": [], "tools": [{}]})
    assert PROVIDER.build_model_info("m") is None
    assert PROVIDER.parse_model_info("m", b"") == ModelInfo("m")


def parse_chat(body: bytes) -> RawCompletion:
    return PROVIDER.build_completion({"messages": []}, TARGET).parse_response(body)


@pytest.mark.parametrize("name", names("openai", "whole-"))
def test_recorded_completion_is_parsed_and_keeps_its_bytes(name: str) -> None:
    body = load("openai", name).body
    completion = parse_chat(body)
    assert completion == json.loads(body)
    assert completion.raw == body


def test_big_integers_spelling_and_white_space_survive_in_the_bytes() -> None:
    body = (
        b' \n{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],'
        b'"x":1.0, "y":123456789012345678901234567890}\n'
    )
    assert parse_chat(body).raw == body


def test_an_answer_that_is_not_strict_json_is_made_so() -> None:
    completion = parse_chat(b'\xef\xbb\xbf{"choices":[{"text":"\xff"}],"p":NaN}')
    assert completion.raw.startswith(b'{"choices":[{"text":"\\ufffd",')
    assert b'"p":null' in completion.raw


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"choices":[{', b"[]", b"{}", b'{"choices":null}', b'{"choices":{}}',
     b'{"choices":[1]}', b'{"object":"list","data":[]}', b"data: {}\n\n"],
)  # fmt: skip
def test_another_answer_is_an_upstream_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        parse_chat(body)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too long", "code": "context_length_exceeded"}},
        {"choices": [{"index": 0, "error": {"message": "too long", "code": 400}}]},
    ],
)
def test_an_error_inside_a_200_is_an_error(body: Any) -> None:
    with pytest.raises(InvalidRequestError, match="too long"):
        parse_chat(json.dumps(body).encode())


def test_recorded_embeddings_pass_through() -> None:
    recording = load("openai", "embeddings-text-embedding-3-small")
    target = Target(SETTINGS, "text-embedding-3-small", "embed")
    call = PROVIDER.build_embeddings({**recording.request["body"], "model": "embed"}, target)
    assert (call.request.method, call.request.path) == ("POST", "/embeddings")
    assert json.loads(call.request.body or b"") == recording.request["body"]
    answer = call.parse_response(recording.body)
    assert answer.raw == recording.body
    assert answer == json.loads(recording.body)


def test_an_answer_without_embeddings_is_an_upstream_error() -> None:
    call = PROVIDER.build_embeddings({"input": "a"}, TARGET)
    with pytest.raises(UpstreamError, match="no list 'data'"):
        call.parse_response(b'{"choices":[]}')


def test_models_are_listed() -> None:
    request = PROVIDER.build_model_list()
    assert (request.method, request.path, request.body) == ("GET", "/models", None)
    entries = [
        {"id": "gpt-6", "object": "model", "created": 1700000000, "owned_by": "openai"},
        {"id": "org/a:b", "created": 1.5e9},
        {"id": "c", "created": "now", "owned_by": None},
        {"object": "model"},
        {"id": 7},
        "d",
    ]
    expected = [
        ModelInfo("gpt-6", 1700000000, "openai"),
        ModelInfo("org/a:b", 1500000000),
        ModelInfo("c"),
    ]
    body = {"object": "list", "data": entries}
    assert PROVIDER.parse_model_list(json.dumps(body).encode()) == expected
    assert PROVIDER.parse_model_list(json.dumps(entries).encode()) == expected
    assert PROVIDER.parse_model_list(b'[{"id":"e","created":NaN}]') == [ModelInfo("e")]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"data":{}}', b'"a"', b"null"])
def test_another_answer_is_no_list_of_models(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        PROVIDER.parse_model_list(body)


def test_the_call_reads_streams_and_the_provider_maps_errors() -> None:
    call = PROVIDER.build_chat({"messages": [], "stream": True}, TARGET, None)
    recording = load("openai", "stream-no-usage-gpt-4-1-nano")
    (chunks,) = [batch for batch in call.iter_chunks(iter([recording.body]), 0) if batch]
    assert [type(chunk) for chunk in chunks] == [RawChunk] * 3
    error = PROVIDER.parse_error(429, {"retry-after": "3"}, b"", TARGET)
    assert (error.status, error.retry_after) == (429, 3.0)
