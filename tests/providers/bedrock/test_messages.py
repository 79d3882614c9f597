"""Conversations as Bedrock gets them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gateway.providers.bedrock import Bedrock
from gateway.providers.bedrock.messages import build_messages
from tests.providers.bedrock.asking import PIXEL, refusal, sent

PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.7").decode()


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def called(call_id: str, arguments: str = "{}", name: str = "f") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant(*calls: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": list(calls), **fields}


def result(call_id: str, content: Any = "42") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def built(*messages: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sent(messages=list(messages))["messages"]
    return found


def test_system_and_developer_messages_go_to_the_front() -> None:
    body = sent(
        messages=[
            {"role": "system", "content": "a"},
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        ]
    )
    assert body["system"] == [{"text": "a"}, {"text": "b"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]


def test_neighbours_of_one_role_become_one_message() -> None:
    hi, there = {"role": "user", "content": "hi"}, {"role": "user", "content": "there"}
    assert built(hi, there) == [{"role": "user", "content": [{"text": "hi"}, {"text": "there"}]}]


def test_results_of_parallel_calls_are_one_message_before_the_users_text() -> None:
    messages = built(
        {"role": "user", "content": "hi"},
        assistant(called("a", '{"x": 1}'), called("b", ""), content="well"),
        result("b"),
        result("a", [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]),
        user({"type": "text", "text": "and?"}, image(PIXEL)),
    )
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == [
        {"text": "well"},
        {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1}}},
        {"toolUse": {"toolUseId": "b", "name": "f", "input": {}}},
    ]
    assert messages[2]["content"] == [
        {"toolResult": {"toolUseId": "b", "content": [{"text": "42"}]}},
        {"toolResult": {"toolUseId": "a", "content": [{"text": "one"}, {"text": "two"}]}},
        {"text": "and?"},
        {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
    ]


def test_a_result_that_says_nothing_is_still_there() -> None:
    messages = built({"role": "user", "content": "hi"}, assistant(called("a")), result("a", ""))
    assert messages[2]["content"][0]["toolResult"]["content"] == [{"text": "(no output)"}]


def test_arguments_that_are_no_object_are_kept_whole() -> None:
    messages = built(
        {"role": "user", "content": "hi"},
        assistant(called("a", "{oops"), called("b", "[1]")),
        result("a"),
        result("b"),
    )
    uses = [block["toolUse"]["input"] for block in messages[1]["content"]]
    assert uses == [{"_raw": "{oops"}, {"_raw": "[1]"}]


def test_ids_of_other_providers_are_made_fit_and_still_match() -> None:
    strange = "call/ü " * 20
    messages = built({"role": "user", "content": "hi"}, assistant(called(strange)), result(strange))
    use = messages[1]["content"][0]["toolUse"]["toolUseId"]
    assert use == messages[2]["content"][0]["toolResult"]["toolUseId"]
    assert len(use) <= 64
    assert use.isascii()


def test_blank_text_is_left_out() -> None:
    assert built(
        {"role": "system", "content": "  "},
        user({"type": "text", "text": "\n"}, {"type": "text", "text": "hi"}),
        {"role": "assistant", "content": "", "refusal": "no"},
    ) == [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"text": "no"}]},
    ]


def test_only_signed_or_encrypted_reasoning_goes_back() -> None:
    blocks = [
        {"type": "thinking", "thinking": "unsigned"},
        {"type": "redacted_thinking", "data": "c2VjcmV0"},
        {"type": "thinking", "thinking": "so", "signature": "sig"},
        "nonsense",
    ]
    said = {"role": "assistant", "content": "x", "thinking_blocks": blocks}
    assert built({"role": "user", "content": "hi"}, {**said, "reasoning_content": "so"})[1] == {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
            {"reasoningContent": {"reasoningText": {"text": "so", "signature": "sig"}}},
            {"text": "x"},
        ],
    }


def test_documents_have_a_format_and_different_neutral_names() -> None:
    file = {"file_data": PDF, "filename": "Q3: report (final).pdf"}
    part = {"type": "file", "file": file}
    text = {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk="}}
    (message,) = built(user(part, part, text))
    documents = [block["document"] for block in message["content"]]
    assert [document["name"] for document in documents] == [
        "Q3 report (final)",
        "Q3 report (final) 1",
        "document 2",
    ]
    assert [document["format"] for document in documents] == ["pdf", "pdf", "txt"]
    assert base64.b64decode(documents[0]["source"]["bytes"]) == b"%PDF-1.7"


def test_audio_is_sent_as_bytes() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    assert built(user(audio))[0]["content"] == [
        {"audio": {"format": "wav", "source": {"bytes": "AAAA"}}}
    ]


@pytest.mark.parametrize(
    ("hint", "point"),
    [
        ({"cache_control": {"type": "ephemeral"}}, {"type": "default"}),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"type": "default", "ttl": "1h"}),
        ({"prompt_cache_breakpoint": {"mode": "explicit"}}, {"type": "default"}),
    ],
)
def test_cache_hints_become_cache_points(hint: dict[str, Any], point: dict[str, Any]) -> None:
    part = {"type": "text", "text": "long", **hint}
    body = sent(messages=[{"role": "system", "content": [part]}, user(part)])
    assert body["system"] == [{"text": "long"}, {"cachePoint": point}]
    assert body["messages"][0]["content"] == [{"text": "long"}, {"cachePoint": point}]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([user(image("https://x/y.png"))], "messages[0].content[0].image_url.url"),
        ([user(image("data:image/bmp;base64,AAAA"))], "messages[0].content[0].image_url.url"),
        ([user(image("data:image/png;base64,!!"))], "messages[0].content[0].image_url.url"),
        ([user({"type": "file", "file": {"file_id": "f"}})], "messages[0].content[0].file"),
        (
            [user({"type": "file", "file": {"file_data": "data:video/mp4;base64,AAAA"}})],
            "messages[0].content[0].file.file_data",
        ),
        ([{"role": "system", "content": "only"}], "messages"),
        ([{"role": "function", "name": "f", "content": "1"}], "messages[0].role"),
        ([{"role": "assistant", "audio": {"id": "x"}}], "messages[0].audio"),
    ],
)
def test_what_can_not_be_sent_is_refused_by_its_place(messages: list[Any], param: str) -> None:
    assert refusal(messages=messages).param == param


def test_results_may_hold_images_where_the_client_may_send_them() -> None:
    """OpenAI's messages of role tool have text only; other APIs' results have images."""
    parts = [{"type": "text", "text": "see"}, image(PIXEL)]
    _, messages = build_messages(
        [{"role": "user", "content": "hi"}, assistant(called("a")), result("a", parts)]
    )
    assert messages[2]["content"][0]["toolResult"]["content"] == [
        {"text": "see"},
        {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
    ]


@pytest.mark.parametrize(
    ("url", "expected"), [("https://x/y.png", True), ("HTTP://x/y.png", True), (PIXEL, False)]
)
def test_linked_images_have_to_be_fetched(url: str, expected: bool) -> None:
    assert Bedrock().needs_fetching(url) is expected


def test_a_conversation_that_the_assistant_begins_has_something_before_it() -> None:
    messages = [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "hi"}]
    built = sent(messages=messages)["messages"]
    assert [message["role"] for message in built] == ["user", "assistant", "user"]


def test_a_begun_answer_does_not_end_with_white_space() -> None:
    begun = {"role": "assistant", "content": "Hello \n"}
    built = sent(messages=[{"role": "user", "content": "hi"}, begun])["messages"]
    assert built[-1]["content"] == [{"text": "Hello"}]
