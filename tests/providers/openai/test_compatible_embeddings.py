"""Lists of embeddings that OpenAI's client reads, however the upstream writes them."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from pydantic import TypeAdapter

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import UpstreamError
from gateway.providers import get_provider
from gateway.providers.openai import OpenAIEmbeddingsCall

RESPONSE: TypeAdapter[CreateEmbeddingResponse] = TypeAdapter(CreateEmbeddingResponse)


def ask(kind: str, encoding: str | None) -> Any:
    target = Target(ProviderSettings(kind, kind, "https://api.example.com"), "their-model", "m")
    request = {"model": "m", "input": "a"} | ({"encoding_format": encoding} if encoding else {})
    return get_provider(kind).build_embeddings(request, target)


def parse(kind: str, encoding: str | None, value: Any) -> Any:
    answer = ask(kind, encoding).parse_response(json.dumps(value).encode())
    assert json.loads(answer.raw) == answer
    return answer


def as_base64(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def test_what_is_missing_is_filled_in_and_the_order_is_that_of_the_inputs() -> None:
    value = {"data": [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [0.5]}]}
    answer = parse("vllm", "float", value)
    read = RESPONSE.validate_python(answer, strict=True)
    assert (read.model, read.object, read.usage.prompt_tokens) == ("their-model", "list", 0)
    assert [item.embedding for item in read.data] == [[0.5], [1.0]]
    assert {item.object for item in read.data} == {"embedding"}


def test_base64_is_told_only_to_those_who_asked_for_it() -> None:
    value = {"data": [{"embedding": as_base64([0.5, -2.0])}]}
    assert parse("openai", "float", value)["data"][0]["embedding"] == [0.5, -2.0]
    assert parse("openai", None, value)["data"][0]["embedding"] == [0.5, -2.0]
    assert parse("openai", "base64", value)["data"][0]["embedding"] == as_base64([0.5, -2.0])


def test_bytes_are_numbers_in_the_encoding_that_was_asked_for() -> None:
    value = {"data": [{"embedding": base64.b64encode(bytes([1, 255, 128])).decode()}]}
    numbers = [1.0, -1.0, -128.0]
    assert parse("perplexity", "float", value)["data"][0]["embedding"] == numbers
    assert parse("perplexity", "base64", value)["data"][0]["embedding"] == as_base64(numbers)
    assert b"encoding_format" not in (ask("perplexity", "base64").request.body or b"")


@pytest.mark.parametrize("wrong", ["no base64!", "AAA=", None, 7, {}])
def test_an_item_without_an_embedding_is_an_error(wrong: Any) -> None:
    with pytest.raises(UpstreamError, match="embedding"):
        parse("openai", "float", {"data": [{"embedding": wrong}]})


VALUES: Any = st.one_of(st.none(), st.integers(-2, 9), st.text(max_size=3), st.lists(st.floats()))
ITEM = st.dictionaries(st.sampled_from(["index", "object", "embedding"]), VALUES, max_size=3)
USAGE = st.one_of(
    VALUES,
    st.dictionaries(st.sampled_from(["prompt_tokens", "total_tokens"]), st.integers(0, 9)),
)
ANSWER = st.fixed_dictionaries(
    {"data": st.lists(ITEM, max_size=3)},
    optional={"usage": USAGE, "model": VALUES, "object": VALUES},
)


@settings(deadline=None)
@given(ANSWER)
def test_no_list_that_is_passed_on_breaks_a_strict_client(value: Any) -> None:
    call = OpenAIEmbeddingsCall(ask("openai", "float").request, "m")
    try:
        answer = call.parse_response(json.dumps(value).encode())
    except UpstreamError:
        return
    RESPONSE.validate_python(answer)
    assert answer["usage"]["total_tokens"] >= 0
