"""The built-in demo: what it says, how fast, and what it refuses."""

from __future__ import annotations

import base64
import json
import math
import struct
from itertools import chain
from typing import Any

import pytest

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import InvalidRequestError, NotFoundError
from gateway.providers.demo import Demo, answer_embeddings, answer_models, iter_answer
from gateway.providers.openai import OpenAIChatCall

DEMO = Demo()
TARGET = Target(ProviderSettings("demo", "demo", "demo://demo"), "echo", "demo/echo")
SAID = (
    "This is the gateway's built-in demo provider. It is no AI: it only repeats what it was told. "
)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def call(*messages: Any, **fields: Any) -> tuple[OpenAIChatCall, bytes]:
    request = {"model": "demo/echo", "messages": list(messages), **fields}
    built = DEMO.build_chat(request, TARGET, None)
    assert built.requests[0].body is not None
    return built, built.requests[0].body


def whole(*messages: Any, **fields: Any) -> dict[str, Any]:
    built, body = call(*messages, **fields)
    ((_, answer),) = iter_answer(body)
    return built.parse_response(answer)


def content(*messages: Any, **fields: Any) -> str:
    text = whole(*messages, **fields)["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("messages", "echo"),
    [
        ([user("Hello there!")], 'You wrote: "Hello there!".'),
        ([user("one"), {"role": "assistant", "content": "x"}, user("two")], 'You wrote: "two".'),
        ([user("one"), {"role": "tool", "content": "x"}], 'You wrote: "one".'),
        ([user([{"type": "text", "text": "a"}, {"type": "image_url"}, 7,
                {"type": "text", "text": " b\n"}])], 'You wrote: "a b".'),
        ([user(" ".join(str(n) for n in range(33)))],
         f'You wrote: "{" ".join(str(n) for n in range(30))}" and 3 more words.'),
        ([user("x" * 41)], f'You wrote: "{"x" * 40}…".'),
        ([user("")], "You wrote nothing."),
        ([user(None)], "You wrote nothing."),
        ([{"role": "system", "content": "a"}, 7], "You wrote nothing."),
    ],
)  # fmt: skip
def test_the_demo_says_what_it_is_and_repeats_the_last_user_message(
    messages: list[Any], echo: str
) -> None:
    assert content(*messages) == SAID + echo


def test_a_whole_answer_is_a_completion_that_counts_words() -> None:
    _, body = call({"role": "system", "content": "Be brief."}, user("Hello there!"))
    ((delay, answer),) = iter_answer(body, clock=lambda: 1234.5)
    assert 0 < delay <= 0.3
    completion = json.loads(answer)
    assert completion.pop("id").startswith("chatcmpl-demo-")
    text = SAID + 'You wrote: "Hello there!".'
    assert completion == {
        "object": "chat.completion",
        "created": 1234,
        "model": "demo/echo",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 4, "completion_tokens": 22, "total_tokens": 26},
    }


def test_a_stream_says_the_same_word_by_word_at_a_human_pace() -> None:
    built, body = call(user("Hello there!"), stream=True)
    timed = list(iter_answer(body))
    chunks = list(chain.from_iterable(built.iter_chunks((piece for _, piece in timed), 0)))
    text = SAID + 'You wrote: "Hello there!".'
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[-1] == {}
    assert "".join(delta.get("content", "") for delta in deltas) == text
    assert len(timed) == len(text.split()) + 2
    assert all(0.03 <= delay <= 0.05 for delay, _ in timed[1:-1])
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]]
    assert reasons == [None] * (len(deltas) - 1) + ["stop"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 2, "completion_tokens": 22, "total_tokens": 24}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert timed[-1][1].endswith(b"data: [DONE]\n\n")


def test_the_same_request_gets_the_same_words() -> None:
    _, body = call(user("Hello"), stream=True)
    once, twice = ([piece for _, piece in iter_answer(body, lambda: 0.0)] for _ in range(2))
    first, second = (json.loads(pieces[0][6:])["id"].encode() for pieces in (once, twice))
    assert first != second
    assert [piece.replace(first, second) for piece in once] == twice


@pytest.mark.parametrize(
    ("limits", "words", "reason"),
    [
        ({"max_completion_tokens": 3}, 3, "length"),
        ({"max_tokens": 3}, 3, "length"),
        ({"max_completion_tokens": 2, "max_tokens": 3}, 2, "length"),
        ({"max_completion_tokens": 22}, 22, "stop"),
        ({"max_completion_tokens": None}, 22, "stop"),
    ],
)
def test_a_token_limit_limits_the_words(limits: dict[str, Any], words: int, reason: str) -> None:
    completion = whole(user("Hello there!"), **limits)
    choice = completion["choices"][0]
    assert (
        choice["message"]["content"].split()
        == (SAID + 'You wrote: "Hello there!".').split()[:words]
    )
    assert choice["finish_reason"] == reason
    assert completion["usage"]["completion_tokens"] == words


def test_what_the_demo_cant_honour_is_reported_as_dropped() -> None:
    built, _ = call(user("a"), stop=["b"], tools=[{}], temperature=0, seed=None, user="me", n=1)
    assert built.dropped_params == ("stop", "temperature", "tools")
    assert call(user("a"))[0].dropped_params == ()


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"n": 2}, "n", "The demo gives one choice: 'n' must be 1."),
        ({"max_tokens": 0}, "max_tokens", "'max_tokens' must be an integer of 1 or more."),
        ({"max_tokens": True}, "max_tokens", "'max_tokens' must be an integer of 1 or more."),
        ({"max_completion_tokens": "9"}, "max_completion_tokens",
         "'max_completion_tokens' must be an integer of 1 or more."),
    ],
)  # fmt: skip
def test_what_would_change_the_answer_is_refused(
    fields: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        call(user("a"), **fields)
    assert (raised.value.param, raised.value.message) == (param, message)


def test_another_model_does_not_exist() -> None:
    target = Target(TARGET.provider, "gpt-6", "demo/gpt-6")
    for build in (
        lambda: DEMO.build_chat({"messages": []}, target, None),
        lambda: DEMO.build_embeddings({"input": "a"}, target),
    ):
        with pytest.raises(NotFoundError) as raised:
            build()
        assert raised.value.to_dict() == {
            "error": {
                "message": "The model 'demo/gpt-6' does not exist: the demo has only 'echo'.",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_found",
            }
        }


def test_the_one_model_is_listed() -> None:
    (model,) = DEMO.parse_model_list(answer_models())
    assert (model.id, model.owned_by) == ("echo", "demo")


def embed(**fields: Any) -> dict[str, Any]:
    built = DEMO.build_embeddings({"model": "demo/echo", **fields}, TARGET)
    return built.parse_response(answer_embeddings(built.request.body or b""))


@pytest.mark.parametrize("dimensions", [None, 1, 3, 4096])
def test_embeddings_are_unit_vectors_of_the_dimensions_asked_for(dimensions: int | None) -> None:
    answer = embed(input=["a", "a b", "a"], dimensions=dimensions)
    vectors = [item["embedding"] for item in answer["data"]]
    assert [item["index"] for item in answer["data"]] == [0, 1, 2]
    assert [len(vector) for vector in vectors] == [dimensions or 8] * 3
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1.0] * 3)
    assert vectors[0] == vectors[2]
    assert answer["model"] == "echo"
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_different_texts_have_different_embeddings() -> None:
    first, second = (item["embedding"] for item in embed(input=["a", "b"])["data"])
    assert first != second


def test_embeddings_are_encoded_as_asked() -> None:
    floats = embed(input="a", encoding_format="float")["data"][0]["embedding"]
    encoded = embed(input="a", encoding_format="base64")["data"][0]["embedding"]
    assert struct.unpack("<8f", base64.b64decode(encoded)) == pytest.approx(floats, rel=1e-6)


@pytest.mark.parametrize(
    ("value", "count", "tokens"), [("a b", 1, 2), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)]
)
def test_texts_and_token_ids_are_embedded(value: Any, count: int, tokens: int) -> None:
    answer = embed(input=value)
    assert len(answer["data"]) == count
    assert answer["usage"]["prompt_tokens"] == tokens


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [True]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 4097}, "dimensions"),
        ({"input": "a", "dimensions": 1.5}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_a_wrong_embeddings_request_names_the_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        embed(**fields)
    assert raised.value.param == param
