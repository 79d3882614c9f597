"""Conversations in Anthropic's form: roles, their order, and what parts become."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.anthropic.asking import (
    HELLO,
    NEW,
    OLD,
    PIXEL,
    dropped,
    refusal,
    sent,
    sent_messages,
)

CACHE = {"type": "ephemeral", "ttl": "1h"}
HI = {"role": "user", "content": "hi"}
PDF = "data:application/pdf;base64,JVBERi0xLjQ="


def system(text: str, role: str = "system") -> dict[str, Any]:
    return {"role": role, "content": text}


def called(*ids: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": '{"a": 1}'}
    calls = [{"id": each, "type": "function", "function": function} for each in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(call_id: str, content: Any = "ok", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **fields}


def texts(*said: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": each} for each in said]


def user_part(part: dict[str, Any]) -> Any:
    (message,) = sent_messages({"role": "user", "content": [part]})
    (block,) = message["content"]
    return block


def test_leading_instructions_are_the_system_prompt() -> None:
    body = sent(messages=[system("a"), system("b", "developer"), HI])
    assert body["system"] == "a\nb"
    assert [message["role"] for message in body["messages"]] == ["user"]


def test_instructions_that_are_to_be_cached_stay_blocks() -> None:
    parts = [{"type": "text", "text": "long", "cache_control": CACHE}]
    body = sent(messages=[{"role": "system", "content": parts}, system("b"), HI])
    assert body["system"] == [*parts, *texts("b")]


def test_instructions_alone_are_what_the_user_says() -> None:
    body = sent(messages=[system("do it")])
    assert body["messages"] == [{"role": "user", "content": texts("do it")}]
    assert "system" not in body


@pytest.mark.parametrize(
    ("model", "stays"),
    [
        ("claude-opus-4-8", True),
        ("claude-opus-5", True),
        ("claude-fable-5", True),
        ("claude-sonnet-5-5", True),
        ("claude-sonnet-5", False),
        ("claude-opus-4-7", False),
        (OLD, False),
    ],
)
def test_later_instructions_stay_where_the_model_takes_them(model: str, stays: bool) -> None:
    body = sent(model, messages=[system("a"), HI, system("b")])
    roles = [message["role"] for message in body["messages"]]
    assert roles == (["user", "system"] if stays else ["user"])
    assert body["system"] == ("a" if stays else "a\nb")


@pytest.mark.parametrize(
    "messages",
    [
        [HI, system("b"), HI],
        [HI, {"role": "assistant", "content": "yes"}, system("b"), HI],
    ],
)
def test_later_instructions_in_another_place_join_the_first(messages: list[Any]) -> None:
    assert sent(messages=messages)["system"] == "b"


def test_neighbours_of_one_role_are_one_message() -> None:
    assert sent_messages(HI, {"role": "user", "content": "you"}) == [
        {"role": "user", "content": texts("hi", "you")}
    ]


def test_an_assistant_that_begins_has_a_user_before_it() -> None:
    first, second, _ = sent_messages({"role": "assistant", "content": "Welcome"}, HI)
    assert first["role"] == "user"
    assert second["content"] == texts("Welcome")


def test_an_answer_may_be_begun_where_the_model_goes_on_with_it() -> None:
    begun = {"role": "assistant", "content": "{"}
    assert sent_messages(HI, begun, model="claude-haiku-4-5")[-1]["content"] == texts("{")
    assert refusal(messages=[HI, begun]).param == "messages"


def test_results_come_first_in_one_message() -> None:
    _, assistant, answer = sent_messages(
        HI, called("a", "b"), result("a"), {"role": "user", "content": "and?"}, result("b", "no")
    )
    assert [block["id"] for block in assistant["content"]] == ["a", "b"]
    assert answer["role"] == "user"
    assert answer["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "ok"},
        {"type": "tool_result", "tool_use_id": "b", "content": "no"},
        *texts("and?"),
    ]


def test_a_failed_result_says_so() -> None:
    *_, answer = sent_messages(HI, called("a"), result("a", "no such city", is_error=True))
    assert answer["content"][0]["is_error"] is True


def test_a_result_may_hold_images_and_documents() -> None:
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "file", "file": {"file_data": PDF}},
    ]
    *_, answer = sent_messages(HI, called("a"), result("a", parts))
    inner = answer["content"][0]["content"]
    assert [block["type"] for block in inner] == ["text", "image", "document"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ('{"a": [1, 2]}', {"a": [1, 2]}),
        ("{broken", {"_raw": "{broken"}),
        ("[1]", {"_raw": "[1]"}),
    ],
)
def test_arguments_become_an_object(arguments: str, expected: Any) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    message = {"role": "assistant", "content": "now", "tool_calls": [call]}
    *_, assistant, _ = sent_messages(HI, message, result("a"))
    assert assistant["content"] == [
        *texts("now"),
        {"type": "tool_use", "id": "a", "name": "f", "input": expected},
    ]


def test_ids_of_other_providers_are_written_as_anthropic_takes_them() -> None:
    _, assistant, answer = sent_messages(
        HI, called("call:1", "call.1"), result("call:1"), result("call.1")
    )
    ids = [block["id"] for block in assistant["content"]]
    assert ids == [block["tool_use_id"] for block in answer["content"]]
    assert len(set(ids)) == 2
    assert all(each.replace("_", "").isalnum() for each in ids)


def test_calls_of_the_older_form_have_ids_of_their_own() -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}
    answered = {"role": "function", "name": "f", "content": "1"}
    built = sent_messages(HI, call, answered, call, answered)
    ids = [built[place]["content"][0]["id"] for place in (1, 3)]
    assert len(set(ids)) == 2
    assert [built[place]["content"][0]["tool_use_id"] for place in (2, 4)] == ids


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (
            f"data:image/png;base64,{PIXEL}",
            {"type": "base64", "media_type": "image/png", "data": PIXEL},
        ),
        (
            "data:image/jpg;base64,_-8",
            {"type": "base64", "media_type": "image/jpeg", "data": "/+8="},
        ),
        (
            f"data:;base64,{PIXEL}",
            {"type": "base64", "media_type": "image/png", "data": PIXEL},
        ),
        ("https://example.com/a.png", {"type": "url", "url": "https://example.com/a.png"}),
    ],
)
def test_an_image_becomes_a_source(url: str, source: Any) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    assert user_part(part) == {"type": "image", "source": source}


@pytest.mark.parametrize(
    "url",
    ["data:image/tiff;base64,AAAA", "data:image/png;base64,!", "file:///etc/passwd", "data:,"],
)
def test_what_is_no_image_is_refused(url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    found = refusal(messages=[{"role": "user", "content": content}])
    assert found.param == "messages[0].content[0].image_url.url"


@pytest.mark.parametrize(
    ("file", "block"),
    [
        (
            {"file_data": PDF, "filename": "a.pdf"},
            {
                "type": "document",
                "title": "a.pdf",
                "source": {
                    "type": "base64",
                    "media_type": "application/pdf",
                    "data": "JVBERi0xLjQ=",
                },
            },
        ),
        (
            {"file_data": "data:text/plain;base64,aGk="},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "hi"},
            },
        ),
        (
            {"file_data": "https://example.com/a.pdf"},
            {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        ),
        ({"file_id": "f-1"}, {"type": "document", "source": {"type": "file", "file_id": "f-1"}}),
    ],
)
def test_a_file_becomes_a_document(file: Any, block: Any) -> None:
    assert user_part({"type": "file", "file": file}) == block


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,UEsDBA=="}},
        {"type": "file", "file": {"file_data": 5}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ],
)
def test_parts_that_cannot_be_sent_are_refused(part: Any) -> None:
    param = refusal(messages=[{"role": "user", "content": [part]}]).param
    assert param is not None
    assert param.startswith("messages[0].content[0]")


def test_hints_for_the_cache_pass_through() -> None:
    part = {"type": "text", "text": "long", "cache_control": CACHE}
    (message,) = sent_messages({"role": "user", "content": [part]})
    assert message["content"] == [part]
    hint = {"mode": "explicit", "ttl": "24h"}
    part = {"type": "text", "text": "long", "prompt_cache_breakpoint": hint}
    (message,) = sent_messages({"role": "user", "content": [part]})
    assert message["content"] == [{**texts("long")[0], "cache_control": {"type": "ephemeral"}}]
    (message,) = sent_messages({**HI, "cache_control": CACHE})
    assert message["content"] == [{**texts("hi")[0], "cache_control": CACHE}]
    *_, answer = sent_messages(HI, called("a"), result("a", cache_control=CACHE))
    assert answer["content"][0]["cache_control"] == CACHE


def test_blank_texts_are_left_out_and_a_blank_message_refused() -> None:
    parts = [*texts("", " "), *texts("hi")]
    assert sent_messages({"role": "user", "content": parts})[0]["content"] == texts("hi")
    assert refusal(messages=[{"role": "user", "content": ""}]).param == "messages[0].content"


def test_what_a_message_cannot_carry_is_told() -> None:
    image = {"url": f"data:image/png;base64,{PIXEL}", "detail": "high"}
    messages = [
        {"role": "user", "name": "Ann", "content": [{"type": "image_url", "image_url": image}]},
        {"role": "assistant", "content": "yes", "reasoning_content": "hm"},
        *HELLO,
    ]
    assert dropped(NEW, messages=messages) == [
        "messages.name",
        "messages.content.image_url.detail",
        "messages.reasoning_content",
    ]


def test_an_earlier_answer_in_audio_is_refused() -> None:
    message = {"role": "assistant", "content": None, "audio": {"id": "a-1"}}
    assert refusal(messages=[HI, message, HI]).param == "messages[1].audio"


def test_a_begun_answer_does_not_end_with_white_space() -> None:
    begun = {"role": "assistant", "content": "Hello \n"}
    built = sent_messages({"role": "user", "content": "hi"}, begun, model=OLD)
    assert built[-1]["content"] == [{"type": "text", "text": "Hello"}]
