"""How a target changes a request, and what of that is told."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.routing import build_target_request
from tests.routing.targets import target

ASKED = {"model": "public", "messages": [], "temperature": 1, "seed": 7, "user": "u"}


def test_a_target_without_changes_gets_the_very_request() -> None:
    request, gone = build_target_request(ASKED, target("a"))
    assert request is ASKED
    assert gone == ()


def test_what_is_set_goes_before_what_the_client_gave_and_is_told() -> None:
    request, gone = build_target_request(ASKED, target("a", set={"temperature": 0, "top_k": 5}))
    assert request == {**ASKED, "temperature": 0, "top_k": 5}
    assert gone == ("temperature",)


def test_what_is_set_to_what_the_client_gave_is_no_loss() -> None:
    assert build_target_request(ASKED, target("a", set={"temperature": 1}))[1] == ()


def test_what_is_dropped_is_told_where_the_client_gave_it() -> None:
    request, gone = build_target_request(
        {**ASKED, "logit_bias": None}, target("a", drop=("seed", "logit_bias", "top_p"))
    )
    assert request == {name: ASKED[name] for name in ("model", "messages", "temperature", "user")}
    assert gone == ("seed",)


_PARAMS = st.sampled_from(["temperature", "seed", "user", "top_p", "stop"])
_VALUES = st.none() | st.integers(0, 3)


@given(st.dictionaries(_PARAMS, _VALUES), st.dictionaries(_PARAMS, _VALUES), st.frozensets(_PARAMS))
def test_the_clients_request_stays_and_nothing_changes_unsaid(
    given_params: dict[str, Any], changes: dict[str, Any], drop: frozenset[str]
) -> None:
    before = {"model": "public", **given_params}
    asked = dict(before)
    drop -= changes.keys()
    request, gone = build_target_request(asked, target("a", set=changes, drop=tuple(drop)))
    assert asked == before
    assert {name: request.get(name) for name in changes} == changes
    assert drop.isdisjoint(request)
    for name, value in given_params.items():
        assert value is None or (request.get(name) == value) is (name not in gone)
