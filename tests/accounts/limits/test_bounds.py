"""Bounds, rates, periods, moments and percentiles: what limits and sums are made of."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.ledger.latency import bucket_of, percentiles
from gateway.accounts.ledger.moments import parse_moment
from gateway.accounts.ledger.periods import current_span
from gateway.accounts.limits.bound import (
    IMAGE,
    MOST_TOKENS,
    USUAL_COMPLETION,
    bound_chat,
    bound_chats,
    bound_embeddings,
)
from gateway.accounts.limits.rates import Rate, parse_rates
from gateway.accounts.prices.prices import TokenPrice
from gateway.types import NativeRequest


def chat(content: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **fields}


def test_a_prompt_takes_its_bytes_and_eight_a_message() -> None:
    bound = bound_chat(chat("h\N{LATIN SMALL LETTER E WITH ACUTE}llo", max_tokens=5))
    assert (bound.prompt, bound.completion, bound.is_stated) == (6 + 8, 5, True)
    parts = bound_chat(chat([{"type": "text", "text": "hello"}], max_completion_tokens=5))
    assert parts.prompt == 5 + 8


def test_an_open_answer_takes_what_is_usual_but_can_do_with_less() -> None:
    bound = bound_chat(chat("hi"))
    assert (bound.completion, bound.least) == (USUAL_COMPLETION, 11)
    assert bound_chat(chat("hi", max_tokens=7)).least == 17


def test_each_choice_takes_as_much() -> None:
    assert bound_chat(chat("hi", max_tokens=7, n=3)).completion == 21


@pytest.mark.parametrize("field", ["max_tokens", "n"])
def test_no_number_of_a_client_overflows_what_counts(field: str) -> None:
    assert bound_chat(chat("hi", **{field: 10**30})).completion == MOST_TOKENS
    assert TokenPrice(10**12, 10**12, 0, 0).bound(MOST_TOKENS, MOST_TOKENS) < 2**63


def test_several_prompts_take_what_each_takes() -> None:
    both = bound_chats([chat("hi", max_tokens=5), chat("hello", max_tokens=5)])
    assert both == (10 + 13, 10, True)
    assert not bound_chats([chat("hi", max_tokens=5), chat("hi")]).is_stated


def test_completions_of_which_the_best_is_given_take_as_much_as_all() -> None:
    native = {"best_of": 4}
    request = NativeRequest(chat("hi", max_tokens=5), "completions", native)
    assert bound_chat(request).completion == 20


def test_an_image_takes_no_more_for_being_sent_as_data() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    assert bound_chat(chat([image])).prompt < IMAGE + 100


def test_tools_and_tool_calls_are_part_of_the_prompt() -> None:
    tools = [{"type": "function", "function": {"name": "f", "description": "x" * 500}}]
    assert bound_chat(chat("hi", tools=tools)).prompt > 500
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "y" * 300}}
    assert bound_chat({"messages": [{"role": "assistant", "tool_calls": [call]}]}).prompt > 300


def test_embeddings_take_their_texts_or_their_tokens() -> None:
    assert bound_embeddings({"input": "hello"}) == (13, 0, True)
    assert bound_embeddings({"input": ["a", "bc"]}).prompt == 3 + 16
    assert bound_embeddings({"input": [1, 2, 3]}).prompt == 3
    assert bound_embeddings({"input": [[1, 2], [3]]}).prompt == 3 + 16


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(["messages", "n", "max_tokens", "tools", "input"]), _JSON))
def test_whatever_is_sent_has_a_bound(request: dict[str, Any]) -> None:
    assert bound_chat(request).total >= 0
    assert bound_embeddings(request).total >= 0


def test_rates_are_read_as_they_are_written() -> None:
    assert parse_rates(None) == ()
    assert parse_rates("100 per 2 Days; 5/second") == (
        Rate(5, 1, "second"),
        Rate(100, 2 * 86400, "2 days"),
    )


@pytest.mark.parametrize(
    ("per", "name", "first", "last"),
    [
        ("day", "2024-02-29", "2024-02-29", "2024-03-01"),
        ("week", "2024-W09", "2024-02-26", "2024-03-04"),
        ("month", "2024-02", "2024-02-01", "2024-03-01"),
    ],
)
def test_periods_are_those_of_the_calendar(per: str, name: str, first: str, last: str) -> None:
    noon = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC).timestamp()
    span = current_span(per, noon)
    assert span.name == name
    assert span.start == parse_moment(first, 0)
    assert span.end == parse_moment(last, 0)
    assert current_span(per, span.start).start == span.start
    assert current_span(per, (span.end or 0) - 1) == span
    assert current_span("total", noon) == ("total", 0, None)


def test_moments_are_read_in_all_their_forms() -> None:
    assert parse_moment("7d", 10 * 86400) == 3 * 86400
    assert parse_moment("1970-01-02", 0) == 86400
    assert parse_moment("1970-01-01T01:00:00+01:00", 7) == 0
    assert parse_moment("12.5", 0) == 12.5
    for wrong in ("", "yesterday", "7y", "-1", "2024-13-01"):
        with pytest.raises(ValueError, match="is no moment"):
            parse_moment(wrong, 0)


@given(st.lists(st.floats(0.01, 1e7), min_size=1, max_size=50))
def test_percentiles_are_off_by_less_than_five_percent(durations: list[float]) -> None:
    buckets: dict[int, int] = {}
    for duration in durations:
        bucket = bucket_of(duration)
        buckets[bucket] = buckets.get(bucket, 0) + 1
    found = percentiles(buckets)
    assert found is not None
    exact = sorted(durations)[-(-len(durations) * 50 // 100) - 1]
    assert found["p50"] == pytest.approx(exact, rel=0.05, abs=0.006)
    assert percentiles({}) is None
