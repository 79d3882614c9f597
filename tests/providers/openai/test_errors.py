"""What clients are told when an upstream that speaks OpenAI's format refuses or fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RequestTooLargeError,
    ServiceUnavailableError,
    UnprocessableEntityError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.error_message import MAX_MESSAGE_LENGTH
from gateway.providers.openai.error_body import ErrorBody, parse_error_body
from gateway.providers.openai.errors import build_stream_error, parse_error
from gateway.providers.openai.stream import iter_chunks
from tests.recordings import load, names

HTML = b"<!DOCTYPE html><html><body>nginx at 10.0.0.7</body></html>"


def parse(status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> GatewayError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_error(status, headers or {}, content, now=1_000_000_000.0)


RECORDED = {
    "error-400-invalid-model-id": (InvalidRequestError, None),
    "error-400-invalid-value-invalid-file-data-messages-0-content-1-file": (
        InvalidRequestError,
        None,
    ),
    "error-400-unsupported-parameter-unsupported-parameter-logprobs-is-not-suppor": (
        InvalidRequestError,
        None,
    ),
    "error-404-model-not-found-the-model-gpt-4-1-nano-wrong-does-not-exist": (NotFoundError, None),
    "error-404-model-not-found-the-model-non-existent-model-does-not-exist": (NotFoundError, None),
    "error-429-insufficient-quota": (RateLimitError, False),
    "embeddings-error-400-1-is-less-than-the-minimum-of-1-dimensions": (InvalidRequestError, None),
    "embeddings-error-404-model-not-found-the-model-non-existent-embedding-model-does": (
        NotFoundError,
        None,
    ),
}
REFUSED_KEY = "error-401-invalid-api-key-incorrect-api-key-provided-bad-apikey-you-ca"


def test_every_recorded_error_is_expected_here() -> None:
    recorded = {*names("openai", "error-"), *names("openai", "embeddings-error-")}
    assert recorded == {*RECORDED, REFUSED_KEY}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_error_reaches_the_client_as_it_was(name: str) -> None:
    recording = load("openai", name)
    error = parse_error(recording.status, recording.headers, recording.body, now=0.0)
    error_class, should_retry = RECORDED[name]
    assert type(error) is error_class
    assert error.status == recording.status
    assert error.to_dict() == json.loads(recording.body)
    assert error.should_retry is should_retry


def test_recorded_refusal_of_our_key_is_a_502_that_quotes_nothing() -> None:
    recording = load("openai", REFUSED_KEY)
    error = parse_error(recording.status, recording.headers, recording.body, now=0.0)
    assert type(error) is UpstreamError
    assert error.message == "The provider refused the gateway's credentials (HTTP 401)."


DESCRIBED = {"error": {"message": "Why.", "type": "a_type", "param": "messages", "code": "a_code"}}


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (400, InvalidRequestError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, RequestTooLargeError),
        (422, UnprocessableEntityError),
        (429, RateLimitError),
        (405, InvalidRequestError),
        (418, InvalidRequestError),
        (451, InvalidRequestError),
    ],
)
def test_a_refused_request_is_told_as_the_provider_told_it(
    status: int, error_class: type[GatewayError]
) -> None:
    error = parse(status, DESCRIBED)
    assert type(error) is error_class
    assert error.to_dict() == DESCRIBED


@pytest.mark.parametrize(
    ("status", "error_class", "message"),
    [
        (401, UpstreamError, "The provider refused the gateway's credentials (HTTP 401)."),
        (402, UpstreamError, "The provider refused the gateway's credentials (HTTP 402)."),
        (403, UpstreamError, "The provider refused the gateway's credentials (HTTP 403)."),
        (301, UpstreamError,
         "The provider answered with a redirect, which is not followed (HTTP 301)."),
        (307, UpstreamError,
         "The provider answered with a redirect, which is not followed (HTTP 307)."),
        (408, UpstreamTimeoutError, "The provider took too long to answer (HTTP 408)."),
        (504, UpstreamTimeoutError, "The provider took too long to answer (HTTP 504)."),
        (500, UpstreamError, "The provider failed (HTTP 500): Why."),
        (502, UpstreamError, "The provider failed (HTTP 502): Why."),
        (520, UpstreamError, "The provider failed (HTTP 520): Why."),
        (204, UpstreamError, "The provider failed (HTTP 204): Why."),
        (503, ServiceUnavailableError,
         "The provider has no capacity for this now (HTTP 503): Why."),
        (529, ServiceUnavailableError,
         "The provider has no capacity for this now (HTTP 529): Why."),
    ],
)  # fmt: skip
def test_a_provider_that_fails_is_told_in_our_words(
    status: int, error_class: type[GatewayError], message: str
) -> None:
    error = parse(status, DESCRIBED)
    assert type(error) is error_class
    assert error.message == message
    assert error.type == "server_error"
    assert error.param is None


@pytest.mark.parametrize("status", [302, 401, 403])
def test_what_only_the_operator_can_mend_is_not_worth_a_retry(status: int) -> None:
    assert parse(status).should_retry is False


@pytest.mark.parametrize("body", [HTML, b"", b"Bad Request at 10.0.0.7", b'{"error":{"mess', b"7"])
@pytest.mark.parametrize(
    ("status", "expected", "message"),
    [
        (400, 400, "The provider refused the request without saying why (HTTP 400)."),
        (404, 502, "The provider knows no such path (HTTP 404): its base URL may be wrong."),
        (413, 413, "The provider refused the request without saying why (HTTP 413)."),
        (429, 429, "The provider refused the request without saying why (HTTP 429)."),
        (500, 502, "The provider failed (HTTP 500)."),
        (503, 503, "The provider has no capacity for this now (HTTP 503)."),
    ],
)
def test_a_body_that_is_no_error_message_is_never_quoted(
    body: bytes, status: int, expected: int, message: str
) -> None:
    error = parse(status, body)
    assert (error.status, error.message) == (expected, message)


@pytest.mark.parametrize("body", [{"detail": "Not Found"}, {"status": 404, "error": "Not found."}])
def test_a_web_servers_not_found_is_a_wrong_base_url(body: Any) -> None:
    assert parse(404, body).status == 502


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "a", "code": 400}}, ErrorBody("a", code="400", status=400)),
        ({"error": {"message": "a", "type": None, "param": "prompt", "code": "content_filter",
                    "status": 400}}, ErrorBody("a", None, "prompt", "content_filter", 400)),
        ({"error": "a"}, ErrorBody("a")),
        ({"code": "invalid-argument", "error": "a"}, ErrorBody("a", code="invalid-argument")),
        ({"message": "a", "type": "t", "param": "p", "code": "c"}, ErrorBody("a", "t", "p", "c")),
        ({"object": "error", "message": "a", "type": "t", "param": None, "code": "3051"},
         ErrorBody("a", "t", None, "3051")),
        ({"detail": "Unauthorized"}, ErrorBody("Unauthorized")),
        ({"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "a", "type": "x"},
                     {"loc": ["body", "n"], "msg": "b"}]},
         ErrorBody("a; b", param="messages[0].content")),
        ({"detail": [{"loc": ["body"], "msg": "a"}]}, ErrorBody("a")),
        ({"id": "x", "error": {"message": {"message": "a"}}}, ErrorBody("a")),
        ({"error": {"message": "a", "status_code": 429}}, ErrorBody("a", status=429)),
        ({"code": 5, "reason": "R", "message": "a"}, ErrorBody("a", code="5")),
        ({"error": json.dumps({"error": {"message": "a", "code": "c"}})}, ErrorBody("a", code="c")),
        (json.dumps({"error": {"message": "a"}}), ErrorBody("a")),
        ({"error": "{not JSON"}, ErrorBody("{not JSON")),
        ({"error": {"message": " a\n"}}, ErrorBody("a")),
        ({"error": {"message": "a", "code": 400,
                    "metadata": {"raw": json.dumps({"code": 7, "msg": "b"})}}},
         ErrorBody("a: b", code="400", status=400)),
        ({"error": {"message": "a", "code": 400, "metadata": {
            "raw": json.dumps({"error": {"message": "b", "type": "t", "param": "p",
                                         "code": "c"}})}}},
         ErrorBody("a: b", "t", "p", "c", 400)),
        ({"error": {"message": "a", "metadata": {"raw": "<html>"}}}, ErrorBody("a")),
        ({"error": "400 Bad Request", "status": 400,
          "details": {"error": {"message": "b", "code": "BadRequest"}}},
         ErrorBody("400 Bad Request: b", code="BadRequest", status=400)),
        ({"errors": [{"message": "a", "code": 5023}], "success": False},
         ErrorBody("a", code="5023")),
        ([{"error": {"code": 404, "message": "a"}}], ErrorBody("a", code="404", status=404)),
        ({"code": 400, "msg": "a"}, ErrorBody("a", code="400", status=400)),
        ({"detail": [{"loc": ["body", "tools", "list[Tool]", 0, "type"], "msg": "a"}]},
         ErrorBody("a", param="tools[0].type")),
        ({"error": {"message": ""}}, None),
        ({"error": {}}, None),
        ({"error": {"message": 7}}, None),
        ({"detail": [7]}, None),
        ({}, None),
        ([], None),
        (None, None),
        ("text", None),
    ],
)  # fmt: skip
def test_every_known_shape_of_an_error_is_read(body: Any, expected: ErrorBody | None) -> None:
    assert parse_error_body(json.dumps(body).encode()) == expected


def test_a_long_message_ends_with_an_ellipsis() -> None:
    assert parse(400, {"error": "x" * MAX_MESSAGE_LENGTH}).message == "x" * MAX_MESSAGE_LENGTH
    long = parse(400, {"error": "x" * (MAX_MESSAGE_LENGTH + 1)}).message
    assert long == "x" * (MAX_MESSAGE_LENGTH - 1) + "…"


def test_addresses_inside_the_network_and_tracebacks_are_left_out() -> None:
    told = "No route to http://10.1.2.3:8000/v1 or localhost:11434, 172.20.0.2. See 8.8.8.8."
    expected = "No route to http://(address)/v1 or (address), (address). See 8.8.8.8."
    assert parse(400, {"error": told}).message == expected
    trace = "Traceback (most recent call last):\n  File ..."
    assert parse(500, {"error": "It broke. " + trace}).message == (
        "The provider failed (HTTP 500): It broke."
    )
    assert parse(400, {"error": trace}).message == (
        "The provider refused the request without saying why (HTTP 400)."
    )


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_the_wait_a_provider_asks_for_is_passed_on(status: int) -> None:
    headers = {"Retry-After": "1", "retry-after-ms": "0"}
    assert parse(status, DESCRIBED, headers).retry_after == 1.0


@pytest.mark.parametrize("status", [400, 404, 422])
def test_other_errors_ask_for_no_wait(status: int) -> None:
    assert parse(status, DESCRIBED, {"retry-after": "7"}).retry_after is None


def test_a_spent_quota_is_not_worth_a_retry_but_a_rate_limit_is() -> None:
    spent = parse(429, {"error": {"message": "a", "type": "insufficient_quota"}})
    limited = parse(429, {"error": {"message": "a", "type": "requests"}})
    assert (spent.should_retry, limited.should_retry) == (False, None)


TOO_LONG = [
    (500, {"error": {"code": 500, "message": "Context size has been exceeded.",
                     "type": "server_error"}}),
    (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message":
           "the request exceeds the available context size. try increasing the context size"}}),
    (400, {"object": "error", "code": 400, "message":
           "This model's maximum context length is 4096 tokens. However, you requested 5000."}),
    (400, {"message": "The input (9 tokens) is longer than the model's context length (8)."}),
    (400, {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}),
    (400, {"code": "invalid-argument", "error": "This model's maximum prompt length is 8."}),
    (400, {"error": {"message": "<400> InvalidParameter: Range of input length should be [1, 8]"}}),
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8."}),
    (422, {"error": "Input validation error: `inputs` must have less than 8 tokens. Given: 9"}),
    (400, {"error": {"message": "The input token count (9) exceeds the maximum number of tokens"
                                " allowed (8)."}}),
    (400, {"error": {"message": "Invalid request: Your request exceeded model token limit: 8"}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), TOO_LONG)
def test_a_prompt_that_is_too_long_has_openais_code_whatever_the_status(
    status: int, body: Any
) -> None:
    error = parse(status, body)
    assert type(error) is InvalidRequestError
    assert (error.status, error.code) == (400, "context_length_exceeded")
    assert error.upstream_status == status
    inner = body.get("error", body)
    inner = {"message": inner} if isinstance(inner, str) else inner
    told = build_stream_error({"error": {**inner, "code": status}})
    assert (told.status, told.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    "body",
    [
        {"code": "Client specified an invalid argument",
         "error": "Incorrect API key provided: xa***ey. You can obtain an API key from x.ai."},
        {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}},
    ],
)  # fmt: skip
def test_a_bad_key_told_with_a_400_is_a_refused_key(body: Any) -> None:
    error = parse(400, body)
    assert type(error) is UpstreamError
    assert error.message == "The provider refused the gateway's credentials (HTTP 401)."


def test_an_upstream_that_says_so_is_not_asked_again() -> None:
    assert parse(500, DESCRIBED, {"X-Should-Retry": "false"}).should_retry is False
    assert parse(500, DESCRIBED, {"x-should-retry": "true"}).should_retry is None


RECORDED_ELSEWHERE = [
    (provider, name)
    for provider in ("deepseek", "groq", "mistral", "openai-compat", "openrouter")
    for name in names(provider)
    if "error-" in name and "-error-in-200" not in name
]


@pytest.mark.parametrize(("provider", "name"), RECORDED_ELSEWHERE)
def test_recorded_errors_of_others_have_openais_shape(provider: str, name: str) -> None:
    recording = load(provider, name)
    error = parse_error(recording.status, recording.headers, recording.body, now=0.0)
    if recording.status in (401, 403, 500):
        assert error.status == 502
        return
    assert error.status == recording.status
    assert "without saying why" not in error.message
    assert len(error.message) > 10


def test_errors_in_errors_are_read_only_so_deep() -> None:
    body = b'{"message":"a","details":' * 1000 + b"{}" + b"}" * 1000
    assert parse(400, body).message == "a"


def test_there_are_recorded_errors_of_others() -> None:
    assert len(RECORDED_ELSEWHERE) > 15


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["error", "message", "detail", "code", "status", "type", "loc", "msg",
                         "errors", "metadata", "raw", "details", "innererror"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=50)
@given(st.integers(100, 599), st.one_of(st.binary(), JSON.map(lambda v: json.dumps(v).encode())))
def test_no_answer_of_an_upstream_breaks_the_parser(status: int, body: bytes) -> None:
    error = parse_error(status, {}, body, now=0.0)
    assert 400 <= error.status <= 599
    assert error.message
    assert all(isinstance(value, str | None) for value in error.to_dict()["error"].values())


@pytest.mark.parametrize(
    "body",
    [
        {"detail": {"error": "Because."}},
        {"detail": {"error": {"message": "Because."}}},
        {"error": ["Because.", "And so."]},
        {"error": {"message": {"detail": "Because."}}},
        {"error": {"errors": [{"message": "Because."}]}},
        {"error": {"error": "Because."}},
        {"fault": {"faultstring": "Because.", "detail": {"errorcode": "x"}}},
        {"status": "error", "reason": "Because."},
        {"Message": "Because."},
        {"title": "Because.", "detail": ""},
    ],
)
def test_a_message_is_found_where_servers_put_it(body: Any) -> None:
    error = parse(400, body)
    assert (error.status, error.message) == (400, "Because.")


def test_an_event_without_choices_is_an_error_only_where_it_tells_one() -> None:
    notes = [{"type": "ping", "title": "still here"}, {"reason": "warming up"}]
    events = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in notes)
    end = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    chunks = [chunk for batch in iter_chunks(iter([events + end]), "m") for chunk in batch]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_nothing_that_litellm_writes_as_python_is_none() -> None:
    error = parse(429, {"error": {"message": "m", "type": "None", "param": "None", "code": "429"}})
    assert (error.type, error.param) == ("requests", None)
