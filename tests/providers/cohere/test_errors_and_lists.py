"""Cohere's errors, models and embeddings."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types import CreateEmbeddingResponse

from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    ServiceUnavailableError,
    UnprocessableEntityError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.cohere import Cohere
from gateway.types import PassthroughRequest
from tests.providers.cohere.asking import target
from tests.recordings import load


def parse(status: int, message: str = "m", **headers: str) -> GatewayError:
    body = orjson.dumps({"id": "x", "message": message})
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Cohere().parse_error(status, sent, body, target())


@pytest.mark.parametrize(
    ("status", "message", "kind", "code"),
    [
        (400, "invalid request: x", InvalidRequestError, None),
        (400, "too many tokens: 9 of 8", InvalidRequestError, "context_length_exceeded"),
        (401, "invalid api token", UpstreamError, "upstream_error"),
        (402, "no money", UpstreamError, "upstream_error"),
        (404, "model 'x' not found, make sure", NotFoundError, "model_not_found"),
        (404, "something else", NotFoundError, "not_found"),
        (404, "", UpstreamError, "upstream_error"),
        (422, "wrong", UnprocessableEntityError, None),
        (429, "slow down", RateLimitError, "rate_limit_exceeded"),
        (498, "blocked", InvalidRequestError, "content_filter"),
        (500, "oops", UpstreamError, "upstream_error"),
        (503, "busy", ServiceUnavailableError, "service_unavailable"),
        (504, "slow", UpstreamTimeoutError, "upstream_timeout"),
        (307, "", UpstreamError, "upstream_error"),
    ],
)
def test_an_error_keeps_its_status_or_says_whose_fault_it_is(
    status: int, message: str, kind: type[GatewayError], code: str | None
) -> None:
    error = parse(status, message)
    assert (type(error), error.code, error.upstream_status) == (kind, code, status)
    assert error.message


def test_too_many_requests_are_told_when_to_come_again() -> None:
    assert parse(429, retry_after="9").retry_after == 9


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": {}}'])
def test_a_body_that_says_nothing_still_has_a_message(body: bytes) -> None:
    assert Cohere().parse_error(400, {}, body, target()).message


def test_the_list_has_models_that_chat_or_embed() -> None:
    models = [
        {"name": "a", "endpoints": ["chat", "generate"], "context_length": 128000.0},
        {"name": "b", "endpoints": ["embed"]},
        {"name": "c", "endpoints": ["rerank"]},
        {"name": "d"},
        {"endpoints": ["chat"]},
        "nonsense",
    ]
    read = Cohere().parse_model_list(orjson.dumps({"models": models}))
    assert [(model.id, model.capabilities, model.context_length) for model in read] == [
        ("a", None, 128000),
        ("b", frozenset({"embedding"}), None),
        ("d", None, None),
    ]


def test_reranking_is_passed_on_and_nothing_else() -> None:
    def build_body(model: str) -> bytes:
        return model.encode()

    asked = PassthroughRequest("/rerank", "m", "application/json", build_body, 1)
    request = Cohere().build_passthrough(asked, target("rerank-v3.5"))
    assert request is not None
    assert request.path == load("cohere", "rerank-rerank-v3-5").request["path"]
    assert request.body == b"rerank-v3.5"
    speech = asked._replace(operation="/audio/speech")
    assert Cohere().build_passthrough(speech, target()) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}"])
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        Cohere().parse_model_list(body)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"texts": ["hi"], "input_type": "search_document"}),
        ({"input": ["a", "b"]}, {"texts": ["a", "b"], "input_type": "search_document"}),
        (
            {"dimensions": 256, "input_type": "search_query", "encoding_format": "base64"},
            {"texts": ["hi"], "input_type": "search_query", "output_dimension": 256},
        ),
    ],
)
def test_embeddings_are_asked_for_as_floats_of_whole_texts(fields: Any, expected: Any) -> None:
    call = Cohere().build_embeddings({"model": "m", "input": "hi", **fields}, target("embed-v4.0"))
    common = {"model": "embed-v4.0", "embedding_types": ["float"], "truncate": "NONE"}
    assert orjson.loads(call.request.body or b"") == {**common, **expected}
    assert call.request.path == "/v2/embed"


@pytest.mark.parametrize("value", [[1, 2], ["a"] * 97])
def test_what_can_not_be_embedded_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Cohere().build_embeddings({"model": "m", "input": value}, target())
    assert caught.value.param == "input"


def test_embeddings_are_a_list_of_openai() -> None:
    call = Cohere().build_embeddings({"model": "m", "input": ["a", "b"]}, target())
    body = {
        "id": "x",
        "embeddings": {"float": [[0.5, 1.5], [1.5, -2.5]]},
        "meta": {"billed_units": {"input_tokens": 4}},
    }
    answer = call.parse_response(orjson.dumps(body))
    CreateEmbeddingResponse.model_validate(answer, strict=True)
    assert [each["embedding"] for each in answer["data"]] == [[0.5, 1.5], [1.5, -2.5]]
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"embeddings": {"float": [[1]]}}', b'{"embeddings": {"float": ["x"]}}']
)
def test_what_is_no_list_of_embeddings_is_an_error(body: bytes) -> None:
    call = Cohere().build_embeddings({"model": "m", "input": ["a", "b"]}, target())
    with pytest.raises(UpstreamError):
        call.parse_response(body)
