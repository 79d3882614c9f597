"""The log line of a request: what it tells, and that nothing in it can pass for something else."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.log_format import JSONFormatter, TextFormatter
from gateway.telemetry import (
    RequestRecord,
    configure_logging,
    log_request,
)

FORGERIES = [
    "plain",
    "with space",
    'quo"te',
    "new\nline",
    "carriage\rreturn",
    "\x1b[31mred\x1b[0m",
    "a=b status=200",
    "back\\slash",
    "\u2028\u0085\u202e",
    "ümläut",
    "",
]


def entry(message: str = "request", **fields: Any) -> logging.LogRecord:
    record = logging.LogRecord("gateway.request", logging.INFO, "", 0, message, (), None)
    if fields:
        record.fields = fields
    return record


@pytest.mark.parametrize("value", FORGERIES)
def test_value_of_a_text_line_cannot_pass_for_another_field(value: str) -> None:
    line = TextFormatter().format(entry(model=value, status=200))
    assert line.isascii()
    assert line.isprintable()
    head, _, rest = line.partition("model=")
    shown, _, status = rest.rpartition(" status=")
    assert head.endswith("Z INFO gateway.request request ")
    assert status == "200"
    assert (json.loads(shown) if shown.startswith('"') else shown) == value
    assert shown.startswith('"') or not set(shown) & set(' "=\\')


@given(st.text(), st.text())
@example('a" b="c', "x")
def test_any_values_are_read_back_as_they_were(model: str, error: str) -> None:
    line = TextFormatter().format(entry(model=model, error=error))
    rest = line.partition(" model=")[2]
    decoder = json.JSONDecoder()
    for name, value in ((None, model), ("error", error)):
        if name is not None:
            assert rest.startswith(f" {name}=")
            rest = rest[len(name) + 2 :]
        if rest.startswith('"'):
            read, end = decoder.raw_decode(rest)
            rest = rest[end:]
        else:
            read, _, after = rest.partition(" ")
            rest = f" {after}" if after else ""
        assert read == value
    assert rest == ""


def test_text_line_has_time_level_logger_and_message() -> None:
    record = entry(stream=True, ttft_ms=1.5)
    record.created, record.msecs = 1_700_000_000.25, 250.0
    line = TextFormatter().format(record)
    assert line == ("2023-11-14T22:13:20.250Z INFO gateway.request request stream=true ttft_ms=1.5")


@pytest.mark.parametrize("message", ["two\nlines", "\x1b[31m", "\u2028"])
def test_message_stays_on_its_line(message: str) -> None:
    line = TextFormatter().format(entry(message))
    assert line.isprintable()
    assert line.endswith(json.dumps(message))


def failure(words: str) -> logging.LogRecord:
    record = entry("failed")
    try:
        raise ValueError(words)
    except ValueError:
        record.exc_info = sys.exc_info()
    return record


def test_traceback_cannot_pass_for_a_line_of_the_log() -> None:
    forged = "no\n2023-11-14T22:13:20.250Z INFO gateway.request request status=200\x1b[0m"
    first, *rest = TextFormatter().format(failure(forged)).split("\n")
    assert first.endswith(" failed")
    assert any("ValueError: no" in line for line in rest)
    assert all(line.startswith("  ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("value", FORGERIES)
def test_json_is_one_object_a_line(value: str) -> None:
    line = JSONFormatter().format(entry(value, model=value, status=200))
    assert "\n" not in line
    assert line.isascii()
    parsed = json.loads(line)
    assert (parsed["message"], parsed["model"], parsed["status"]) == (value, value, 200)
    assert (parsed["level"], parsed["logger"]) == ("info", "gateway.request")


def test_traceback_is_a_field_of_json() -> None:
    line = JSONFormatter().format(failure("a\nb"))
    assert "\n" not in line
    assert "ValueError: a\nb" in json.loads(line)["exception"]


def build_record(**fields: Any) -> RequestRecord:
    return RequestRecord("req_1", "POST", "/v1/chat/completions", **fields)


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
        attempts=1,
        usage=usage,
        chunks=9,
        finish_reason="stop",
    )
    fields = record.to_fields()
    assert (fields["prompt_tokens"], fields["completion_tokens"]) == (3, 4)
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
