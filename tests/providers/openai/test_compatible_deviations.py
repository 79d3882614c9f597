"""Whatever an upstream makes of OpenAI's format, a strict client can read what goes on."""

from __future__ import annotations

import json
import logging
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai.stream import iter_chunks
from gateway.providers.openai.whole import parse_completion
from gateway.types import RawChunk
from tests.strict_openai import check_completion, check_stream

DONE = b"data: [DONE]\n\n"
ENVELOPE = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def event(choices: Any = (), **fields: Any) -> bytes:
    value = {**ENVELOPE, "choices": list(choices), **fields}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def part(delta: Any = None, reason: Any = None, **fields: Any) -> bytes:
    return event([{"index": 0, "delta": delta or {}, "finish_reason": reason, **fields}])


def read(*pieces: bytes) -> list[RawChunk]:
    chunks = list(chain.from_iterable(iter_chunks(iter(pieces), "asked-model")))
    check_stream(chunks)
    assert [json.loads(chunk.raw[6:]) for chunk in chunks] == chunks
    return chunks


def deltas(chunks: list[RawChunk]) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def joined(chunks: list[RawChunk], name: str) -> str:
    return "".join(delta.get(name) or "" for delta in deltas(chunks))


def reasons(chunks: list[RawChunk]) -> list[Any]:
    found = (choice.get("finish_reason") for chunk in chunks for choice in chunk["choices"])
    return [reason for reason in found if reason is not None]


def calls(chunks: list[RawChunk]) -> list[dict[str, Any]]:
    return [call for delta in deltas(chunks) for call in delta.get("tool_calls") or ()]


def completed_calls(chunks: list[RawChunk]) -> list[tuple[str, str]]:
    found: dict[int, list[str]] = {}
    for call in calls(chunks):
        name, arguments = found.setdefault(call["index"], ["", ""])
        more = call.get("function") or {}
        found[call["index"]] = [
            name + (more.get("name") or ""),
            arguments + (more.get("arguments") or ""),
        ]
    return [(name, arguments) for name, arguments in found.values()]


HELLO = part({"role": "assistant", "content": "Hello"})
STOP = part({}, "stop")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("model_length", "length"),
        ("MAX_TOKENS", "length"),
        ("sensitive", "content_filter"),
        ("tool_use", "tool_calls"),
        ("function_call", "function_call"),
        ("never heard of", "stop"),
        (7, "stop"),
    ],
)
def test_a_finish_reason_is_one_of_openais(told: Any, expected: str) -> None:
    assert reasons(read(HELLO, part({}, told))) == [expected]
    whole = {"choices": [{"message": {"content": "a"}, "finish_reason": told}]}
    answer = parse_completion(json.dumps(whole).encode(), "m")
    assert check_completion(answer).choices[0].finish_reason == expected


@pytest.mark.parametrize("told", ["", None, False])
def test_no_finish_reason_is_none_in_a_stream_and_the_mildest_one_at_its_end(told: Any) -> None:
    chunks = read(HELLO, part({"content": "a"}, told), part({}, told), DONE)
    assert reasons(chunks) == ["stop"]
    whole = {"choices": [{"message": {"content": "a"}, "finish_reason": told}]}
    assert parse_completion(json.dumps(whole).encode(), "m")["choices"][0]["finish_reason"] == (
        "stop"
    )


@pytest.mark.parametrize("told", ["error", "network_error", "insufficient_system_resource"])
def test_a_finish_reason_that_is_a_failure_is_an_error(told: str) -> None:
    with pytest.raises(UpstreamError, match=told):
        read(HELLO, part({}, told), DONE)
    whole = {"choices": [{"message": {"content": "a"}, "finish_reason": told}]}
    with pytest.raises(UpstreamError, match=told):
        parse_completion(json.dumps(whole).encode(), "m")


def test_an_unknown_finish_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gateway.providers.openai"):
        for _ in range(3):
            read(HELLO, part({}, "quite_new"))
    assert [record.getMessage() for record in caplog.records] == [
        "unknown finish reason 'quite_new' counts as 'stop'"
    ]


def test_stop_with_tool_calls_is_tool_calls() -> None:
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert reasons(read(part({"role": "assistant", "tool_calls": [call]}), STOP)) == ["tool_calls"]


def test_a_second_finish_is_not_told_again_and_its_usage_is() -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5}
    again = {"index": 0, "delta": {"content": "", "role": "assistant"}, "finish_reason": "stop"}
    chunks = read(HELLO, STOP, event([again], usage=counts), DONE)
    assert len(chunks) == 3
    assert (chunks[2]["choices"], chunks[2]["usage"]) == ([], counts)


@pytest.mark.parametrize(
    "fields",
    [
        {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}},
        {"x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}},
        {"usage": {"prompt_tokens": 5, "completion_tokens": 2}},
        {"usage": {"prompt_tokens": 5, "total_tokens": 7}},
        {"usage": {"input_tokens": 5, "output_tokens": 2}},
        {"usage": {"prompt_tokens": 5.0, "completion_tokens": 2.0, "total_tokens": 7.0}},
    ],
)
def test_usage_is_found_on_the_finish_chunk_and_told_in_its_own(fields: dict[str, Any]) -> None:
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    for end in (DONE, b""):
        chunks = read(HELLO, event([last], **fields), end)
        usage = chunks[-1]["usage"] or {}
        assert chunks[-1]["choices"] == []
        assert [usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")] == [
            5, 2, 7
        ]  # fmt: skip


def test_usage_is_found_in_a_choice() -> None:
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    assert read(HELLO, part({}, "stop", usage=counts), DONE)[-1]["usage"] == counts


def test_usage_on_every_chunk_is_told_once_and_is_the_last() -> None:
    events = [
        event([{"index": 0, "delta": delta}], usage={"prompt_tokens": 5, "completion_tokens": n})
        for n, delta in enumerate([{"role": "assistant"}, {"content": "a"}, {"content": "b"}])
    ]
    chunks = read(*events, STOP, DONE)
    assert (chunks[-1]["usage"] or {})["total_tokens"] == 7


def test_usage_so_far_is_told_before_the_error_of_a_cut() -> None:
    counts = {"prompt_tokens": 5, "completion_tokens": 1}
    first = event([{"index": 0, "delta": {"content": "a"}}], usage=counts)
    chunks: list[RawChunk] = []
    batches = iter_chunks(iter([first]))
    chunks += next(batches)
    chunks += next(batches)
    with pytest.raises(UpstreamError):
        next(batches)
    assert (chunks[-1]["usage"] or {})["total_tokens"] == 6


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        # xAI's completion does not count its reasoning; the total does.
        ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 12,
          "completion_tokens_details": {"reasoning_tokens": 7}}, (3, 9, 12, 0, 7)),
        # Gemini's layer names its thoughts nowhere.
        ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 12}, (3, 9, 12, 0, 7)),
        ({"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32,
          "prompt_cache_hit_tokens": 20}, (30, 2, 32, 20, 0)),
        ({"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35, "cached_tokens": 20,
          "reasoning_tokens": 4}, (30, 5, 35, 20, 4)),
        ({"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35,
          "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": None},
          "completion_tokens_details": "none"}, (30, 5, 35, 8, 0)),
    ],
)  # fmt: skip
def test_usage_counts_what_openais_does(told: Any, expected: tuple[int, ...]) -> None:
    whole = {"choices": [{"message": {"content": "a"}}], "usage": told}
    usage = check_completion(parse_completion(json.dumps(whole).encode(), "m")).usage
    assert usage is not None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    assert (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        (prompt.cached_tokens or 0) if prompt else 0,
        (completion.reasoning_tokens or 0) if completion else 0,
    ) == expected


@pytest.mark.parametrize("told", [{}, None, 7, {"cost": 1}, []])
def test_usage_that_tells_no_tokens_is_none(told: Any) -> None:
    whole = {"choices": [{"message": {"content": "a"}}], "usage": told}
    answer = parse_completion(json.dumps(whole).encode(), "m")
    assert check_completion(answer).usage is None


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": "Hm."},
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}], "reasoning": None},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
        {"content": [{"type": "thinking", "thinking": "Hm."}]},
        {"content": "<think>Hm.</think>"},
        {"content": "\n<think>\nHm."},
    ],
)
def test_reasoning_is_reasoning_content_wherever_it_lies(delta: dict[str, Any]) -> None:
    chunks = read(part(delta), STOP, DONE)
    assert joined(chunks, "reasoning_content") == "Hm."
    assert joined(chunks, "content").strip() == ""
    whole = json.dumps({"choices": [{"message": delta}]}).encode()
    message = check_completion(parse_completion(whole, "m")).choices[0].message
    assert message.model_dump()["reasoning_content"] == "Hm."
    assert not (message.content or "").strip()


def test_encrypted_reasoning_goes_on_so_that_it_can_come_back() -> None:
    details = [{"type": "reasoning.encrypted", "data": "B7oH"}]
    chunks = read(part({"content": "", "reasoning_details": details}), HELLO, STOP)
    assert deltas(chunks)[0]["reasoning_details"] == details


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_thoughts_in_tags_are_apart_however_they_are_cut(data: st.DataObject) -> None:
    thought = data.draw(st.text("ab</>think \n", max_size=30).filter(lambda t: "</think>" not in t))
    answer = data.draw(st.text("ab<>/think", min_size=1, max_size=20))
    if (thought + "</think>").index("</think>") != len(thought) or thought[:1] == "\n":
        return
    text = f"<think>{thought}</think>\n\n{answer}"
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    chunks = read(*(part({"content": piece}) for piece in pieces), STOP, DONE)
    assert joined(chunks, "reasoning_content") == thought
    assert joined(chunks, "content") == answer


@given(st.lists(st.text("<think>/ab \n", max_size=6), max_size=8))
@settings(deadline=None)
def test_text_that_begins_otherwise_stays_what_it_is(pieces: list[str]) -> None:
    text = "".join(pieces)
    if text.lstrip().startswith("<think>"):
        return
    chunks = read(*(part({"content": piece}) for piece in pieces), STOP, DONE)
    assert joined(chunks, "content") == text
    assert joined(chunks, "reasoning_content") == ""


FIRST = {"name": "f", "arguments": '{"a":1}'}
SECOND = {"name": "f", "arguments": '{"a":2}'}


@pytest.mark.parametrize(
    "pieces",
    [
        [[{"index": 0, "function": FIRST}, {"index": 1, "function": SECOND}]],
        [[{"index": 0, "id": "", "function": FIRST}], [{"index": 0, "id": "", "function": SECOND}]],
        [[{"index": 0, "id": "x", "function": FIRST}],
         [{"index": 0, "id": "y", "function": SECOND}]],
        [[{"index": -1, "id": "x", "function": FIRST}],
         [{"index": -1, "id": "y", "function": SECOND}]],
        [[{"id": "x", "function": FIRST}, {"id": "y", "function": SECOND}]],
        [[{"index": 0, "id": "x", "function": FIRST}, {"index": 1, "id": "x", "function": SECOND}]],
        [[{"index": 3, "id": "x", "function": FIRST}], [{"index": 7, "id": 9, "function": SECOND}]],
        [[{"index": 0, "id": "x", "function": {"name": "f", "arguments": {"a": 1}}}],
         [{"index": 1, "id": "y", "function": {"name": "f", "arguments": {"a": 2}}}]],
        [[{"index": 0, "id": "x", "type": "function", "function": {"name": "f"}}],
         [{"index": 0, "id": "", "type": "function", "function": {"arguments": '{"a":'}}],
         [{"index": 0, "id": "x", "type": "function", "function": {"name": "f",
                                                                   "arguments": "1}"}}],
         [{"index": 1, "id": "y", "function": SECOND}]],
        [[{"index": 0, "function": {"name": "f", "arguments": '{"a":'}}],
         [{"index": 0, "function": {"name": "f", "arguments": "1}"}}],
         [{"index": 1, "id": None, "function": {"name": "f", "arguments": None}}],
         [{"index": 1, "id": None, "function": {"name": None, "arguments": '{"a":2}'}}]],
        [[{"index": 0, "id": "x", "function": FIRST}], [{"index": 1, "id": "y",
                                                         "function": {"name": "f"}}],
         [{"index": 1, "function": {"arguments": '{"a":'}}, {"index": 0, "function": None}],
         [{"index": 1, "function": {"arguments": "2}"}}]],
        [[{"index": 0, "id": "x"}], [{"index": 0, "function": FIRST}],
         [{"index": 1, "id": "y", "type": "function"}], [{"index": 1, "function": SECOND}]],
    ],
)  # fmt: skip
def test_tool_calls_are_numbered_and_have_ids_of_their_own(pieces: Any) -> None:
    events = [part({"tool_calls": each}) for each in pieces]
    chunks = read(*events, part({}, "tool_calls"), DONE)
    assert completed_calls(chunks) == [("f", '{"a":1}'), ("f", '{"a":2}')]


@pytest.mark.parametrize("wrong", [7, [7], {"index": 0}, ["a"]])
def test_tool_calls_that_are_none_are_an_error(wrong: Any) -> None:
    with pytest.raises(UpstreamError, match="tool calls that are not objects"):
        read(part({"tool_calls": wrong}), STOP)
    whole = json.dumps({"choices": [{"message": {"tool_calls": wrong}}]}).encode()
    with pytest.raises(UpstreamError, match="tool calls that are not objects"):
        parse_completion(whole, "m")


def test_whole_tool_calls_have_ids_and_types_and_their_arguments_as_text() -> None:
    told = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"id": "x", "function": FIRST},
            {"id": "x", "type": "function", "function": {"name": "g"}}]  # fmt: skip
    whole = json.dumps({"choices": [{"message": {"tool_calls": told}}]}).encode()
    choice = check_completion(parse_completion(whole, "m")).choices[0]
    assert choice.finish_reason == "tool_calls"
    made: Any = choice.message.tool_calls or []
    assert [call.function.arguments for call in made] == ['{"a":1}', '{"a":1}', "{}"]
    assert len({call.id for call in made}) == 3
    assert made[1].id == "x"


def test_the_role_comes_once_and_first_for_each_choice() -> None:
    both: Any = [
        {"index": index, "delta": {"role": "assistant", "content": "a"}} for index in (0, 1)
    ]
    ends: Any = [{"index": index, "delta": {}, "finish_reason": "stop"} for index in (0, 1)]
    chunks = read(event(both), event(both), event(ends))
    assert [delta.get("role") for delta in deltas(chunks)] == [
        "assistant", "assistant", None, None, None, None
    ]  # fmt: skip


def test_what_is_missing_around_the_answer_is_filled_in_and_stays() -> None:
    first = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    later = (
        b'data: {"id":"late","created":5,"model":"x","object":"chat.completion",'
        b'"service_tier":"on_demand","choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    )
    chunks = read(first, later)
    assert chunks[0]["model"] == "asked-model"
    assert chunks[0]["id"].startswith("chatcmpl-")
    assert chunks[0]["created"] > 1_700_000_000
    assert chunks[1]["id"] == chunks[0]["id"]
    assert "service_tier" not in chunks[1]


def test_a_whole_answer_without_anything_around_it_is_completed() -> None:
    whole = {"id": "", "object": "", "created": 0, "model": "", "service_tier": "", "choices": [
        {"message": {"content": "a", "function_call": {"name": "", "arguments": ""},
                     "audio": {"id": "", "data": "", "expires_at": 0, "transcript": ""}}},
        {"index": 0, "text": "b"}]}  # fmt: skip
    answer = parse_completion(json.dumps(whole).encode(), "asked-model")
    completion = check_completion(answer)
    assert completion.model == "asked-model"
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert [choice.message.content for choice in completion.choices] == ["a", "b"]
    assert completion.choices[0].message.function_call is None
    assert completion.choices[0].message.audio is None


def test_azures_asynchronous_filter_is_read_as_chunks_of_the_stream() -> None:
    first = (
        b'data: {"id":"","object":"","created":0,"model":"","choices":[],'
        b'"prompt_filter_results":[{"prompt_index":0}]}\n\n'
    )
    note = (
        b'data: {"id":"","object":"","created":0,"model":"","choices":[{"index":0,'
        b'"finish_reason":null,"content_filter_offsets":{"check_offset":1}}]}\n\n'
    )
    chunks = read(first, HELLO, note, STOP, note, DONE)
    assert {chunk["id"] for chunk in chunks} == {"c1"}
    assert chunks[0]["prompt_filter_results"]
    assert chunks[4]["choices"][0]["content_filter_offsets"]


def test_the_first_chunk_without_an_id_waits_for_the_streams_own() -> None:
    first = b'data: {"id":"","choices":[],"prompt_filter_results":[]}\n\n'
    batches = list(iter_chunks(iter([first, HELLO, STOP])))
    assert [len(batch) for batch in batches] == [0, 2, 1]


def test_a_late_hit_of_the_filter_ends_the_choice() -> None:
    late = event([{"index": 0, "finish_reason": "content_filter", "content_filter_results": {}}])
    assert reasons(read(HELLO, late, DONE)) == ["content_filter"]


def test_a_message_that_repeats_all_that_was_said_is_left_out() -> None:
    def cumulative(text: str, more: str, reason: str | None = None) -> bytes:
        message = {"role": "assistant", "content": text}
        delta = {"role": "assistant", "content": more}
        choice = {"index": 0, "finish_reason": reason, "message": message, "delta": delta}
        return event([choice], object="chat.completion")

    chunks = read(cumulative("a", "a"), cumulative("ab", "b"), cumulative("ab", "", "stop"))
    assert joined(chunks, "content") == "ab"
    assert b"message" not in b"".join(chunk.raw for chunk in chunks)


def test_log_probabilities_have_openais_form() -> None:
    lists = {"tokens": ["Hé"], "token_logprobs": [-0.5], "top_logprobs": [{"Hé": -0.5}]}
    base64 = {"content": [{"token": "Hi", "logprob": -1, "bytes": "SGk=", "top_logprobs": []}]}
    chunks = read(
        HELLO,
        part({"content": "Hé"}, logprobs=lists),
        part({"content": "Hi"}, logprobs=base64),
        part({}, "stop", logprobs="none"),
    )
    told = [choice.get("logprobs") for chunk in chunks for choice in chunk["choices"]]
    assert told[1]["content"][0]["bytes"] == [72, 195, 169]
    assert told[1]["content"][0]["top_logprobs"][0]["logprob"] == -0.5
    assert told[2]["content"][0]["bytes"] == [72, 105]
    assert told[3] is None


def test_cloudflares_own_envelope_is_opened() -> None:
    said = {"response": {"a": 1}, "tool_calls": [{"name": "f", "arguments": {}}]}
    whole = {"result": {**said, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}}
    answer = parse_completion(json.dumps({**whole, "success": True}).encode(), "m")
    message = check_completion(answer).choices[0].message
    assert message.content == '{"a":1}'
    assert message.tool_calls


WORDS = st.sampled_from(["", "a", "<think>", "</think>", "stop", "eos", "assistant", "x"])
VALUES: Any = st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.floats(), WORDS)
CALL = st.fixed_dictionaries(
    {},
    optional={
        "index": VALUES,
        "id": VALUES,
        "type": VALUES,
        "function": st.one_of(
            VALUES,
            st.fixed_dictionaries(
                {}, optional={"name": st.sampled_from(["f", "g", "", None]), "arguments": VALUES}
            ),
        ),
    },
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "role": VALUES,
        "content": st.one_of(VALUES, st.lists(st.one_of(VALUES, st.fixed_dictionaries(
            {"type": st.sampled_from(["text", "thinking", "image"])},
            optional={"text": VALUES, "thinking": VALUES})), max_size=2)),
        "reasoning": VALUES,
        "reasoning_content": VALUES,
        "tool_calls": st.one_of(st.none(), st.lists(CALL, max_size=3)),
        "reasoning_details": VALUES,
        "refusal": VALUES,
        "annotations": st.one_of(VALUES, st.lists(VALUES, max_size=2)),
        "function_call": st.one_of(
            VALUES, st.fixed_dictionaries({}, optional={"name": WORDS, "arguments": VALUES})
        ),
    },
)  # fmt: skip
USAGE = st.one_of(
    st.none(),
    VALUES,
    st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens",
                         "completion_tokens_details"]), VALUES, max_size=4),
)  # fmt: skip
CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 0, 0, 1, None]),
        "delta": DELTA,
        "message": DELTA,
        "text": VALUES,
        "finish_reason": VALUES,
        "logprobs": st.one_of(VALUES, st.fixed_dictionaries({"content": VALUES})),
        "usage": USAGE,
    },
)
CHUNK = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, max_size=2)},
    optional={"id": VALUES, "object": VALUES, "created": VALUES, "model": VALUES,
              "usage": USAGE, "x_groq": USAGE, "service_tier": VALUES},
)  # fmt: skip


@given(st.lists(CHUNK, max_size=6))
@settings(max_examples=400, deadline=None)
def test_no_stream_that_is_passed_on_breaks_a_strict_client(values: list[Any]) -> None:
    body = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
    try:
        chunks = list(chain.from_iterable(iter_chunks(iter([body + DONE]), "m")))
    except GatewayError:
        return
    check_stream(chunks)
    assert [json.loads(chunk.raw[6:]) for chunk in chunks] == chunks


@given(CHUNK)
@settings(max_examples=400, deadline=None)
def test_no_answer_that_is_passed_on_breaks_a_strict_client(value: Any) -> None:
    try:
        answer = parse_completion(json.dumps(value).encode(), "m")
    except GatewayError:
        return
    check_completion(answer)
    assert json.loads(answer.raw) == answer
