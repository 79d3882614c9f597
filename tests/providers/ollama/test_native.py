"""Requests in Ollama's own format to Ollama: what goes on, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.chunks import gather
from gateway.dialects.ollama import chat, generate
from gateway.errors import GatewayError, InvalidRequestError, UpstreamError
from gateway.providers.ollama import Ollama
from gateway.providers.ollama.native import OllamaNativeChat
from gateway.types import NativeChunk, NativeCompletion
from tests.cutting import cuts
from tests.providers.ollama.asking import target, with_capabilities
from tests.recordings import load, names

HELLO = [{"role": "user", "content": "hi"}]
STREAMS = [name for name in names("ollama") if name.endswith("-stream")]


def build(asked_target: Any = None, module: Any = chat, **fields: Any) -> OllamaNativeChat:
    given: dict[str, Any] = {"model": "my-model", **fields}
    if module is chat:
        given.setdefault("messages", HELLO)
    request = module.parse_request(orjson.dumps(given), {})
    call = Ollama().build_chat(request, asked_target or target(), None)
    assert isinstance(call, OllamaNativeChat)
    return call


def sent(*args: Any, **fields: Any) -> dict[str, Any]:
    (request,) = build(*args, **fields).requests
    body: dict[str, Any] = orjson.loads(request.body or b"")
    return body


def read(call: OllamaNativeChat, pieces: Iterator[bytes]) -> list[list[Any]]:
    return list(call.iter_chunks(pieces, 0))


def test_the_body_goes_on_with_the_targets_model() -> None:
    fields = {"messages": HELLO, "options": {"mirostat": 1}, "unknown": [1], "format": "json"}
    assert sent(**fields) == {
        **fields,
        "model": "tiny",
        "stream": True,
        "truncate": False,
    }


def test_a_completion_keeps_what_only_ollama_has() -> None:
    call = build(module=generate, prompt="a", suffix="b", context=[1, 2], raw=True)
    (request,) = call.requests
    assert request.path == "/api/generate"
    body = orjson.loads(request.body or b"")
    assert (body["suffix"], body["context"], body["raw"]) == ("b", [1, 2], True)


def test_what_reloads_models_is_the_operators() -> None:
    fields: dict[str, Any] = {"options": {"num_ctx": 9, "top_k": 4}, "keep_alive": "9h"}
    call = build(target(num_ctx=512), **fields)
    body = orjson.loads(call.requests[0].body or b"")
    assert body["options"] == {"top_k": 4, "num_ctx": 512}
    assert "keep_alive" not in body
    assert list(call.dropped_params) == ["options.num_ctx", "keep_alive"]
    allowed = sent(target(num_ctx=512, allow_client_options=True), **fields)
    assert allowed["options"] == {"num_ctx": 9, "top_k": 4}
    assert allowed["keep_alive"] == "9h"


def test_images_for_a_model_without_them_are_refused() -> None:
    image = "iVBORw0KGgo="
    with pytest.raises(InvalidRequestError):
        build(
            with_capabilities("completion"),
            messages=[{"role": "user", "content": "a", "images": [image]}],
        )


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_stream_comes_out_byte_for_byte(name: str) -> None:
    recording = load("ollama", name)
    module = generate if name.startswith("generate") else chat
    body = recording.body
    model = orjson.loads(body.splitlines()[0])["model"]
    call = build(target(model=model, requested=model), module, prompt="hi")
    got: list[Any] = []
    try:
        for batch in call.iter_chunks(iter([body]), 0):
            got += batch
    except GatewayError:
        assert b'"error"' in body
        body = body[: body.rindex(b'{"error"')]
    assert all(type(each) is NativeChunk for each in got)
    assert b"".join(each.raw for each in got) == body


PARALLEL = load("ollama", "tools-parallel-stream").body


@given(cuts(PARALLEL))
def test_cuts_change_nothing(pieces: list[bytes]) -> None:
    call = build()
    whole = [each for batch in read(call, iter([PARALLEL])) for each in batch]
    cut = [each for batch in read(call, iter(pieces)) for each in batch]
    assert [(each, each.raw) for each in cut] == [(each, each.raw) for each in whole]


def test_the_client_sees_the_name_it_used() -> None:
    body = load("ollama", "chat-stream").body
    for data in (body, body.replace(b'{"model":"tiny",', b'{ "model":"tiny",')):
        got = [each for batch in read(build(), iter([data])) for each in batch]
        names_told = {orjson.loads(each.raw)["model"] for each in got if each.raw}
        assert names_told == {"my-model"}


def test_what_is_metered_is_what_was_said() -> None:
    body = load("ollama", "generate-stream").body
    completion = gather(read(build(module=generate, prompt="hi"), iter([body])))
    assert completion["choices"][0]["message"]["content"].startswith("Hello from")
    assert completion["choices"][0]["finish_reason"] == "stop"
    assert completion["usage"]["completion_tokens"] > 0


def test_a_whole_answer_is_put_together_from_the_stream() -> None:
    call = build(module=generate, prompt="hi", stream=False)
    assert not call.streamed
    whole = call.parse_response(load("ollama", "generate-stream").body)
    assert isinstance(whole, NativeCompletion)
    told = orjson.loads(whole.raw)
    assert told["model"] == "my-model"
    assert told["response"] == whole["choices"][0]["message"]["content"]
    assert told["context"]
    assert told["done"] is True


def test_calls_of_a_whole_answer_are_all_there() -> None:
    whole = build(stream=False).parse_response(load("ollama", "tools-parallel-stream").body)
    assert isinstance(whole, NativeCompletion)
    calls = orjson.loads(whole.raw)["message"]["tool_calls"]
    assert len(calls) == len(whole["choices"][0]["message"]["tool_calls"]) == 2


def test_an_answer_without_its_end_is_a_failure() -> None:
    body = b"".join(load("ollama", "chat-stream").pieces[:-1])
    with pytest.raises(UpstreamError):
        read(build(), iter([body]))
    with pytest.raises(UpstreamError):
        build(stream=False).parse_response(body)
