"""How a line of the log is written: nothing in it can pass for something else."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.log_format import JSONFormatter, TextFormatter

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
