"""How a conversation of earlier turns is told to Ollama."""

from __future__ import annotations

from typing import Any

from tests.providers.ollama.asking import sent_messages

USER = {"role": "user", "content": "hi"}


def assistant(content: str | None, *call_ids: str, **fields: Any) -> dict[str, Any]:
    """Return an assistant's message that called ``f`` once for each id."""
    calls = [
        {"id": each, "type": "function", "function": {"name": f"f_{each}", "arguments": "{}"}}
        for each in call_ids
    ]
    message = {"role": "assistant", "content": content, **fields}
    return {**message, "tool_calls": calls} if calls else message


def test_parallel_calls_and_their_results_keep_their_names_and_order() -> None:
    built = sent_messages(
        USER,
        assistant(None, "a", "b"),
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
    )
    assert [call["id"] for call in built[1]["tool_calls"]] == ["a", "b"]
    assert [(each["tool_name"], each["content"]) for each in built[2:]] == [
        ("f_b", "2"),
        ("f_a", "1"),
    ]


def test_neighbouring_assistants_are_joined_so_that_no_call_is_lost() -> None:
    built = sent_messages(
        USER, assistant("Let me see.", "a"), assistant("And.", "b", reasoning_content="Hm.")
    )
    assert len(built) == 2
    assert built[1]["content"] == "Let me see.\n\nAnd."
    assert built[1]["thinking"] == "Hm."
    assert [call["id"] for call in built[1]["tool_calls"]] == ["a", "b"]


def test_neighbouring_assistants_of_text_only_stay_apart() -> None:
    built = sent_messages(USER, assistant("one"), assistant("two"))
    assert [message["content"] for message in built] == ["hi", "one", "two"]


def test_older_function_calls_become_tool_calls() -> None:
    call = {"name": "f", "arguments": '{"a":1}'}
    built = sent_messages(
        USER,
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "f", "content": "1"},
    )
    assert built[1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
        },
        {"role": "tool", "content": "1", "tool_name": "f"},
    ]


def test_result_of_a_forgotten_call_keeps_the_name_the_client_gives() -> None:
    result = {"role": "tool", "tool_call_id": "gone", "name": "f", "content": "1"}
    assert sent_messages(USER, result)[1]["tool_name"] == "f"


def test_fields_that_sdks_send_back_with_an_answer_do_no_harm() -> None:
    echoed = assistant("42", refusal=None, annotations=[], audio=None, function_call=None)
    assert sent_messages(USER, echoed)[1] == {"role": "assistant", "content": "42"}
