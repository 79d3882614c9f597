"""The seventy ways in which a translation to and from Ollama's protocol goes wrong, numbered.

Each is shown as far as pure functions can show it; what needs a server (headers,
keep-alive, letting go) is shown by the tests of the whole gateway.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.config.settings import ModelSettings
from gateway.errors import (
    InvalidRequestError,
    NotFoundError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.ndjson import MAX_LINE_BYTES
from gateway.providers.ollama import Ollama
from gateway.providers.ollama.models import find_model
from gateway.serialization import dumps_ascii, loads_strict
from gateway.types import ModelInfo
from tests import recordings
from tests.providers.answers import deltas, finish_reason, text, tool_calls, usage
from tests.providers.ollama.asking import (
    PIXEL,
    ask,
    called,
    encode,
    end,
    line,
    read,
    read_pieces,
    read_until_error,
    refusal,
    sent,
    sent_messages,
    target,
    with_capabilities,
)
from tests.providers.tools import TIME, WEATHER

USER = {"role": "user", "content": "hi"}


def assistant_call(arguments: str, call_id: str = "call_1") -> dict[str, Any]:
    """Return an assistant's message of an earlier turn that called a function."""
    function = {"name": "get_weather", "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def image(url: str) -> dict[str, Any]:
    """Return a user's message of one image."""
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


def test_case_01_character_split_across_reads_stays_whole() -> None:
    body = encode(line("gr\u00fc\u00dfe \U0001f600"), end())
    pieces = [body[position : position + 1] for position in range(len(body))]
    assert text(read_pieces(pieces)) == "gr\u00fc\u00dfe \U0001f600"


def test_case_02_line_split_across_reads_is_one_line() -> None:
    body = encode(line("Hello"), end())
    batches = list(ask().iter_chunks(iter([body[:20], body[20:60], body[60:]]), 0))
    assert [len(batch) for batch in batches] == [0, 0, 3]


def test_case_03_lines_of_one_read_are_chunks_of_one_list_in_order() -> None:
    (batch,) = ask().iter_chunks(iter([encode(line("a"), line("b"), line("c"), end())]), 0)
    assert [delta.get("content") for delta in deltas(batch)] == ["a", "b", "c", None]


def test_case_04_last_line_needs_no_line_end() -> None:
    assert text(read_pieces([encode(line("a"), end("b")).rstrip(b"\n")])) == "ab"


def test_case_05_only_a_line_feed_ends_a_line() -> None:
    content = "a\u0085b\u2028c\u2029d\x0be"
    body = b"\n\r\n" + encode(line(content), end()).replace(b"\n", b"\r\n")
    assert text(read_pieces([body])) == content


def test_case_05_line_of_8_mib_passes_and_an_endless_one_does_not() -> None:
    assert len(text(read(line("x" * 2**23), end()))) == 2**23
    with pytest.raises(UpstreamError, match="longer than"):
        read_pieces([b"x" * 2**20] * (MAX_LINE_BYTES // 2**20 + 1))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"city":"Paris"}', {"city": "Paris"}),
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ("Paris", {"_raw": "Paris"}),
        ("[1]", {"_raw": "[1]"}),
        ('{"cut', {"_raw": '{"cut'}),
    ],
)
def test_case_06_tool_call_arguments_string_becomes_object(
    arguments: str, expected: dict[str, Any]
) -> None:
    built = sent_messages(USER, assistant_call(arguments))[1]
    assert built["tool_calls"] == [
        {"id": "call_1", "function": {"name": "get_weather", "arguments": expected}}
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"city": "Z\u00fcrich", "days": 2}, '{"city":"Z\u00fcrich","days":2}'),
        ({}, "{}"),
        (None, "{}"),
        ("", "{}"),
        ('{"city": "Paris"}', '{"city": "Paris"}'),
    ],
)
def test_case_07_native_arguments_become_compact_string(arguments: Any, expected: str) -> None:
    (call,) = tool_calls(read(line(tool_calls=[called("f", arguments)]), end()))
    assert call["function"]["arguments"] == expected


def test_case_08_tool_result_gets_the_name_of_its_call() -> None:
    result = {"role": "tool", "tool_call_id": "call_1", "content": "18 C"}
    assert sent_messages(USER, assistant_call("{}"), result)[2] == {
        "role": "tool",
        "content": "18 C",
        "tool_name": "get_weather",
        "tool_call_id": "call_1",
    }


def test_case_08_unknown_tool_call_id_is_refused() -> None:
    error = refusal(messages=[USER, {"role": "tool", "tool_call_id": "no", "content": "18 C"}])
    assert error.param == "messages[1].tool_call_id"


def test_case_09_text_parts_become_one_message_with_its_images() -> None:
    parts = [
        {"type": "text", "text": "What is"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "text", "text": "this?"},
    ]
    assert sent_messages({"role": "user", "content": parts}) == [
        {"role": "user", "content": "What is\nthis?", "images": [PIXEL]}
    ]


def test_case_10_texts_and_images_keep_their_order() -> None:
    first, second = (base64.b64encode(each).decode() for each in (b"one", b"two"))
    parts: list[dict[str, Any]] = []
    for label, data in (("first", first), ("second", second)):
        parts.append({"type": "text", "text": label})
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}})
    (message,) = sent_messages({"role": "user", "content": parts})
    assert (message["content"], message["images"]) == ("first\nsecond", [first, second])


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,+/+/AA==",
        "DATA:IMAGE/PNG;BASE64,+/+/AA==",
        "data:image/x-new;charset=utf-8;base64,+/+/AA==",
        "data:image/png;base64,+/+/AA",
        "data:image/png;base64,-_-_AA==",
        "data:image/png;base64,%2B%2F%2B%2FAA%3D%3D",
        "data:image/png;base64,+/+/\r\nAA==",
        "data:;base64,+/+/AA==",
    ],
)
def test_case_11_data_uri_becomes_standard_base64(url: str) -> None:
    (message,) = sent_messages(image(url))
    assert message["images"] == ["+/+/AA=="]


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,***",
        "data:image/png;base64,",
        "data:image/png;base64,A",
        "data:image/svg+xml,%3Csvg/%3E",
        "data:text/plain;base64,aGk=",
        "data:image/png;base64",
        "file:///etc/passwd",
        PIXEL,
    ],
)
def test_case_11_what_is_no_image_in_base64_is_refused(url: str) -> None:
    error = refusal(messages=[image(url)])
    assert error.param == "messages[0].content[0].image_url.url"
    assert error.code == "invalid_value"


@pytest.mark.parametrize("url", ["http://example.com/a.png", "HTTPS://example.com/a.png"])
def test_case_12_linked_image_is_refused_with_advice(url: str) -> None:
    error = refusal(messages=[image(url)])
    assert (error.param, error.code) == (
        "messages[0].content[0].image_url.url",
        "unsupported_value",
    )
    assert "send the image itself as a `data:image/" in error.message


def test_case_13_images_for_a_model_without_vision_are_refused() -> None:
    error = refusal(with_capabilities("completion"), messages=[image(f"data:;base64,{PIXEL}")])
    assert (error.param, error.message) == (
        "messages",
        "The model `my-model` does not support images.",
    )


def test_case_13_images_go_to_a_model_of_unknown_capabilities() -> None:
    assert sent_messages(image(f"data:;base64,{PIXEL}"))[0]["images"] == [PIXEL]


def test_case_14_developer_is_system_and_keeps_its_position() -> None:
    messages = [
        {"role": role, "content": str(number)}
        for number, role in enumerate(("system", "user", "developer", "user"))
    ]
    assert [message["role"] for message in sent_messages(*messages)] == [
        "system",
        "user",
        "system",
        "user",
    ]


def test_case_15_assistant_with_calls_needs_no_content() -> None:
    contents: tuple[Any, ...] = (None, "", [])
    for content in contents:
        message = {**assistant_call("{}"), "content": content}
        assert sent_messages(USER, message)[1]["content"] == ""


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None},
        {"role": "assistant"},
        {"role": "assistant", "content": []},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": None},
        {"role": "user"},
        {"role": "user", "content": []},
        {"role": "system", "content": None},
    ],
)
def test_case_15_message_that_says_nothing_is_refused(message: dict[str, Any]) -> None:
    assert refusal(messages=[message]).param == "messages[0].content"


def test_case_15_empty_text_parts_are_skipped() -> None:
    parts = [{"type": "text", "text": each} for each in ("", "a", "", "b")]
    assert sent_messages({"role": "user", "content": parts})[0]["content"] == "a\nb"


def test_case_16_refusals_names_and_function_role() -> None:
    refused = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert sent_messages(USER, refused)[1] == {"role": "assistant", "content": "No."}
    refused_whole = {"role": "assistant", "content": None, "refusal": "No."}
    assert sent_messages(USER, refused_whole)[1] == {"role": "assistant", "content": "No."}
    call = ask(messages=[{**USER, "name": "ann"}])
    assert call.dropped_params == ("messages.name",)
    assert sent_messages(USER, {"role": "function", "name": "f", "content": "1"})[1] == {
        "role": "tool",
        "content": "1",
        "tool_name": "f",
    }


def test_case_16_file_is_refused_and_audio_needs_the_capability() -> None:
    file = {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}
    assert refusal(messages=[file]).param == "messages[0].content[0].type"
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    audio = {"role": "user", "content": [part]}
    assert refusal(with_capabilities("completion"), messages=[audio]).param == "messages"
    assert sent(with_capabilities("audio"), messages=[audio])["messages"][0]["images"] == ["AAAA"]


@pytest.mark.parametrize(
    ("stop", "expected"),
    [("END", ["END"]), (["a", "", "b"], ["a", "b"]), (None, None), ([], None), ([""], None)],
)
def test_case_17_stop_is_a_list_without_empty_strings(stop: Any, expected: Any) -> None:
    assert sent(stop=stop).get("options", {}).get("stop") == expected


def test_case_18_limits_of_tokens_become_num_predict() -> None:
    assert sent(max_tokens=5)["options"] == {"num_predict": 5}
    assert sent(max_completion_tokens=6)["options"] == {"num_predict": 6}
    assert sent(max_tokens=5, max_completion_tokens=6)["options"] == {"num_predict": 6}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "5", 2**31])
def test_case_18_wrong_limits_of_tokens_are_refused(name: str, value: Any) -> None:
    assert refusal(**{name: value}).param == name


@pytest.mark.parametrize("fields", [{}, {"stream": False}, {"stream": True}, {"stream": None}])
def test_case_19_a_stream_is_always_asked_for(fields: dict[str, Any]) -> None:
    assert sent(**fields)["stream"] is True
    assert ask(**fields).streamed is True


def test_case_20_seed_zero_is_a_seed_and_a_huge_one_is_refused() -> None:
    assert sent(seed=0)["options"] == {"seed": 0}
    assert sent(seed=-7)["options"] == {"seed": -7}
    assert sent(seed=2**53)["options"] == {"seed": 2**53}
    for seed in (2**53 + 1, -(2**53) - 1, 1.5, True):
        assert refusal(seed=seed).param == "seed"


def test_case_21_absent_sampling_is_left_to_the_model_and_zero_survives() -> None:
    assert "options" not in sent()
    assert "options" not in sent(temperature=None, top_p=None)
    assert sent(temperature=0, top_p=0)["options"] == {"temperature": 0, "top_p": 0}


def test_case_22_prompts_are_never_cut_in_silence() -> None:
    assert sent()["truncate"] is False
    assert sent(target(num_ctx=8192))["options"] == {"num_ctx": 8192}
    recording = recordings.load("ollama", "error-context-overflow")
    error = Ollama().parse_error(400, recording.headers, recording.body, target())
    assert (type(error), error.code) == (InvalidRequestError, "context_length_exceeded")


def test_case_23_full_context_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read(end(prompt_eval_count=511), call=ask(target(num_ctx=512)))
        assert caplog.messages == []
        read(end(prompt_eval_count=512), call=ask(target(num_ctx=512)))
    assert caplog.messages == [
        "The prompt filled the context of 'tiny' (512 tokens): Ollama may have cut it"
    ]


def test_case_24_num_ctx_is_pinned_by_the_configuration() -> None:
    settings: dict[str, Any] = {"num_ctx": 8192, "models": {"tiny": ModelSettings(num_ctx=4096)}}
    for fields in ({}, {"num_ctx": 512}, {"options": {"num_ctx": 512}}):
        assert sent(target(**settings), **fields)["options"] == {"num_ctx": 4096}


def test_case_25_json_object_is_format_json_and_a_cut_one_is_length() -> None:
    assert sent(response_format={"type": "json_object"})["format"] == "json"
    chunks = read(line('{"a'), end(done_reason="length"))
    assert (text(chunks), finish_reason(chunks)) == ('{"a', "length")


def test_case_26_only_the_schema_itself_is_sent() -> None:
    schema = {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {}}}
    wrapper = {"name": "answer", "description": "d", "strict": True, "schema": schema}
    assert sent(response_format={"type": "json_schema", "json_schema": wrapper})["format"] == schema
    error = refusal(response_format={"type": "json_schema", "json_schema": {"name": "answer"}})
    assert error.param == "response_format.json_schema.schema"


def test_case_27_strict_answer_that_is_no_json_is_an_error() -> None:
    json_schema = {"name": "a", "strict": True, "schema": {"type": "object"}}
    call = ask(response_format={"type": "json_schema", "json_schema": json_schema})
    assert text(read(line('{"a":'), end("1}"), call=call)) == '{"a":1}'
    cut = read(line('{"a":'), end(done_reason="length"), call=call)
    assert finish_reason(cut) == "length"
    chunks, error = read_until_error(encode(line("Sure! "), end()), call)
    assert text(chunks) == "Sure! "
    assert all(each["choices"][0]["finish_reason"] is None for each in chunks)
    assert error.message == "The model did not keep to the JSON schema it was given."


@pytest.mark.parametrize(
    ("effort", "think"),
    [
        ("none", False),
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "max"),
        ("max", "max"),
    ],
)
def test_case_28_every_effort_has_its_level(effort: str, think: Any) -> None:
    assert sent(reasoning_effort=effort)["think"] == think
    assert sent(reasoning={"effort": effort})["think"] == think
    assert sent(think=effort)["think"] == think


def test_case_29_thoughts_that_used_up_the_limit_are_an_empty_answer_with_length() -> None:
    assert "think" not in sent()
    chunks = read_pieces([recordings.load("ollama", "think-cut-by-length").body])
    assert (text(chunks), text(chunks, "reasoning_content")) == ("", "Let me")
    assert finish_reason(chunks) == "length"


def test_case_30_thinking_is_reasoning_content_and_back() -> None:
    chunks = read(line(thinking="Hm."), line("42"), end())
    assert deltas(chunks) == [
        {"role": "assistant", "reasoning_content": "Hm."},
        {"content": "42"},
        {},
    ]
    for name in ("reasoning_content", "reasoning"):
        earlier = {"role": "assistant", "content": "42", name: "Hm."}
        assert sent_messages(USER, earlier)[1] == {
            "role": "assistant",
            "content": "42",
            "thinking": "Hm.",
        }


def test_case_31_tags_inside_content_are_passed_on_as_they_are() -> None:
    assert text(read(line("<think>Hm.</thi"), line("nk>42"), end())) == "<think>Hm.</think>42"


def test_case_32_last_line_may_carry_everything() -> None:
    last = end("text", thinking="Hm.", tool_calls=[called("f", {}, id="call_a")])
    assert deltas(read(last)) == [
        {"role": "assistant", "reasoning_content": "Hm."},
        {"content": "text"},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_a",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                }
            ]
        },
        {},
    ]


def test_case_33_empty_answer_is_a_valid_one() -> None:
    chunks = read(end())
    assert deltas(chunks) == [{"role": "assistant", "content": ""}, {}]
    assert finish_reason(chunks) == "stop"


def test_case_34_calls_end_with_tool_calls_unless_cut() -> None:
    called_line = line(tool_calls=[called("f", {})])
    assert finish_reason(read(called_line, end())) == "tool_calls"
    assert finish_reason(read(called_line, end(done_reason="length"))) == "length"


def test_case_35_calls_alone_have_no_content_and_text_beside_them_is_kept() -> None:
    alone = read(line(tool_calls=[called("f", {})]), end())
    assert all("content" not in delta for delta in deltas(alone))
    assert text(read(line("Let me see", tool_calls=[called("f", {})]), end())) == "Let me see"


def test_case_36_calls_are_numbered_by_arrival_with_unique_ids() -> None:
    chunks = read(
        line(tool_calls=[called("a", {}, id="x"), called("b", {}, id="x")]),
        line(tool_calls=[called("c", {})]),
        line(tool_calls=[called("d", {}, id="")]),
        end(tool_calls=[called("e", {}, id="y")]),
    )
    calls = tool_calls(chunks)
    assert [(call["index"], call["function"]["name"]) for call in calls] == list(enumerate("abcde"))
    assert {call["type"] for call in calls} == {"function"}
    ids = [call["id"] for call in calls]
    assert (ids[0], ids[4]) == ("x", "y")
    assert len(set(ids)) == 5
    assert all(re.fullmatch(r"call_[0-9a-f]{24}", each) for each in ids[1:4])


def test_case_37_calls_come_through_without_tools_in_the_request() -> None:
    recording = recordings.load("ollama", "tools-result-turn")
    assert "tools" not in sent(messages=[USER, assistant_call("{}")])
    assert len(tool_calls(read_pieces([recording.body]))) == 1


def test_case_38_error_line_ends_the_answer_after_what_came() -> None:
    body = encode(line("Hel"), line("lo"), {"error": "boom in /root/x"}, line("never"), end())
    chunks, error = read_until_error(body)
    assert deltas(chunks) == [{"role": "assistant", "content": "Hel"}, {"content": "lo"}]
    assert (type(error), error.code) == (UpstreamError, "upstream_error")
    assert error.message == "The provider `local` reported an error instead of an answer."


def test_case_39_error_as_first_line_keeps_its_true_status() -> None:
    body = encode({"error": "the input length exceeds the context length"})
    chunks, error = read_until_error(body)
    assert (chunks, error.status, error.code) == ([], 400, "context_length_exceeded")


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_case_40_end_before_done_is_an_error(cut: int) -> None:
    body = encode(line("Hello"), line("there"))
    chunks, error = read_until_error(body[: len(body) - cut])
    assert type(error) is UpstreamError
    assert deltas(chunks)[0] == {"role": "assistant", "content": "Hello"}


def test_case_41_whole_answer_that_is_not_done_is_an_error() -> None:
    chunks, error = read_until_error(encode(line("word word word")).rstrip(b"\n"))
    assert (text(chunks), error.status) == ("word word word", 502)


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage",
        b"[1]",
        b'"text"',
        b"null",
        b"{}",
        b'{"message":null}',
        b'{"message":{"content":["a"]},"done":false}',
        b'{"message":{"content":"","thinking":{"a":1}},"done":false}',
        b'{"message":{"content":"","tool_calls":{"a":1}},"done":false}',
        b'{"message":{"content":"","tool_calls":[1]},"done":false}',
        b'{"message":{"content":"","tool_calls":[{"function":{}}]},"done":false}',
        b"<html>",
        b"[" * 100_000,
    ],
)
def test_case_42_garbage_is_an_error_after_what_came(garbage: bytes) -> None:
    chunks, error = read_until_error(encode(line("Hello")) + garbage + b"\n" + encode(end()))
    assert type(error) is UpstreamError
    assert text(chunks) == "Hello"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, b"404 page not found", 502),
        (405, b"405 method not allowed", 502),
        (403, b"", 502),
        (502, b"<html><h1>Bad gateway at 10.0.0.7</h1></html>", 502),
        (503, b"<html>busy</html>", 503),
        (400, b"<html>nginx</html>", 502),
        (301, b"", 502),
    ],
)
def test_case_43_error_body_that_is_no_json_is_told_by_its_status(
    status: int, body: bytes, expected: int
) -> None:
    error = Ollama().parse_error(status, {"Content-Type": "text/plain"}, body, target())
    assert error.status == expected
    assert not any(word in error.message for word in ("<", "nginx", "10.0.0.7", "page"))


def test_case_44_json_inside_the_error_text_is_unwrapped() -> None:
    inner = {"code": 400, "message": "too much", "type": "exceed_context_size_error", "n_ctx": 8}
    wrapped = orjson.dumps({"error": orjson.dumps({"error": inner}).decode()})
    error = Ollama().parse_error(500, {}, wrapped, target())
    assert (error.status, error.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ('option "stop" must be of type array', "options"),
        (
            'invalid format: "yaml"; expected "json" or a valid JSON Schema object',
            "response_format",
        ),
        ("invalid JSON schema in format", "response_format"),
    ],
)
def test_case_45_server_errors_that_are_client_errors_are_400(message: str, param: str) -> None:
    error = Ollama().parse_error(500, {}, orjson.dumps({"error": message}), target())
    assert (error.status, error.param) == (400, param)


def test_case_46_usage_is_a_chunk_of_its_own_after_the_finish() -> None:
    chunks = read(line("a"), end())
    assert [len(chunk["choices"]) for chunk in chunks] == [1, 1, 0]
    assert [("usage" in chunk) for chunk in chunks] == [False, False, True]


def test_case_47_missing_counts_are_zero_and_cached_ones_are_told() -> None:
    last = end()
    del last["prompt_eval_count"], last["eval_count"]
    assert usage(read(last)) == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert usage(read(end(prompt_eval_cached_count=3))) == {
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 3},
    }


@pytest.mark.parametrize("created_at", ["0001-01-01T00:00:00Z", "2026-01-01T00:00:00.1Z", "?"])
def test_case_48_created_is_one_whole_second_for_all_chunks(created_at: str) -> None:
    chunks = read(line("a", created_at=created_at), end(created_at=created_at))
    (created,) = {chunk["created"] for chunk in chunks}
    assert type(created) is int
    assert created > 1_700_000_000


def test_case_49_id_is_random_and_the_same_on_all_chunks() -> None:
    (first,) = {chunk["id"] for chunk in read(line("a"), end())}
    (second,) = {chunk["id"] for chunk in read(line("a"), end())}
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{32}", first)
    assert first != second


def test_case_50_model_is_the_name_the_client_used() -> None:
    assert sent()["model"] == "tiny"
    assert {chunk["model"] for chunk in read(line("a"), end())} == {"my-model"}


@pytest.mark.parametrize(
    "first", [line("a"), line(thinking="a"), line(tool_calls=[called("f", {})]), end()]
)
def test_case_51_role_is_sent_once_and_first(first: dict[str, Any]) -> None:
    roles = [delta.get("role") for delta in deltas(read(first, end("b")))]
    assert roles == ["assistant", *[None] * (len(roles) - 1)]


def test_case_52_silence_passes_through_as_empty_lists() -> None:
    pieces = [b"", b"", encode(line("a")), b"", encode(end())]
    batches = list(ask().iter_chunks(iter(pieces), 0))
    assert [len(batch) for batch in batches] == [0, 0, 1, 0, 2]


def test_case_53_no_piece_is_read_before_it_is_needed_nor_after_the_end() -> None:
    taken = []

    def pieces() -> Iterator[bytes]:
        for number, piece in enumerate((encode(line("a")), encode(end()), b"never")):
            taken.append(number)
            yield piece

    chunks = ask().iter_chunks(pieces(), 0)
    assert taken == []
    next(chunks)
    assert taken == [0]
    assert len(list(chunks)) == 1
    assert taken == [0, 1]


def test_case_54_only_our_own_headers_are_sent() -> None:
    assert Ollama().build_headers(None) == {"Content-Type": "application/json"}
    assert Ollama().build_headers("k") == {
        "Content-Type": "application/json",
        "Authorization": "Bearer k",
    }
    assert ask().requests[0].headers == {}


def test_case_55_full_queue_is_503_with_retry_after() -> None:
    text_ = "server busy, please try again.  maximum pending requests exceeded"
    error = Ollama().parse_error(503, {}, orjson.dumps({"error": text_}), target())
    assert (type(error), error.retry_after) == (ServiceUnavailableError, 1.0)


def test_case_56_keep_alive_is_the_operators_unless_allowed() -> None:
    call = ask(keep_alive="5m")
    assert b"keep_alive" not in (call.requests[0].body or b"")
    assert call.dropped_params == ("keep_alive",)
    allowed = target(allow_client_options=True)
    for right in ("5m", "1h30m", "-1s", "0", 300, 0.5, -1):
        assert sent(allowed, keep_alive=right)["keep_alive"] == right
    wrongs: tuple[Any, ...] = ("300", "", "5 m", "5m0", True, [], "m")
    for wrong in wrongs:
        assert refusal(allowed, keep_alive=wrong).param == "keep_alive"
        assert refusal(keep_alive=wrong).param == "keep_alive"


def test_case_57_empty_messages_are_refused() -> None:
    error = refusal(messages=[])
    assert (error.param, error.code) == ("messages", "empty_array")
    assert refusal(messages=None).code == "missing_required_parameter"


def test_case_58_logprobs_have_the_shape_openai_clients_require() -> None:
    entries = [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1}]}]
    chunks = read(line("a", logprobs=entries), end(), call=ask(logprobs=True, top_logprobs=1))
    assert [choice["logprobs"] for chunk in chunks for choice in chunk["choices"]] == [
        {
            "content": [
                {
                    "token": "a",
                    "logprob": -0.5,
                    "bytes": None,
                    "top_logprobs": [{"token": "b", "logprob": -1, "bytes": None}],
                }
            ],
            "refusal": None,
        },
        None,
    ]


def test_case_58_logprobs_of_thoughts_and_calls_are_left_out_and_early_ones_wait() -> None:
    def entry(token: str) -> list[dict[str, Any]]:
        return [{"token": token, "logprob": 0}]

    chunks = read(
        line(thinking="Hm", logprobs=entry("Hm")),
        line(logprobs=entry("a")),
        line("ab", logprobs=entry("b")),
        line(logprobs=entry("<call>")),
        line(tool_calls=[called("f", {})], logprobs=entry("f")),
        end(),
        call=ask(logprobs=True),
    )
    told = [choice["logprobs"] for chunk in chunks for choice in chunk["choices"]]
    assert [each and [entry["token"] for entry in each["content"]] for each in told] == [
        None,
        ["a", "b"],
        None,
        None,
    ]


def test_case_58_logprobs_nobody_asked_for_are_not_told() -> None:
    chunks = read(line("a", logprobs=[{"token": "a", "logprob": 0}]), end())
    assert all("logprobs" not in choice for chunk in chunks for choice in chunk["choices"])


def test_case_59_n_choices_are_n_requests_with_distinct_seeds() -> None:
    def seeds(**fields: Any) -> list[Any]:
        bodies = [orjson.loads(each.body or b"") for each in ask(**fields).requests]
        return [body.get("options", {}).get("seed") for body in bodies]

    assert seeds(n=3, seed=5) == [5, 6, 7]
    assert seeds(n=3, seed=2**53) == [2**53 - 2, 2**53 - 1, 2**53]
    assert len(set(seeds(n=3))) == 3
    assert None not in seeds(n=3)
    assert seeds(n=1) == [None]
    call = ask(n=2)
    chunks = read_pieces([encode(line("a"), end())], call, index=1)
    assert [choice["index"] for chunk in chunks for choice in chunk["choices"]] == [1, 1]
    assert {chunk["id"] for chunk in chunks} == {
        chunk["id"] for chunk in read_pieces([encode(end())], call)
    }


@pytest.mark.parametrize("n", [0, -1, 129, 1.0, True, "2"])
def test_case_59_impossible_n_is_refused(n: Any) -> None:
    assert refusal(n=n).param == "n"


@pytest.mark.parametrize("body", [b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1}x', b'{"a":"\\ud800"}'])
def test_case_60_requests_are_read_strictly(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads_strict(body)


def test_case_60_field_names_are_case_sensitive() -> None:
    call = ask(Temperature=0.5)
    assert b"emperature" not in (call.requests[0].body or b"")
    assert call.dropped_params == ("Temperature",)


def test_case_61_lone_surrogates_of_an_upstream_crash_nothing() -> None:
    broken = b'{"message":{"content":"a\\ud800b"},"done":false}\n'
    arguments = (
        b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a":"\\ud800"}}}]}}\n'
    )
    chunks = read_pieces([broken + arguments + encode(end("\u2028\u0085"))])
    written = b"".join(dumps_ascii(chunk) for chunk in chunks)
    assert written.isascii()
    assert b"\\u2028\\u0085" in written
    assert tool_calls(chunks)[0]["function"]["arguments"] == '{"a":"\\ud800"}'


def test_case_62_tool_schemas_are_made_plain() -> None:
    parameters = {
        "type": ["object", "null"],
        "$defs": {"City": {"type": "string", "enum": ["Paris"]}},
        "properties": {
            "city": {"$ref": "#/$defs/City", "description": "where"},
            "unit": {"oneOf": [{"const": "C"}, {"const": "F"}]},
            "anything": True,
        },
    }
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": parameters}}
    (built,) = sent(tools=[tool])["tools"]
    assert built == {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "enum": ["Paris"], "description": "where"},
                    "unit": {"anyOf": [{"enum": ["C"]}, {"enum": ["F"]}]},
                    "anything": {},
                },
            },
        },
    }
    assert sent(tools=[TIME])["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {},
    }


def test_case_63_tools_for_a_model_without_them_are_refused_by_the_clients_name() -> None:
    error = refusal(with_capabilities("completion"), tools=[WEATHER])
    recording = recordings.load("ollama", "tools-unsupported")
    told = Ollama().parse_error(400, {}, recording.body, target())
    for each in (error, told):
        assert (each.status, each.param, each.message) == (
            400,
            "tools",
            "The model `my-model` does not support tools.",
        )


def test_case_64_calls_written_as_text_stay_text() -> None:
    written = '{"name":"get_weather","arguments":{"city":"Paris"}}'
    chunks = read(line(written), end(), call=ask(tools=[WEATHER]))
    assert (text(chunks), finish_reason(chunks)) == (written, "stop")


def test_case_65_model_names_compare_as_ollama_does() -> None:
    models = [ModelInfo("tiny:latest"), ModelInfo("hf.co/a/B:Q4"), ModelInfo("ns/other:latest")]
    for name in ("tiny", "TINY", "tiny:latest", " Tiny:Latest "):
        assert find_model(models, name) is models[0]
    assert find_model(models, "hf.co/A/b:q4") is models[1]
    assert find_model(models, "ns/other") is models[2]
    for name in ("tiny:7b", "hf.co/a/B", "other", ""):
        assert find_model(models, name) is None


@pytest.mark.parametrize("body", [b'{"models":null}', b'{"models":[]}', b"{}"])
def test_case_66_no_models_is_an_empty_list(body: bytes) -> None:
    assert Ollama().parse_model_list(body) == []


def test_case_67_model_that_never_loads_is_a_timeout() -> None:
    message = "timed out waiting for llama runner to start - progress 0.00 - "
    error = Ollama().parse_error(500, {}, orjson.dumps({"error": message}), target())
    assert type(error) is UpstreamTimeoutError


def test_case_68_no_compression_is_asked_for() -> None:
    assert not any("encoding" in name.lower() for name in Ollama().build_headers("k"))


@pytest.mark.parametrize("name", ["chat-whole", "tools-parallel-whole", "think-whole"])
def test_case_69_whole_json_in_place_of_a_stream_is_one_last_line(name: str) -> None:
    chunks = read_pieces([recordings.load("ollama", name).body])
    assert finish_reason(chunks) in ("stop", "tool_calls")
    assert usage(chunks)["total_tokens"] > 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream": "yes"}, "stream"),
        ({"temperature": "0"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"messages": {}}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"model": 1}, "model"),
        ({"tools": {}}, "tools"),
        ({"stop": 1}, "stop"),
        ({"response_format": "json"}, "response_format"),
    ],
)
def test_case_70_wrong_kinds_are_refused_with_their_param(
    fields: dict[str, Any], param: str
) -> None:
    error = refusal(**fields)
    assert (error.status, error.type, error.param) == (400, "invalid_request_error", param)
    assert error.code == "invalid_type"


def test_every_case_has_a_test() -> None:
    numbers = {int(name[10:12]) for name in globals() if name.startswith("test_case_")}
    assert numbers == set(range(1, 71))


def test_missing_model_is_told_by_the_clients_name() -> None:
    recording = recordings.load("ollama", "error-model-not-found")
    error = Ollama().parse_error(404, recording.headers, recording.body, target())
    assert type(error) is NotFoundError
    assert error.message == "The model `my-model` does not exist."


def test_a_last_line_without_a_message_ends_the_answer() -> None:
    last = {name: value for name, value in end().items() if name != "message"}
    chunks = read(line("a"), last)
    assert (text(chunks), finish_reason(chunks)) == ("a", "stop")
