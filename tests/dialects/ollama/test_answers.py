"""Canonical answers as Ollama's lines and objects, read as its own client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ollama import ChatResponse, GenerateResponse

from gateway.chunks import gather
from gateway.dialects.ollama import chat, generate
from gateway.dialects.ollama.models import build_loaded, build_show, build_tags
from gateway.errors import GatewayError, UpstreamError
from gateway.types import ModelInfo
from tests.dialects.chunks import call, chunk

USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 5,
    "total_tokens": 8,
    "prompt_tokens_details": {"cached_tokens": 2},
}


ANSWER = [
    [chunk({"role": "assistant", "content": ""})],
    [chunk({"reasoning_content": "hm"})],
    [],
    [chunk({"content": "ü\u2028"}), chunk({"content": "!"})],
    [chunk(call(0, "", "f")), chunk(call(0, '{"a":')), chunk(call(0, "1}"))],
    [chunk(call(1, "", "g"))],
    [chunk({}, "tool_calls"), chunk(None, usage=USAGE)],
]


def frames(module: Any, batches: Any = None) -> list[bytes]:
    request = {"model": "m"}
    return list(module.iter_frames(iter(ANSWER if batches is None else batches), request))


def sent_before_failure(batches: Iterator[Any]) -> list[bytes]:
    sent: list[bytes] = []
    with pytest.raises(GatewayError):
        sent.extend(chat.iter_frames(batches, {"model": "m"}))
    return sent


def lines(data: list[bytes]) -> list[dict[str, Any]]:
    text = b"".join(data)
    assert text.isascii()
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_stream_of_a_chat() -> None:
    told = [ChatResponse(**line) for line in lines(frames(chat))]
    assert "".join(each.message.content or "" for each in told) == "ü\u2028!"
    assert "".join(each.message.thinking or "" for each in told) == "hm"
    calls = [c.function for each in told for c in each.message.tool_calls or ()]
    assert [(c.name, c.arguments) for c in calls] == [("f", {"a": 1}), ("g", {})]
    assert [each.done for each in told] == [False] * (len(told) - 1) + [True]
    last = told[-1]
    assert (last.done_reason, last.prompt_eval_count, last.eval_count) == ("stop", 3, 5)
    assert last.total_duration is not None


def test_each_batch_leaves_at_once() -> None:
    sent = frames(chat)
    assert sent[2] == b""
    assert sent[3].count(b"\n") == 2


def test_a_stream_of_a_completion() -> None:
    told = [GenerateResponse(**line) for line in lines(frames(generate))]
    assert "".join(each.response or "" for each in told) == "ü\u2028!"
    assert told[-1].done


@pytest.mark.parametrize("module", [chat, generate])
def test_a_whole_answer_says_what_the_stream_said(module: Any) -> None:
    whole = module.encode_completion(gather(iter(ANSWER)), {"model": "m"})
    read = json.loads(json.dumps(whole))
    said = read["message"] if module is chat else {**read, "content": read["response"]}
    assert said["content"] == "ü\u2028!"
    assert said["thinking"] == "hm"
    assert [c["function"]["arguments"] for c in said["tool_calls"]] == [{"a": 1}, {}]
    assert (read["done"], read["done_reason"], read["eval_count"]) == (True, "stop", 5)
    assert read["prompt_eval_cached_count"] == 2


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_other_reasons_keep_their_names(reason: str) -> None:
    assert lines(frames(chat, [[chunk({"content": "a"}, reason)]]))[-1]["done_reason"] == reason


def test_a_failure_is_a_line_and_the_end() -> None:
    def fail() -> Iterator[Any]:
        yield [chunk({"content": "a"})]
        raise UpstreamError("It broke.")

    sent = sent_before_failure(fail())
    assert lines(sent)[-1] == {"error": "It broke."}
    assert not any(line.get("done") for line in lines(sent))


def test_arguments_that_are_no_object_are_a_failure() -> None:
    batches = [[chunk(call(0, "[1", "f")), chunk({}, "tool_calls")]]
    assert "error" in lines(sent_before_failure(iter(batches)))[-1]


@pytest.mark.parametrize(("module", "answer"), [(chat, ChatResponse), (generate, GenerateResponse)])
def test_a_ping_is_a_line_that_says_nothing(module: Any, answer: Any) -> None:
    (line,) = lines([module.encode_note("queued 3", True)])
    assert answer(**line).done is False


def test_models_are_told_as_ollama_does() -> None:
    model = ModelInfo("openai/gpt", 1721172741, "system", None, 8192)
    (entry,) = build_tags([model])["models"]
    assert (entry["name"], entry["modified_at"]) == ("openai/gpt", "2024-07-16T23:32:21Z")
    assert len(entry["digest"]) == 64
    shown = build_show(model)
    assert shown["model_info"]["system.context_length"] == 8192
    assert shown["capabilities"] == ["completion", "tools", "vision"]
    known = model._replace(capabilities=frozenset({"completion"}))
    assert build_show(known)["capabilities"] == ["completion"]
    assert build_loaded([model])["models"][0]["model"] == "openai/gpt"
