"""Durations in headers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.durations import format_duration, is_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.12, "120ms"),
        (0.9999, "1s"),
        (2.004, "2.004s"),
        (59.9999, "1m0s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (3657.015, "1h0m57.015s"),
        (86_400, "24h0m0s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**10))
def test_durations_lose_nothing(milliseconds: int) -> None:
    text = format_duration(milliseconds / 1000)
    units = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    parts = re.findall(r"([\d.]+)(ms|[hms])", text)
    assert "".join(number + unit for number, unit in parts) == text
    assert sum(round(float(number) * units[unit]) for number, unit in parts) == milliseconds


@given(st.integers(0, 10**10))
def test_what_is_written_is_known_again(milliseconds: int) -> None:
    assert is_duration(format_duration(milliseconds / 1000))


@pytest.mark.parametrize("text", ["", "1", "s", "1.5h", "-1s", "1s1m", "1s\r\n", "9" * 10 + "s"])
def test_what_is_no_duration_is_told_from_one(text: str) -> None:
    assert not is_duration(text)
