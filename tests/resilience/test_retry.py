"""What is tried again, and when."""

from __future__ import annotations

import random
import time

import pytest

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import (
    ClientDisconnectedError,
    GatewayError,
    InternalServerError,
    InvalidRequestError,
    RateLimitError,
    RestartingError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.ollama.errors import parse_error as parse_ollama_error
from gateway.providers.openai.errors import build_stream_error
from gateway.providers.openai.errors import parse_error as parse_openai_error
from gateway.resilience.retry import RetryPolicy, is_retryable, is_targets_failure
from gateway.transport.connection import ConnectTimeoutError

POLICY = RetryPolicy()
TARGET = Target(ProviderSettings("local", "ollama", "http://127.0.0.1:1"), "m", "m")


def openai(status: int, body: bytes = b"") -> GatewayError:
    return parse_openai_error(status, {}, body, time.time())


def ollama(status: int, text: str) -> GatewayError:
    return parse_ollama_error(status, {}, b'{"error": "%s"}' % text.encode(), TARGET)


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 0.25), (1, 0.5), (2, 1.0), (5, 8.0), (9, 8.0)]
)
def test_waits_double_up_to_eight_seconds_and_are_spread_over_their_whole_range(
    attempt: int, longest: float
) -> None:
    policy = RetryPolicy(max_retries=10)
    assert policy.delay(attempt, None, lambda: 0.0) == 0.0
    assert policy.delay(attempt, None, lambda: 0.5) == longest / 2
    assert policy.delay(attempt, None, lambda: 1.0) == longest


def test_after_the_last_retry_there_is_no_other() -> None:
    delays = [POLICY.delay(attempt, None, random.random) for attempt in range(4)]
    assert [delay is None for delay in delays] == [False, False, True, True]
    assert RetryPolicy(max_retries=0).delay(0, None, random.random) is None


def test_any_number_of_retries_can_be_configured() -> None:
    assert RetryPolicy(max_retries=10_000).delay(9_999, None, lambda: 1.0) == 8.0


@pytest.mark.parametrize(
    ("retry_after", "delay"), [(0.0, 0.25), (0.1, 0.25), (1.5, 1.5), (2.0, 2.0), (2.01, None)]
)
def test_the_upstreams_own_wait_is_kept_to_unless_it_is_too_long(
    retry_after: float, delay: float | None
) -> None:
    assert POLICY.delay(0, retry_after, lambda: 1.0) == delay


@pytest.mark.parametrize(
    "error",
    [
        UpstreamConnectionError("refused"),
        ConnectTimeoutError("black hole"),
        *map(openai, (408, 409, 429, 500, 502, 503, 504, 520, 529)),
        openai(429, b'{"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}'),
        ollama(503, "server busy, please try again.  maximum pending requests exceeded"),
        ollama(500, "llama runner process has terminated"),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(error: GatewayError) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize(
    "error",
    [
        *map(openai, (301, 400, 401, 402, 403, 404, 405, 413, 422)),
        openai(429, b'{"error": {"message": "Pay", "code": "insufficient_quota"}}'),
        ollama(500, "this model does not support tools"),
        ollama(500, "model requires more system memory (8 GiB) than is available"),
        UpstreamTimeoutError("The provider did not begin its answer in time."),
        UpstreamError("The provider closed the connection in the middle of its answer."),
        UpstreamError("The provider's answer is not valid HTTP."),
        build_stream_error({"error": {"message": "Overloaded", "type": "overloaded_error"}}),
        ClientDisconnectedError("gone"),
        InternalServerError("a defect"),
        RestartingError(),
    ],
    ids=str,
)
def test_what_will_not_pass_or_has_begun_is_not_tried_again(error: GatewayError) -> None:
    assert not is_retryable(error)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamConnectionError("refused"),
        ConnectTimeoutError("black hole"),
        UpstreamError("The provider closed the connection in the middle of its answer."),
        UpstreamTimeoutError("The provider did not begin its answer in time."),
        *map(openai, (408, 429, 500, 502, 503, 504, 529)),
        build_stream_error({"error": {"message": "Overloaded", "type": "overloaded_error"}}),
        RateLimitError("inside a stream"),
    ],
    ids=str,
)
def test_a_target_in_trouble_counts_against_it(error: GatewayError) -> None:
    assert is_targets_failure(error)


@pytest.mark.parametrize(
    "error",
    [
        *map(openai, (301, 400, 401, 402, 403, 404, 409, 413, 422)),
        ollama(500, "this model does not support tools"),
        InvalidRequestError("the client's"),
        ClientDisconnectedError("gone"),
        UpstreamTimeoutError("The client's own deadline.", code="request_timeout"),
        InternalServerError("a defect"),
        RestartingError(),
    ],
    ids=str,
)
def test_the_faults_of_others_do_not_count_against_a_target(error: GatewayError) -> None:
    assert not is_targets_failure(error)
