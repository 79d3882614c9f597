"""Conversations: what is sent for each message, and that nothing of it is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.providers.gemini import Gemini
from gateway.providers.gemini.signatures import build_id, parse_id
from gateway.providers.ollama import Ollama
from tests.providers.gemini.asking import (
    HI,
    PIXEL,
    PIXEL_URI,
    ask,
    called,
    refusal,
    sent,
    sent_contents,
    target,
)

SIGNATURE = "Et4BCtsBAQw51scb57yHasGasjVnyfOaJ55iqkMHi+EqW3tdi0Ms/A=="
DUMMY = "skip_thought_signature_validator"
TARGET = "google/gemini-3-flash-preview"
IMAGE = {"type": "image_url", "image_url": {"url": PIXEL_URI}}
INLINE = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}


def _call(call_id: str, name: str = "f", arguments: str = "{}", **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function, **more}


def _calling(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def _result(call_id: str, content: Any = "1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def test_system_and_developer_messages_are_one_instruction() -> None:
    body = sent(
        messages=[
            {"role": "system", "content": "a"},
            HI,
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        ]
    )
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


def test_instruction_without_anybody_who_speaks_is_what_the_user_says() -> None:
    body = sent(messages=[{"role": "system", "content": "tell a joke"}])
    assert body == {"contents": [{"role": "user", "parts": [{"text": "tell a joke"}]}]}


def test_answers_in_a_row_are_one() -> None:
    contents = sent_contents(
        HI, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}, HI
    )
    assert [each["role"] for each in contents] == ["user", "model", "user"]
    assert contents[1]["parts"] == [{"text": "a"}, {"text": "b"}]


def test_thoughts_and_refusals_of_earlier_turns_are_told() -> None:
    contents = sent_contents(
        HI, {"role": "assistant", "content": "a", "reasoning_content": "why"}, HI
    )
    assert contents[1]["parts"] == [{"text": "why", "thought": True}, {"text": "a"}]
    assert sent_contents(HI, {"role": "assistant", "content": None, "refusal": "no"}, HI)[1][
        "parts"
    ] == [{"text": "no"}]


@pytest.mark.parametrize(
    ("part", "sent_part"),
    [
        ({"type": "text", "text": "a"}, {"text": "a"}),
        (IMAGE, INLINE),
        ({"type": "image_url", "image_url": {"url": f"DATA:;base64,{PIXEL}"}}, INLINE),
        (
            {"type": "image_url", "image_url": {"url": "data:image/webp;base64,_-A"}},
            {"inlineData": {"mimeType": "image/webp", "data": "/+A="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "gs://b/kiwi.jpg"}},
            {"fileData": {"fileUri": "gs://b/kiwi.jpg", "mimeType": "image/jpeg"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        ),
        (
            {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        ),
        (
            {"type": "file", "file": {"file_data": "JVBERg=="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
        ),
        (
            {
                "type": "file",
                "file": {
                    "file_id": "https://generativelanguage.googleapis.com/v1beta/files/a",
                    "filename": "a.pdf",
                },
            },
            {
                "fileData": {
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a",
                    "mimeType": "application/pdf",
                }
            },
        ),
    ],
)
def test_parts_of_every_kind(part: Any, sent_part: Any) -> None:
    trusting = target(allow_client_options=True)
    contents = sent_contents({"role": "user", "content": [part]}, asked_target=trusting)
    assert contents[0]["parts"] == [sent_part]


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "ftp://example.com/a.png"}}, "image_url.url"),
        (
            {"type": "image_url", "image_url": {"url": "data:text/html;base64,AAAA"}},
            "image_url.url",
        ),
        ({"type": "image_url", "image_url": {"url": "data:image/png,AAAA"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,A"}}, "image_url.url"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "file.file_id"),
        ({"type": "file", "file": {"file_id": "https://evil.example/files/1"}}, "file.file_id"),
        ({"type": "image_url", "image_url": {"url": "gs://b/kiwi.jpg"}}, "image_url.url"),
        ({"type": "file", "file": {"file_id": "gs://b/a.pdf"}}, "file.file_id"),
        ({"type": "file", "file": {"file_data": 3}}, "file.file_data"),
        (
            {"type": "input_audio", "input_audio": {"data": "!", "format": "mp3"}},
            "input_audio.data",
        ),
    ],
)
def test_part_that_cannot_be_sent_is_refused_by_its_place(part: Any, place: str) -> None:
    error = refusal(messages=[{"role": "user", "content": [part]}])
    assert error.param == f"messages[0].content[0].{place}"


def test_detail_and_names_are_told_to_be_dropped() -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL_URI, "detail": "low"}}
    call = ask(messages=[{"role": "user", "name": "ann", "content": [image]}])
    assert set(call.dropped_params) == {"messages.name", "messages.content.image_url.detail"}


def test_only_links_that_google_does_not_read_are_fetched() -> None:
    for url in ("http://a/b", "HTTPS://a/b", " https://a/b", "https://a/files/b"):
        assert Gemini().needs_fetching(url), url
        assert Ollama().needs_fetching(url), url
    for url in (PIXEL_URI, "gs://b/a", "https://generativelanguage.googleapis.com/v1beta/files/a"):
        assert not Gemini().needs_fetching(url), url


def test_results_follow_their_calls_in_the_calls_order_and_name_them() -> None:
    contents = sent_contents(
        HI,
        _calling(_call("a", "f", '{"x":1}'), _call("b", "g", "")),
        _result("b", "two"),
        _result("a", [{"type": "text", "text": "one"}, {"type": "text", "text": "more"}]),
        HI,
    )
    assert contents[1]["parts"] == [
        called("f", {"x": 1}, DUMMY, id="a"),
        called("g", {}, id="b"),
    ]
    assert contents[2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "a", "name": "f", "response": {"result": "one\nmore"}}},
            {"functionResponse": {"id": "b", "name": "g", "response": {"result": "two"}}},
        ],
    }
    assert contents[3] == {"role": "user", "parts": [{"text": "hi"}]}


def test_older_function_calls_and_results() -> None:
    call = {"name": "f", "arguments": "[1]"}
    contents = sent_contents(
        HI,
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "f", "content": "1"},
    )
    assert contents[1]["parts"][0]["functionCall"] == {"name": "f", "args": {"_raw": "[1]"}}
    response = {"name": "f", "response": {"result": "1"}}
    assert contents[2]["parts"] == [{"functionResponse": response}]


def test_images_of_a_result_are_in_it_or_beside_it_by_generation() -> None:
    history = [HI, _calling(_call("a")), _result("a", [{"type": "text", "text": "t"}, IMAGE])]
    response = {"id": "a", "name": "f", "response": {"result": "t"}}
    assert sent_contents(*history)[2]["parts"] == [
        {"functionResponse": {**response, "parts": [INLINE]}}
    ]
    older = sent_contents(*history, asked_target=target("gemini-2.5-flash"))
    assert older[2]["parts"] == [{"functionResponse": response}, INLINE]


def test_results_come_before_images_also_of_an_earlier_result() -> None:
    contents = sent_contents(
        HI,
        _calling(_call("a"), _call("b")),
        _result("a", [IMAGE]),
        _result("b"),
        asked_target=target("gemini-2.5-flash"),
    )
    kinds = [next(iter(part)) for part in contents[2]["parts"]]
    assert kinds == ["functionResponse", "functionResponse", "inlineData"]


def test_signature_in_the_id_is_enough() -> None:
    signed = build_id("own", SIGNATURE, TARGET)
    assert parse_id(signed, TARGET) == ("own", SIGNATURE)
    contents = sent_contents(HI, _calling(_call(signed), _call("b")), _result(signed), _result("b"))
    assert contents[1]["parts"] == [called("f", {}, SIGNATURE, id="own"), called("f", {}, id="b")]
    assert contents[2]["parts"][0]["functionResponse"]["id"] == "own"


def test_signature_in_googles_own_field_is_enough() -> None:
    extra = {"google": {"thought_signature": SIGNATURE}}
    contents = sent_contents(HI, _calling(_call("a", extra_content=extra)), _result("a"))
    assert contents[1]["parts"] == [called("f", {}, SIGNATURE, id="a")]
    said = {"role": "assistant", "content": "a", "extra_content": extra}
    assert sent_contents(HI, said, HI)[1]["parts"] == [{"text": "a", "thoughtSignature": SIGNATURE}]


def test_signature_of_another_target_is_left_out() -> None:
    signed = build_id("own", SIGNATURE, "other/gemini-3-pro")
    extra = {"google": {"thought_signature": SIGNATURE}}
    history = [HI, _calling(_call(signed, extra_content=extra)), _result(signed)]
    assert sent_contents(*history)[1]["parts"] == [called("f", {}, DUMMY, id="own")]


def test_models_that_demand_no_signature_get_no_dummy() -> None:
    contents = sent_contents(
        HI, _calling(_call("a")), _result("a"), asked_target=target("gemini-2.5-pro")
    )
    assert contents[1]["parts"] == [called("f", {}, id="a")]


@given(st.text(min_size=1).filter(lambda text: "__ts" not in text), st.binary(min_size=1))
def test_any_signature_survives_in_an_id(own_id: str, signature: bytes) -> None:
    import base64

    encoded = base64.b64encode(signature).decode()
    built = build_id(own_id, encoded, TARGET)
    assert parse_id(built, TARGET) == (own_id, encoded)


def test_an_id_is_made_where_there_is_none_and_nothing_odd_gets_into_it() -> None:
    made = [build_id(None, None, TARGET) for _ in range(3)]
    assert len(set(made)) == 3
    assert build_id("a", "no base 64 \n", TARGET) == "a"


_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_NAME = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def _conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(1, 3))):
        content = draw(
            st.lists(
                _TEXT.map(lambda t: {"type": "text", "text": t}) | st.just(IMAGE),
                min_size=1,
                max_size=3,
            )
        )
        messages.append({"role": "user", "content": content})
        answer: dict[str, Any] = {"role": "assistant", "content": draw(_TEXT)}
        if draw(st.booleans()):
            answer["reasoning_content"] = draw(_TEXT)
        calls = [
            _call(f"c{turn}_{n}", draw(_NAME), json.dumps(draw(st.dictionaries(_TEXT, _VALUE))))
            for n in range(draw(st.integers(0, 3)))
        ]
        if calls:
            answer["tool_calls"] = calls
        messages.append(answer)
        messages += [_result(call["id"], draw(_TEXT)) for call in draw(st.permutations(calls))]
    return messages


def _back(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read contents as the conversation they stand for."""
    messages: list[dict[str, Any]] = []
    for content in contents:
        if content["role"] == "model":
            answer: dict[str, Any] = {"role": "assistant", "content": ""}
            for part in content["parts"]:
                if "functionCall" in part:
                    made = part["functionCall"]
                    call = _call(made["id"], made["name"], json.dumps(made["args"]))
                    answer.setdefault("tool_calls", []).append(call)
                elif part.get("thought"):
                    answer["reasoning_content"] = part["text"]
                else:
                    answer["content"] += part["text"]
            messages.append(answer)
        elif "functionResponse" in content["parts"][0]:
            for part in content["parts"]:
                response = part["functionResponse"]
                messages.append(_result(response["id"], response["response"]["result"]))
        else:
            parts = [
                {"type": "text", "text": part["text"]} if "text" in part else IMAGE
                for part in content["parts"]
            ]
            messages.append({"role": "user", "content": parts})
    return messages


def _in_order(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a conversation with results in the order of their calls, and arguments spelt alike."""
    ordered: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for message in [*messages, HI]:
        if message["role"] == "tool":
            results.append(message)
            continue
        ordered += sorted(results, key=lambda each: str(each["tool_call_id"]))
        results = []
        ordered.append(message)
    return ordered[:-1]


@settings(max_examples=60, deadline=None)
@given(_conversations())
def test_conversation_there_and_back_loses_nothing(messages: list[dict[str, Any]]) -> None:
    assert _back(sent_contents(*messages)) == _in_order(messages)


def test_images_of_an_earlier_answer_go_back_signed() -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL_URI}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    extra = {"google": {"thought_signature": "c2ln"}}
    answer = {"role": "assistant", "content": None, "images": [image], "extra_content": extra}
    (_, said, _) = sent_contents(HI, answer, HI)
    inline = {"mimeType": "image/png", "data": PIXEL}
    assert said == {
        "role": "model",
        "parts": [{"inlineData": inline, "thoughtSignature": "c2ln"}],
    }
    call = ask(messages=[HI, {**answer, "content": "a", "images": [linked, 7]}, HI])
    assert call.dropped_params == ("messages.images",)


def test_the_common_name_of_jpeg_is_the_proper_one() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/4AAQ"}}
    (content,) = sent_contents({"role": "user", "content": [part]})
    assert content["parts"] == [{"inlineData": {"mimeType": "image/jpeg", "data": "/9j/4AAQ"}}]
