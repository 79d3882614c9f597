"""When a breaker opens and closes, and what a target may be retried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.resilience.health import (
    CLOSED,
    HALF_OPEN,
    MAX_OPEN,
    OPEN,
    RETRY_RESERVE,
    Health,
    Successes,
    dump_health,
    load_health,
)

NOW = 1000.0


def succeed(health: Health, count: int = 1, *, now: float = NOW) -> Health:
    return health.succeeded(Successes(count, count, None, now), now)


def fail(health: Health, count: int = 1, *, now: float = NOW) -> Health:
    for _ in range(count):
        health = health.failed(1, None, now)
    return health


def never_lost(prober: str, probe: str) -> bool:
    return False


def probe(health: Health, name: str, now: float) -> Health:
    return health.probing(name, "a process", never_lost, now)


OPENED = fail(Health(), 10)


@pytest.mark.parametrize(
    ("successes", "failures", "circuit"),
    [(0, 9, CLOSED), (0, 10, OPEN), (1, 9, OPEN), (6, 4, CLOSED), (10, 9, CLOSED), (10, 10, OPEN)],
)
def test_it_opens_when_half_of_at_least_ten_attempts_have_failed(
    successes: int, failures: int, circuit: str
) -> None:
    assert fail(succeed(Health(), successes), failures).circuit == circuit


def test_what_is_older_than_half_a_minute_does_not_count() -> None:
    failing = fail(Health(), 9, now=NOW)
    assert failing.counts(NOW + 25) == (0, 9)
    assert failing.counts(NOW + 30) == (0, 0)
    assert fail(failing, 1, now=NOW + 25).circuit == OPEN
    assert fail(failing, 1, now=NOW + 30).circuit == CLOSED


def test_successes_told_late_count_for_when_they_came() -> None:
    health = fail(Health(), 2, now=NOW + 20).succeeded(Successes(8, 8, None, NOW), NOW + 20)
    assert health.counts(NOW + 20) == (8, 2)
    assert health.counts(NOW + 31) == (0, 2)


def test_a_clock_that_was_set_back_holds_nothing_open() -> None:
    assert OPENED.opens_in(NOW - 3600) == 0.0
    assert OPENED.counts(NOW - 3600) == (0, 0)


@pytest.mark.parametrize(("retry_after", "seconds"), [(0.5, 0.5), (30.0, 30.0), (86_400.0, 60.0)])
def test_a_target_that_asks_to_be_left_alone_is_for_that_long_but_a_minute_at_most(
    retry_after: float, seconds: float
) -> None:
    health = succeed(Health(), 100).failed(1, retry_after, NOW)
    assert (health.circuit, health.opens_in(NOW)) == (OPEN, seconds)


def test_an_attempt_from_before_can_only_make_it_open_for_longer() -> None:
    assert fail(OPENED).opens_in(NOW) == 5.0
    assert OPENED.failed(1, 2.0, NOW).opens_in(NOW) == 5.0
    assert OPENED.failed(1, 20.0, NOW).opens_in(NOW) == 20.0
    assert succeed(OPENED, 100).circuit == OPEN


def test_no_probe_before_its_time_and_then_one_at_a_time() -> None:
    assert probe(OPENED, "early", NOW + 4.9) is OPENED
    first = probe(OPENED, "first", NOW + 5)
    assert (first.circuit, first.probe) == (HALF_OPEN, "first")
    assert probe(first, "second", NOW + 6) is first


def test_a_probe_that_succeeds_closes_and_what_was_is_forgotten() -> None:
    closed = probe(OPENED, "probe", NOW + 5).probe_succeeded("probe", None, NOW + 6)
    assert (closed.circuit, closed.counts(NOW + 6), closed.openings) == (CLOSED, (0, 0), 0)
    assert fail(closed, 9, now=NOW + 6).circuit == CLOSED


def test_each_probe_that_fails_doubles_the_time_up_to_a_minute() -> None:
    health, now, seconds = OPENED, NOW, []
    for _ in range(6):
        now += health.opens_in(now)
        health = probe(health, "probe", now).probe_failed("probe", None, now)
        seconds.append(health.opens_in(now))
    assert seconds == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_a_probe_that_is_told_to_wait_longer_does() -> None:
    probing = probe(OPENED, "probe", NOW + 5)
    assert probing.probe_failed("probe", 30.0, NOW).opens_in(NOW) == 30.0
    assert probing.probe_failed("probe", 1.0, NOW).opens_in(NOW) == 10.0


def test_a_target_that_asks_for_one_pause_after_another_gets_just_those() -> None:
    health, now, seconds = Health().failed(1, 1.0, NOW), NOW, []
    for asked in (1.0, 1.0, 3.0, 1.0):
        now += health.opens_in(now)
        health = probe(health, "probe", now).probe_failed("probe", asked, now)
        seconds.append(health.opens_in(now))
    assert seconds == [1.0, 1.0, 3.0, 1.0]
    assert health.was_asked
    now += 1.0
    failed = probe(health, "probe", now).probe_failed("probe", None, now)
    assert (failed.opens_in(now), failed.was_asked) == (10.0, False)


def test_a_probe_that_proves_nothing_makes_room_for_the_next() -> None:
    returned = probe(OPENED, "probe", NOW + 5).probe_returned("probe")
    assert (returned.circuit, returned.probe) == (HALF_OPEN, None)
    assert probe(returned, "next", NOW + 5).probe == "next"


def test_a_lost_probe_is_replaced_and_its_result_comes_too_late() -> None:
    lost = probe(OPENED, "lost", NOW + 5)
    replaced = lost.probing("new", "another", lambda prober, name: name == "lost", NOW + 6)
    assert replaced.probe == "new"
    assert replaced.probe_succeeded("lost", None, NOW + 7) is replaced
    assert replaced.probe_failed("lost", None, NOW + 7) is replaced
    assert replaced.probe_returned("lost") is replaced


def test_attempts_that_are_no_probe_decide_nothing_while_half_open() -> None:
    probing = probe(OPENED, "probe", NOW + 5)
    assert fail(probing, 10).circuit == HALF_OPEN
    assert probing.failed(1, 50.0, NOW + 5).circuit == HALF_OPEN
    assert succeed(probing, 10).circuit == HALF_OPEN


@pytest.mark.parametrize("override", [OPEN, CLOSED])
def test_while_it_is_forced_nothing_counts_and_then_it_goes_on_where_it_was(override: str) -> None:
    forced = OPENED.overridden(override)
    assert forced.is_closed() == (override == CLOSED)
    assert fail(succeed(forced, 100), 100) is forced
    assert forced.retrying() is forced
    assert probe(forced, "probe", NOW + 5) is forced
    assert forced.overridden(None) == OPENED


def test_a_probe_under_way_when_it_is_forced_is_none_any_more() -> None:
    forced = probe(OPENED, "probe", NOW + 5).overridden(OPEN)
    assert forced.probe_succeeded("probe", None, NOW + 6) is forced
    assert probe(forced.overridden(None), "next", NOW + 6).probe == "next"


def test_ten_retries_in_reserve_and_one_for_every_five_requests() -> None:
    def count_retries(health: Health) -> tuple[int, Health]:
        taken = 0
        while (left := health.retrying()) is not health:
            taken, health = taken + 1, left
        return taken, health

    taken, spent = count_retries(Health())
    assert taken == 10
    taken, spent = count_retries(succeed(spent, 4))
    assert taken == 0
    taken, spent = count_retries(succeed(spent, 1))
    assert taken == 1
    assert count_retries(succeed(spent, 1000))[0] == 10
    assert count_retries(fail(spent, 10))[0] == 2
    assert count_retries(spent.failed(0, None, NOW))[0] == 0


def test_the_time_to_first_token_follows_the_newest_ones() -> None:
    def measure(health: Health, seconds: float, now: float) -> Health:
        return health.succeeded(Successes(1, 1, seconds, now), now)

    health = measure(Health(), 1.0, NOW)
    assert (health.first_token, health.first_token_at) == (1.0, NOW)
    health = measure(health, 2.0, NOW + 1)
    assert health.first_token == pytest.approx(1.3)
    assert succeed(health, now=NOW + 9).first_token_at == NOW + 1
    probing = probe(fail(health, 10, now=NOW + 1), "probe", NOW + 9)
    probed = probing.probe_succeeded("probe", 1.3, NOW + 9)
    assert probed.first_token == pytest.approx(1.3)
    assert probed.first_token_at == NOW + 9


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["succeed", "fail", "wait", "probe", "retry", "force", "release"])
        | st.sampled_from(["probe_succeeded", "probe_failed", "probe_returned"]),
        st.floats(0.0, 40.0),
    ),
    max_size=60,
)


@given(EVENTS)
def test_whatever_happens_the_value_is_sound_and_survives_being_stored(
    events: list[tuple[str, float]],
) -> None:
    health, now = Health(), NOW
    for number, (event, seconds) in enumerate(events):
        now += seconds
        name = health.probe or "none"
        if event == "succeed":
            health = health.succeeded(Successes(3, 2, seconds, now - 1), now)
        elif event == "fail":
            health = health.failed(1, seconds if number % 3 == 0 else None, now)
        elif event == "probe":
            taken = probe(health, f"probe {number}", now)
            assert taken is health or (health.probe is None and taken.circuit == HALF_OPEN)
            health = taken
        elif event == "retry":
            health = health.retrying()
        elif event == "force":
            health = health.overridden(OPEN if number % 2 else CLOSED)
        elif event == "release":
            health = health.overridden(None)
        elif event == "probe_succeeded":
            health = health.probe_succeeded(name, seconds, now)
        elif event == "probe_failed":
            health = health.probe_failed(name, None, now)
        elif event == "probe_returned":
            health = health.probe_returned(name)
        assert 0 <= health.retries_left <= RETRY_RESERVE
        assert health.opens_in(now) <= MAX_OPEN
        assert len(health.buckets) <= 6
        assert health.probe is None or health.circuit == HALF_OPEN
        successes, failures = health.counts(now)
        if health.circuit == CLOSED:
            assert failures < 5 or failures < successes + 1
        assert load_health(dump_health(health)) == health


@given(st.binary() | st.none())
def test_of_what_cannot_be_read_nothing_is_known(data: bytes | None) -> None:
    assert load_health(data) == Health()


@pytest.mark.parametrize("data", [b"{}", b'{"circuit":"closed","buckets":[],"new":1}', b"[1]"])
def test_a_value_of_another_version_is_as_good_as_none(data: bytes) -> None:
    assert load_health(data) == Health()
