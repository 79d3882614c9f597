"""Which requests are the same question."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.resilience.cache_key import build_key, is_deterministic
from gateway.serialization import loads_strict

NAMES = st.text(max_size=6)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
REQUESTS = st.dictionaries(NAMES | st.just("messages"), JSON, max_size=5)


def key(request: dict[str, Any], tenant: str = "ann", model: str = "fast") -> str:
    return build_key(tenant, "chat", model, request)


def spelled_otherwise(value: Any, chance: random.Random) -> Any:
    """Return an equal value: members in another order, numbers with or without a point."""
    if isinstance(value, dict):
        members = list(value.items())
        chance.shuffle(members)
        return {name: spelled_otherwise(member, chance) for name, member in members}
    if isinstance(value, list):
        return [spelled_otherwise(member, chance) for member in value]
    if type(value) is int and abs(value) < 2**53:
        return chance.choice([value, float(value)])
    if type(value) is float and value.is_integer():
        return chance.choice([value, int(value)])
    return value


@given(REQUESTS, st.randoms(use_true_random=False))
def test_spelling_makes_no_difference(request: dict[str, Any], chance: random.Random) -> None:
    assert key(spelled_otherwise(request, chance)) == key(request)


def meant(value: Any) -> Any:
    """Return ``value`` so that ``==`` tells apart what JSON does: booleans from numbers."""
    if isinstance(value, dict):
        return {name: meant(member) for name, member in value.items()}
    if isinstance(value, list):
        return [meant(member) for member in value]
    return (type(value) is bool, value)


@given(REQUESTS, REQUESTS)
def test_what_differs_has_another_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    is_same = meant(said(one)) == meant(said(other))
    assert (key(one) == key(other)) is is_same


def said(request: dict[str, Any]) -> dict[str, Any]:
    messages = request.get("messages")
    if isinstance(messages, list):
        bare = [
            {name: each for name, each in message.items() if each is not None}
            if isinstance(message, dict)
            else message
            for message in messages
        ]
        request = {**request, "messages": bare}
    return {name: value for name, value in request.items() if value is not None}


@given(REQUESTS)
def test_a_key_changes_nothing_of_the_request(request: dict[str, Any]) -> None:
    before = copy.deepcopy(request)
    key(request)
    assert request == before


ASKED: dict[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True},
        {"stream_options": {"include_usage": True}},
        {"user": "u-7"},
        {"metadata": {"run": "1"}},
        {"safety_identifier": "s"},
        {"prompt_cache_key": "p"},
        {"prompt_cache_retention": "24h"},
        {"prompt_cache_options": {}},
        {"temperature": None},
        {"model": "ollama/llama3.2"},
        {"messages": [{"role": "user", "content": "Hi", "name": None}]},
    ],
)
def test_what_has_no_influence_on_an_answer_is_left_out(more: dict[str, Any]) -> None:
    assert key(ASKED | more) == key(ASKED)


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0},
        {"seed": 1},
        {"n": 2},
        {"logprobs": True},
        {"logprobs": 1},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"messages": [{"role": "user", "content": "Hi", "name": "a"}]},
        {"messages": [{"role": "user", "content": "1.0"}]},
        {"messages": [{"role": "user", "content": "1"}]},
        {"messages": [{"role": "user", "content": ["Hi", None]}]},
        {"tools": [{"function": {"parameters": {"const": None}}}]},
        {"tools": [{"function": {"parameters": {}}}]},
        {"seed": 2**64},
        {"seed": 2**64 + 1},
        {"seed": 2**53 + 1},
        {"seed": 2.0**53},
    ],
)
def test_what_has_influence_is_in_the_key(more: dict[str, Any]) -> None:
    requests = [ASKED, ASKED | {"logprobs": False}, ASKED | more]
    assert len({key(request) for request in requests}) == 3
    assert key(ASKED | more) == key(ASKED | copy.deepcopy(more))


def test_tenant_operation_and_model_are_in_the_key() -> None:
    keys = {
        build_key(tenant, operation, model, ASKED)
        for tenant in ("ann", "ben", 'ann","chat')
        for operation in ("chat", "embeddings")
        for model in ("fast", "slow", 'chat","fast')
    }
    assert len(keys) == 18


@pytest.mark.parametrize(("one", "other"), [(b"1", b"1.0"), (b"1e2", b"100"), (b"-0.0", b"0")])
def test_equal_numbers_are_equal_as_they_come_in(one: bytes, other: bytes) -> None:
    text = b'{"seed":%b}'
    assert key(loads_strict(text % one)) == key(loads_strict(text % other))


def test_very_deep_nesting_is_an_error_that_can_be_caught() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(RecursionError):
        key({"x": deep})


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, False),
        ({"temperature": 0}, True),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.1}, False),
        ({"temperature": None}, False),
        ({"temperature": False}, False),
        ({"temperature": 1, "seed": 0}, True),
        ({"seed": None}, False),
    ],
)
def test_temperature_zero_or_a_seed_make_a_chat_deterministic(
    request_: dict[str, Any], expected: bool
) -> None:
    assert is_deterministic("chat", request_) is expected
    assert is_deterministic("embeddings", request_)
