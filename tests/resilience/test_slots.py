"""Who gets the next slot."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.resilience.slots import Entry, Slots, dump_slots, load_slots

NOW = 1000.0
PRIORITIES = {"a": 0, "b": 0, "c": 0, "d": 0, "high": 5, "higher": 9}


class Line:
    """A line whose requests are named by their numbers, in the order they came."""

    def __init__(self, limit: int = 1) -> None:
        self.limit = limit
        self.slots = Slots()
        self.number = 0
        self.now = NOW

    def enter(self, key: str, max_waiting: int | None = None) -> Entry:
        self.number += 1
        self.now += 1
        entry = Entry(self.number, "process", key, PRIORITIES[key], self.now)
        self.slots = self.slots.entered(entry, self.limit, max_waiting, self.now)
        return entry

    def leave(self, entry: Entry) -> None:
        self.now += 1
        self.slots = self.slots.left(entry, self.now)

    def served_keys(self) -> str:
        """Let everybody who holds a slot leave, one after the other; return the keys served."""
        keys = [entry.key for entry in self.slots.held]
        while self.slots.held:
            was_held = self.slots.held[1:]
            self.leave(self.slots.held[0])
            keys += [entry.key for entry in self.slots.held[len(was_held) :]]
        return " ".join(keys)

    @property
    def held(self) -> list[int]:
        return [entry.number for entry in self.slots.held]

    @property
    def waiting(self) -> list[int]:
        return [entry.number for entry in self.slots.iter_order()]


def test_slots_are_given_while_there_are_any() -> None:
    line = Line(limit=2)
    for _ in range(4):
        line.enter("a")
    assert (line.held, line.waiting) == ([1, 2], [3, 4])


def test_a_full_line_takes_nobody_and_stays_as_it_is() -> None:
    line = Line()
    line.enter("a", 1)
    line.enter("a", 1)
    full = line.slots
    line.enter("higher", 1)
    assert line.slots is full


def test_without_room_to_wait_there_still_are_the_slots() -> None:
    line = Line(limit=2)
    for _ in range(3):
        line.enter("a", 0)
    assert (line.held, line.waiting) == ([1, 2], [])


def test_a_key_with_many_requests_does_not_delay_one_with_few() -> None:
    line = Line()
    for key in ["a"] * 50 + ["b"]:
        line.enter(key)
    assert line.served_keys() == "a b" + " a" * 49


def test_keys_take_turns_and_within_a_key_the_first_comes_first() -> None:
    line = Line()
    for key in "aaabbc":
        line.enter(key)
    assert line.waiting == [4, 6, 2, 5, 3]
    assert line.served_keys() == "a b c a b a"


def test_the_key_that_holds_fewer_slots_goes_first() -> None:
    line = Line(limit=3)
    for key in "aab":
        line.enter(key)
    line.enter("a")
    line.enter("b")
    line.leave(line.slots.held[2])
    assert (line.held, line.waiting) == ([1, 2, 5], [4])


def test_a_higher_class_goes_first_whoever_waits() -> None:
    line = Line()
    for key in ["a", "b", "high", "a", "higher", "high"]:
        line.enter(key)
    assert line.served_keys() == "a higher high high b a"


def test_keys_that_come_back_at_once_do_not_starve_one_that_waits() -> None:
    line = Line()
    entries = {key: line.enter(key) for key in "ab"}
    for _ in range(3):
        line.enter("c")
    served = []
    for _ in range(9):
        holder = line.slots.held[0]
        served.append(holder.key)
        line.leave(holder)
        if holder.key in entries:
            line.enter(holder.key)
    assert served == ["a", "b", "c"] * 3


def test_whoever_leaves_the_line_lets_the_others_up() -> None:
    line = Line()
    line.enter("a")
    second = line.enter("a")
    line.enter("a")
    line.leave(second)
    assert (line.held, line.waiting) == ([1], [3])
    line.leave(second)
    assert (line.held, line.waiting) == ([1], [3])


def test_coming_again_changes_nothing() -> None:
    line = Line()
    holder, waiting = line.enter("a"), line.enter("a")
    for entry in (holder, waiting):
        assert line.slots.re_entered(entry, 1, NOW) is line.slots


def test_after_a_loss_the_order_of_before_is_restored() -> None:
    entries = [Entry(number, "process", "a", 0, NOW + number) for number in range(4)]
    slots = Slots().entered(Entry(9, "process", "b", 0, NOW), 1, None, NOW)
    for entry in (entries[2], entries[0], entries[3], entries[1]):
        slots = slots.re_entered(entry, 1, NOW)
    assert list(slots.iter_order()) == entries


def test_a_changed_limit_holds_from_the_next_request_on_even_a_refused_one() -> None:
    line = Line()
    for _ in range(4):
        line.enter("a", 3)
    line.limit = 3
    line.enter("a", 2)
    assert (line.held, line.waiting) == ([1, 2, 3], [4, 5])
    line.limit = 1
    line.enter("a", 2)
    line.leave(line.slots.held[0])
    assert (line.held, line.waiting) == ([2, 3], [4, 5])


def test_what_is_lost_is_taken_away_and_its_slots_given_out() -> None:
    slots = Slots()
    for number, owner in enumerate(["dead", "alive", "dead", "alive"]):
        entry = Entry(number, owner, "a", 0, NOW + number)
        slots = slots.entered(entry, 2, None, NOW)
    swept = slots.swept(lambda entry: entry.owner == "dead", NOW)
    assert [entry.number for entry in swept.held] == [1, 3]
    assert swept.waiting == ()
    assert swept.swept(lambda entry: entry.owner == "dead", NOW) is swept


def test_the_wait_for_a_free_slot_is_estimated_from_how_long_slots_are_held() -> None:
    slots = Slots()
    assert slots.free_after(NOW) is None
    first, second = (Entry(number, "process", "a", 0, NOW) for number in (1, 2))
    slots = slots.entered(first, 2, None, NOW).entered(second, 2, None, NOW)
    assert slots.free_after(NOW + 3) == 1.5
    slots = slots.left(first, NOW + 10)
    assert slots.held_for == 10.0
    slots = slots.left(second, NOW + 20)
    assert slots.held_for == pytest.approx(12.0)
    assert slots.free_after(NOW + 99) == pytest.approx(6.0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "leave", "give up", "die"]),
        st.sampled_from(sorted(PRIORITIES)),
        st.integers(0, 100),
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 4), st.none() | st.integers(0, 8))
def test_no_slot_too_many_none_idle_and_no_request_lost(
    steps: list[tuple[str, str, int]], limit: int, max_waiting: int | None
) -> None:
    slots = Slots()
    inside: list[Entry] = []
    for number, (step, key, choice) in enumerate(steps):
        now = NOW + number
        if step == "enter":
            owner = f"process {choice % 3}"
            entry = Entry(number, owner, key, PRIORITIES[key], now)
            full = max_waiting is not None and len(slots.waiting) >= max_waiting
            slots = slots.entered(entry, limit, max_waiting, now)
            if len(inside) < limit or not full:
                inside.append(entry)
        elif step == "leave" and slots.held:
            entry = slots.held[choice % len(slots.held)]
            slots = slots.left(entry, now)
            inside = [other for other in inside if other.number != entry.number]
        elif step == "give up" and slots.waiting:
            entry = slots.waiting[choice % len(slots.waiting)]
            slots = slots.left(entry, now)
            inside.remove(entry)
        elif step == "die":
            dead = f"process {choice % 3}"
            slots = slots.swept(lambda entry, dead=dead: entry.owner == dead, now)  # type: ignore[misc]
            inside = [entry for entry in inside if entry.owner != dead]
        assert len(slots.held) == min(limit, len(inside))
        assert sorted(e.number for e in (*slots.held, *slots.waiting)) == [e.number for e in inside]
        assert list(slots.iter_order()) == _order_by_the_rule(slots)
        assert set(slots.served) <= {key for _, key, _ in steps[: number + 1]}
        assert load_slots(dump_slots(slots)) == slots


@given(STEPS)
def test_between_two_turns_of_a_key_every_other_that_waits_has_one(
    steps: list[tuple[str, str, int]],
) -> None:
    slots = Slots()
    owed: dict[str, set[str]] = {}
    """For each key those that have waited ever since its last turn and had none."""
    for number, (step, key, choice) in enumerate(steps):
        before = slots.held
        if step == "enter":
            slots = slots.entered(Entry(number, "process", key, 0, NOW), 1, None, NOW)
        elif step == "give up" and slots.waiting:
            slots = slots.left(slots.waiting[choice % len(slots.waiting)], NOW)
        elif slots.held:
            slots = slots.left(slots.held[0], NOW)
        waiting = {entry.key for entry in slots.waiting}
        for served in [entry.key for entry in slots.held if entry not in before]:
            assert not owed.get(served), f"{served} had two turns before {owed[served]}"
            for others in owed.values():
                others.discard(served)
            owed[served] = waiting - {served}
        for others in owed.values():
            others &= waiting


def test_what_was_served_is_forgotten_when_it_can_not_matter() -> None:
    line = Line()
    for key in "abcd":
        line.enter(key)
    line.served_keys()
    assert line.slots.served == {}
    assert line.slots.grants == 4


@given(st.binary() | st.none())
def test_nobody_is_in_what_cannot_be_read(data: bytes | None) -> None:
    assert load_slots(data) == Slots()


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[1]",
        b"[1,[],[[1],[0],[0],[0],[9]],[[],[],[],[],[]],{},0,null]",
        b"[1,2,3,4,5,6,7]",
        b"[1,[],[[],[],[],[]],[],{},0,null]",
    ],
)
def test_a_value_of_another_version_is_as_good_as_none(data: bytes) -> None:
    assert load_slots(data) == Slots()


def _order_by_the_rule(slots: Slots) -> list[Entry]:
    """Return the order of service, found slot by slot."""
    held = Counter(entry.key for entry in slots.held)
    last_served = {key: service.number for key, service in slots.served.items()}
    waiting, order = list(slots.waiting), []
    for number in range(slots.grants + 1, slots.grants + 1 + len(waiting)):
        following = min(
            waiting,
            key=lambda entry: (-entry.priority, held[entry.key], last_served.get(entry.key, 0)),
        )
        waiting.remove(following)
        order.append(following)
        held[following.key] += 1
        last_served[following.key] = number
    return order
