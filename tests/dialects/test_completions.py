"""OpenAI's older completions, over the canonical form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Completion

from gateway.chunks import gather
from gateway.dialects import completions
from gateway.dialects.completions import (
    CompletionsRequest,
    iter_frames_of_all,
    join_completions,
    split_request,
)
from gateway.errors import InvalidRequestError

USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def split(**fields: Any) -> list[CompletionsRequest]:
    return split_request(json.dumps({"model": "m", "prompt": "hi", **fields}).encode())


def chunk(text: str = "", reason: str | None = None, index: int = 0, **choice: Any) -> Any:
    choices = [{"index": index, "delta": {"content": text}, "finish_reason": reason, **choice}]
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "choices": choices}


def answer(*texts: str) -> list[Any]:
    return [
        [chunk("", index=0)],
        [],
        *([chunk(text)] for text in texts),
        [chunk("", "stop"), {"id": "x", "choices": [], "usage": USAGE}],
    ]


def read(frames: list[bytes]) -> list[Completion]:
    *events, done, rest = b"".join(frames).split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [_read_event(each) for each in events]


def _read_event(event: bytes) -> Completion:
    """Check an event; its type leaves out the null that OpenAI's API sends before the end."""
    value = json.loads(event.removeprefix(b"data: "))
    checked = json.loads(event.removeprefix(b"data: "))
    for choice in checked["choices"]:
        choice["finish_reason"] = choice["finish_reason"] or "stop"
    completion = Completion.model_validate(checked, strict=True)
    for choice, told in zip(completion.choices, value["choices"], strict=True):
        choice.finish_reason = told["finish_reason"]
    return completion


def test_a_prompt_is_a_users_message() -> None:
    (request,) = split(max_tokens=5, temperature=0, stop=["a"], logprobs=2)
    assert request["messages"] == [{"role": "user", "content": "hi"}]
    assert (request["max_tokens"], request["stop"], request["stream"]) == (5, ["a"], False)
    assert (request["logprobs"], request["top_logprobs"]) == (True, 2)


def test_every_prompt_is_a_request_of_its_own() -> None:
    first, second = split(prompt=["a", "b"], n=3)
    assert (first.prompt, first.first_index) == ("a", 0)
    assert (second.prompt, second.first_index) == ("b", 3)
    assert second.native["prompt"] == "b"


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"suffix": "x"}, ("suffix",)),
        ({"prompt": [1, 2, 3]}, ("prompt",)),
        ({"prompt": [[1, 2]]}, ("prompt",)),
        ({"best_of": 3}, ("best_of",)),
        ({"best_of": 3, "n": 3}, ()),
        ({"echo": True, "logprobs": 1}, ("echo",)),
        ({"echo": True}, ()),
    ],
)
def test_what_a_chat_cannot_do_is_named(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    assert split(**fields)[0].native_only == names


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": 7}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 7]}, "prompt[1]"),
        ({"n": 0}, "n"),
        ({"best_of": "x"}, "best_of"),
        ({"stream_options": "x"}, "stream_options"),
        ({"best_of": [1]}, "best_of"),
        ({"echo": "yes"}, "echo"),
        ({"logprobs": -1}, "logprobs"),
        ({"stream": 1}, "stream"),
        ({"model": None}, "model"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        split(**fields)
    assert raised.value.param == param


def test_a_stream_is_read_by_openais_types() -> None:
    (request,) = split(stream=True)
    frames = list(completions.iter_frames(iter(answer("Hello", " you")), request))
    assert frames[1] == b""
    told = read(frames)
    assert "".join(each.choices[0].text for each in told) == "Hello you"
    assert told[-1].choices[0].finish_reason == "stop"
    assert len({each.id for each in told}) == 1
    assert not any(each.usage for each in told)


def test_usage_is_told_once_and_only_when_asked_for() -> None:
    (request,) = split(stream=True, stream_options={"include_usage": True})
    told = read(list(completions.iter_frames(iter(answer("a")), request)))
    assert [bool(each.usage) for each in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].choices == []


def test_streams_of_several_prompts_are_one() -> None:
    requests = split(
        prompt=["a", "b"], stream=True, echo=True, stream_options={"include_usage": True}
    )
    answers = [(iter(answer("1")), requests[0]), (iter(answer("2")), requests[1])]
    told = read(list(iter_frames_of_all(iter(answers))))
    texts = {0: "", 1: ""}
    for each in told[:-1]:
        texts[each.choices[0].index] += each.choices[0].text
    assert texts == {0: "a1", 1: "b2"}
    assert told[-1].usage is not None
    assert told[-1].usage.total_tokens == 16
    assert len({each.id for each in told}) == 1


def test_a_whole_answer_is_read_by_openais_types() -> None:
    requests = split(prompt=["a", "b"], echo=True)
    joined = join_completions([gather(iter(answer("1"))), gather(iter(answer("2")))], requests)
    told = Completion.model_validate(joined, strict=True)
    assert [(each.index, each.text) for each in told.choices] == [(0, "a1"), (1, "b2")]
    assert told.usage is not None
    assert told.usage.total_tokens == 16


def test_log_probabilities_have_the_older_shape() -> None:
    def entry(token: str) -> dict[str, Any]:
        top = [{"token": token, "logprob": -0.5, "bytes": None}]
        return {"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": top}

    batches = [
        [chunk("ab", logprobs={"content": [entry("a"), entry("b")]})],
        [chunk("cd", "stop", logprobs={"content": [entry("cd")]})],
    ]
    (request,) = split(stream=True, logprobs=1)
    one, two = read(list(completions.iter_frames(iter(batches), request)))
    assert one.choices[0].logprobs is not None
    assert one.choices[0].logprobs.tokens == ["a", "b"]
    assert one.choices[0].logprobs.text_offset == [0, 1]
    assert two.choices[0].logprobs is not None
    assert two.choices[0].logprobs.text_offset == [2]
    assert two.choices[0].logprobs.top_logprobs == [{"cd": -0.5}]
