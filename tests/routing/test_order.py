"""The order in which each strategy tries targets."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import STRATEGIES, Price, Strategy, Target
from gateway.routing import Latency, Route, order_targets
from tests.routing.targets import target

A, B, C = target("a"), target("b"), target("c")


def _models(
    route: Route,
    loads: dict[str, int] | None = None,
    latencies: dict[str, Latency] | None = None,
    seed: int = 0,
) -> str:
    """Return the models in the order they are tried, as one text."""
    ordered = order_targets(route, loads or {}, latencies or {}, Random(seed))
    return "".join(each.model for each in ordered)


def _firsts(
    route: Route, latencies: dict[str, Latency] | None = None, times: int = 4000
) -> Counter[str]:
    random = Random(1)
    return Counter(order_targets(route, {}, latencies or {}, random)[0].model for _ in range(times))


def test_fallback_is_the_order_of_the_configuration() -> None:
    route = Route((B, A, C), "fallback")
    assert _models(route, {"lab/b": 9}, {"lab/c": Latency(0.1, 1)}) == "bac"


def test_weights_are_the_shares_of_the_first_tries() -> None:
    route = Route((target("a", weight=3.0), target("b", weight=1.0)), "weighted")
    share = _firsts(route)["a"] / 4000
    assert 0.73 < share < 0.77


def test_weights_hold_among_those_that_are_left() -> None:
    route = Route((target("a", weight=8.0), target("b", weight=3.0), C), "weighted")
    random = Random(7)
    orders = [order_targets(route, {}, {}, random) for _ in range(6000)]
    seconds = Counter(order[1].model for order in orders if order[0].model == "a")
    assert 0.72 < seconds["b"] / seconds.total() < 0.78


def test_weights_are_equal_where_none_are_given() -> None:
    shares = _firsts(Route((A, B, C), "weighted"))
    assert all(0.3 < count / 4000 < 0.37 for count in shares.values())


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ({}, "abc"),
        ({"lab/a": 1}, "bca"),
        ({"lab/a": 3, "lab/b": 1, "lab/c": 2}, "bca"),
        ({"lab/a": 1, "lab/b": 1, "lab/c": 1}, "abc"),
        ({"lab/a": 2, "lab/b": 2}, "cab"),
    ],
)
def test_the_least_busy_is_first_and_ties_keep_their_order(
    loads: dict[str, int], expected: str
) -> None:
    assert _models(Route((A, B, C), "least_busy"), loads) == expected


def test_the_cheapest_is_first_and_an_unknown_price_last() -> None:
    dear = target("d", price=Price(3.0, 15.0))
    cheap = target("e", price=Price(0.1, 0.4))
    free = target("f", price=Price(0.0, 0.0))
    assert _models(Route((A, dear, cheap, free), "cheapest")) == "feda"


def test_prompts_count_more_than_answers_for_a_price() -> None:
    reads_dearly = target("r", price=Price(2.0, 2.0))
    writes_dearly = target("w", price=Price(1.0, 4.0))
    assert _models(Route((reads_dearly, writes_dearly), "cheapest")) == "wr"


FRESH = {"lab/a": Latency(0.9, 1), "lab/b": Latency(0.2, 59), "lab/c": Latency(0.5, 0)}


def test_the_fastest_is_first_but_for_the_share_that_explores() -> None:
    route = Route((A, B, C), "fastest")
    firsts = _firsts(route, FRESH)
    assert 0.935 < firsts["b"] / 4000 < 0.965
    assert firsts["a"] > 50
    assert firsts["c"] > 50
    orders = Counter(_models(route, latencies=FRESH, seed=seed) for seed in range(300))
    assert orders.most_common(1)[0][0] == "bca"
    assert set(orders) <= {"bca", "cba", "abc"}


@pytest.mark.parametrize(
    "latencies",
    [
        {"lab/a": Latency(0.1, 1), "lab/b": Latency(0.2, 1)},
        {**FRESH, "lab/c": Latency(9.0, 61)},
    ],
)
def test_what_was_not_measured_lately_is_measured(latencies: dict[str, Latency]) -> None:
    assert _firsts(Route((A, B, C), "fastest"), latencies)["c"] > 3600


def test_of_several_unknown_ones_no_one_gets_all_requests() -> None:
    shares = _firsts(Route((A, B, C), "fastest"))
    assert all(0.3 < count / 4000 < 0.37 for count in shares.values())


def test_the_fallback_is_last_in_its_own_order_whatever_the_strategy() -> None:
    busy = {"lab/a": 9, "lab/c": 1}
    route = Route((A,), "least_busy", fallback=Route((C, B), "least_busy"))
    assert _models(route, busy) == "abc"


def _routes(names: list[str], strategies: st.SearchStrategy[Strategy]) -> st.SearchStrategy[Route]:
    price = st.none() | st.builds(Price, st.floats(0, 100), st.floats(0, 100))
    weight = st.floats(0.001, 1000)
    targets = st.tuples(*(st.builds(target, st.just(n), weight=weight, price=price) for n in names))
    return st.builds(Route, targets, strategies)


_STRATEGIES = st.sampled_from(STRATEGIES)
_MEASURED = st.dictionaries(
    st.sampled_from(["lab/a", "lab/b", "lab/c", "lab/x", "lab/gone"]),
    st.builds(Latency, st.floats(0, 100), st.floats(0, 200)),
)


@given(
    route=_routes(list("abcde"), _STRATEGIES),
    fallback=st.none() | _routes(list("xyz"), _STRATEGIES),
    loads=st.dictionaries(st.sampled_from(["lab/a", "lab/b", "lab/x"]), st.integers(0, 5)),
    latencies=_MEASURED,
    seed=st.integers(0, 2**32),
)
def test_no_target_is_lost_or_tried_twice(
    route: Route,
    fallback: Route | None,
    loads: dict[str, int],
    latencies: dict[str, Latency],
    seed: int,
) -> None:
    whole = Route(route.targets, route.strategy, fallback=fallback)
    ordered = order_targets(whole, loads, latencies, Random(seed))
    assert sorted(map(_name, ordered)) == sorted(map(_name, whole.candidates))
    assert {_name(each) for each in ordered[:5]} == {_name(each) for each in route.targets}
    assert ordered == order_targets(whole, loads, latencies, Random(seed))


def _name(each: Target) -> str:
    return each.name
