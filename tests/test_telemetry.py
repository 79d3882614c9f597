"""The log line of a request: what it tells, and when it is written."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from gateway.errors import GatewayError, InvalidRequestError, UpstreamError
from gateway.telemetry import AttemptRecord, RequestRecord, configure_logging, log_request


def build_record(**fields: Any) -> RequestRecord:
    record = RequestRecord("req_1", "POST", "/v1/chat/completions")
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def test_fields_that_are_not_known_are_left_out() -> None:
    assert set(build_record(status=404).to_fields()) == {
        "request_id",
        "method",
        "path",
        "status",
        "duration_ms",
        "overhead_ms",
    }


def test_fields_of_a_whole_answer() -> None:
    usage: Any = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    record = build_record(
        key="user-1",
        model="fast",
        provider="ollama",
        upstream_model="llama3.2",
        status=200,
        attempts=[AttemptRecord("ollama/llama3.2")],
        usage=usage,
        chunks=9,
        finish_reason="stop",
    )
    fields = record.to_fields()
    assert (fields["prompt_tokens"], fields["completion_tokens"]) == (3, 4)
    assert fields["attempts"] == 1
    assert (fields["key"], fields["model"], fields["upstream_model"]) == (
        "user-1",
        "fast",
        "llama3.2",
    )
    assert not {"usage_estimated", "stream", "error", "prompt", "answer"} & set(fields)


def test_tokens_of_a_stream_cut_short_are_estimated_and_said_to_be() -> None:
    fields = build_record(stream=True, chunks=5, status=499).to_fields()
    assert (fields["completion_tokens"], fields["usage_estimated"]) == (5, True)
    assert "prompt_tokens" not in fields


def test_times_are_milliseconds_and_overhead_is_what_was_not_waited() -> None:
    now = time.monotonic()
    record = build_record(started=now - 2, first_token=now - 1.5, waited=1.75)
    fields = record.to_fields()
    assert fields["ttft_ms"] == 500.0
    assert fields["duration_ms"] >= 2000
    assert fields["overhead_ms"] == pytest.approx(fields["duration_ms"] - 1750, abs=0.02)
    record.waited = 100
    assert record.to_fields()["overhead_ms"] == 0


def test_prompt_and_answer_are_told_only_when_they_were_kept() -> None:
    assert "answer" not in build_record(answer=["secret"]).to_fields()
    fields = build_record(prompt="hi", answer=["a", "b"]).to_fields()
    assert (fields["prompt"], fields["answer"]) == ("hi", "ab")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UpstreamError("quotes the prompt"), "upstream_error"),
        (InvalidRequestError("quotes the prompt"), "invalid_request_error"),
    ],
)
def test_failure_is_told_by_its_code_and_its_words_only_with_content(
    error: GatewayError, told: str
) -> None:
    record = build_record()
    record.note_error(error)
    fields = record.to_fields()
    assert (fields["status"], fields["error"]) == (error.status, told)
    assert "quotes the prompt" not in fields.values()
    record.prompt = "hi"
    assert record.to_fields()["error_message"] == "quotes the prompt"


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Any:
    package = logging.getLogger("gateway")
    before = package.handlers[:], package.level, package.propagate
    yield capsys
    package.handlers[:], package.level, package.propagate = before


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (499, "info"), (502, "warning")])
def test_failures_of_the_gateway_and_its_upstreams_are_warnings(
    logs: pytest.CaptureFixture[str], status: int, level: str
) -> None:
    configure_logging("info", "json")
    log_request(build_record(status=status))
    (line,) = logs.readouterr().err.splitlines()
    assert (json.loads(line)["level"], json.loads(line)["status"]) == (level, status)


def test_level_keeps_lines_out(logs: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "text")
    log_request(build_record(status=200))
    log_request(build_record(status=500))
    (line,) = logs.readouterr().err.splitlines()
    assert " WARNING gateway.request request " in line
    assert " status=500 " in line


def test_configuring_twice_writes_each_line_once(logs: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        configure_logging("info", "text")
    log_request(build_record(status=200))
    assert len(logs.readouterr().err.splitlines()) == 1
