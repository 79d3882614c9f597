"""Embeddings over Ollama's ``/api/embed``."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from gateway.errors import GatewayError, InvalidRequestError, UpstreamError
from gateway.providers.ollama import Ollama
from gateway.providers.ollama.embeddings import OllamaEmbeddings
from tests import recordings
from tests.providers.ollama.asking import target


def embed(settings: dict[str, Any] | None = None, **fields: Any) -> OllamaEmbeddings:
    request = {"model": "my-model", "input": "a", **fields}
    return Ollama().build_embeddings(request, target(**(settings or {})))


def sent(call: OllamaEmbeddings) -> Any:
    return orjson.loads(call.request.body or b"")


def test_text_and_texts_are_sent_whole() -> None:
    call = embed(dimensions=8, encoding_format="base64", user="u", made_up=1)
    assert (call.request.method, call.request.path) == ("POST", "/api/embed")
    assert sent(call) == {"model": "tiny", "input": ["a"], "truncate": False, "dimensions": 8}
    assert call.dropped_params == ["made_up"]
    assert sent(embed(input=["a", "b"]))["input"] == ["a", "b"]


def test_num_ctx_is_the_one_of_chats_so_that_nothing_reloads() -> None:
    assert sent(embed({"num_ctx": 4096}))["options"] == {"num_ctx": 4096}


def test_recorded_answer_becomes_a_list_of_vectors_with_usage() -> None:
    call = embed(input=["a b", "c"], dimensions=8)
    assert call.parse_response(recordings.load("ollama", "embed").body) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0] * 8},
            {"object": "embedding", "index": 1, "embedding": [0] * 8},
        ],
        "model": "my-model",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 1.5}, "dimensions"),
        ({"dimensions": True}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"user": 1}, "user"),
        ({"model": ""}, "model"),
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        embed(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", UpstreamError),
        (b"{}", UpstreamError),
        (b'{"embeddings":[]}', UpstreamError),
        (b'{"embeddings":[1]}', UpstreamError),
        (b'{"embeddings":[[1.0],[2.0]]}', UpstreamError),
        (b'{"embeddings":[[1.0]]}', InvalidRequestError),
    ],
)
def test_answer_that_is_not_what_was_asked_is_an_error(
    body: bytes, kind: type[GatewayError]
) -> None:
    with pytest.raises(kind):
        embed(dimensions=2).parse_response(body)


@pytest.mark.parametrize("vector", [["a"], [None], [[1.0]], [1.0, {}], [float("nan")]])
def test_vector_that_is_not_made_of_numbers_is_an_error(vector: list[Any]) -> None:
    body = json.dumps({"model": "tiny", "embeddings": [vector]}).encode()
    with pytest.raises(UpstreamError, match="not made of numbers"):
        embed().parse_response(body)
