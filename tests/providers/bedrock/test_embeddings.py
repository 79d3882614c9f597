"""Embeddings of each model's own body."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.errors import InvalidRequestError, UpstreamError
from gateway.providers.bedrock import Bedrock
from gateway.providers.bedrock.embeddings import BedrockEmbeddings
from gateway.types import EmbeddingsAnswer
from tests.providers.bedrock.asking import target

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-v4:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"


def build(model: str, **fields: Any) -> BedrockEmbeddings:
    return Bedrock().build_embeddings({"model": "m", "input": "hi", **fields}, target(model))


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        (TITAN, {"dimensions": 256}, {"inputText": "hi", "dimensions": 256}),
        (TITAN, {"normalize": False}, {"inputText": "hi", "normalize": False}),
        ("amazon.titan-embed-text-v1", {}, {"inputText": "hi"}),
        (
            COHERE,
            {"input": ["a", "b"], "dimensions": 512},
            {
                "texts": ["a", "b"],
                "input_type": "search_document",
                "truncate": "NONE",
                "output_dimension": 512,
            },
        ),
        (
            NOVA,
            {"dimensions": 256},
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_INDEX",
                    "text": {"truncationMode": "NONE", "value": "hi"},
                    "embeddingDimension": 256,
                },
            },
        ),
    ],
)
def test_each_model_gets_its_own_body(model: str, fields: Any, expected: Any) -> None:
    request = build(model, **fields).request
    assert orjson.loads(request.body or b"") == expected
    assert request.path == f"/model/{model.replace(':', '%3A')}/invoke"


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        (TITAN, {"input": ["a"] * 65}, "input"),
        (TITAN, {"input": [1, 2]}, "input"),
        (COHERE, {"input": ["a"] * 97}, "input"),
        ("amazon.titan-embed-text-v1", {"dimensions": 9}, "dimensions"),
        ("amazon.nova-pro-v1:0", {}, "model"),
    ],
)
def test_what_a_model_can_not_embed_is_refused(model: str, fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build(model, **fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (TITAN, {"embedding": [0.5, 1], "inputTextTokenCount": 3}),
        (COHERE, {"embeddings": [[0.5, 1]], "inputTextTokenCount": 3}),
        (COHERE, {"embeddings": {"float": [[0.5, 1]]}, "inputTextTokenCount": 3}),
        (NOVA, {"embeddings": [{"embedding": [0.5, 1]}], "inputTextTokenCount": 3}),
    ],
)
def test_each_answer_is_the_same_list(model: str, body: Any) -> None:
    assert build(model).parse_response(orjson.dumps(body)) == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1]}],
        "model": "my-model",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


def test_a_model_that_embeds_one_text_is_asked_for_each() -> None:
    call = build(TITAN, input=["a", "b"])
    bodies = [orjson.loads(request.body or b"") for request in call.requests]
    assert bodies == [{"inputText": "a"}, {"inputText": "b"}]
    answers = [
        EmbeddingsAnswer(b'{"embedding": [1], "inputTextTokenCount": 3}'),
        EmbeddingsAnswer(b'{"embedding": [2]}', {"x-amzn-bedrock-input-token-count": "4"}),
    ]
    answer = call.parse_responses(answers)
    assert [each["embedding"] for each in answer["data"]] == [[1], [2]]
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"embedding": ["x"]}', b'{"embeddings": []}', b'{"embeddings": [1]}']
)
def test_what_is_no_list_of_embeddings_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        build(TITAN).parse_response(body)
