"""Embeddings of Gemini and Vertex."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse

from gateway.errors import InvalidRequestError, UpstreamError
from gateway.providers.gemini import Gemini, Vertex
from gateway.providers.gemini.embeddings import GeminiEmbeddings
from tests.providers.gemini.asking import target, vertex_target


def _embed(given: Any, *, vertex: bool = False, **fields: Any) -> GeminiEmbeddings:
    request = {"model": "my-model", "input": given, **fields}
    if vertex:
        return Vertex().build_embeddings(request, vertex_target("text-embedding-005", project="p"))
    return Gemini().build_embeddings(request, target("models/gemini-embedding-001"))


def _sent(call: GeminiEmbeddings) -> Any:
    return json.loads(call.request.body or b"")


def test_texts_are_sent_as_one_batch() -> None:
    call = _embed(["a", "b"], dimensions=3, task_type="RETRIEVAL_QUERY", user="u")
    assert call.request.path == "/models/gemini-embedding-001:batchEmbedContents"
    assert call.dropped_params == []
    assert _sent(call)["requests"] == [
        {
            "model": "models/gemini-embedding-001",
            "content": {"parts": [{"text": text}]},
            "taskType": "RETRIEVAL_QUERY",
            "outputDimensionality": 3,
        }
        for text in ("a", "b")
    ]


def test_vectors_come_back_in_order() -> None:
    call = _embed(["a", "b"])
    answer = {"embeddings": [{"values": [0.5, 1]}, {"values": [2.0, -1]}]}
    got = call.parse_response(json.dumps(answer).encode())
    CreateEmbeddingResponse.model_validate_json(json.dumps(got), strict=True)
    assert [each["embedding"] for each in got["data"]] == [[0.5, 1], [2.0, -1]]
    assert got["model"] == "my-model"
    assert got["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    counted = {**answer, "usageMetadata": {"promptTokenCount": 7}}
    assert call.parse_response(json.dumps(counted).encode())["usage"]["total_tokens"] == 7


def test_vertex_predicts_and_counts() -> None:
    call = _embed("a", vertex=True, dimensions=2)
    path = "/projects/p/locations/global/publishers/google/models/text-embedding-005:predict"
    assert call.request.path == path
    assert _sent(call) == {
        "instances": [{"content": "a"}],
        "parameters": {"autoTruncate": False, "outputDimensionality": 2},
    }
    prediction = {"embeddings": {"values": [1.5], "statistics": {"token_count": 4.0}}}
    got = call.parse_response(json.dumps({"predictions": [prediction]}).encode())
    assert got["data"][0]["embedding"] == [1.5]
    assert got["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_tokens_and_unknown_settings() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        _embed([1, 2])
    assert caught.value.param == "input"
    assert _embed("a", truncate=True).dropped_params == ["truncate"]


@pytest.mark.parametrize("vertex", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"[]",
        b"{}",
        b'{"embeddings":[]}',
        b'{"embeddings":[1],"predictions":[1]}',
        b'{"embeddings":[{"values":["a"]}],"predictions":[{"embeddings":{"values":["a"]}}]}',
        b'{"embeddings":[{"values":[1]},{"values":[1]}],"predictions":[1,2]}',
    ],
)
def test_what_is_no_list_of_embeddings_is_an_error(body: bytes, vertex: bool) -> None:
    with pytest.raises(UpstreamError):
        _embed("a", vertex=vertex).parse_response(body)
