"""The short way to change a line comes to the same as the transitions, or is not taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.resilience.slots import Entry, Slots, dump_slots, load_slots
from gateway.resilience.uncontended import give_slot_back, take_free_slot

NOW = 1000.0
STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 100)),
    max_size=60,
)


def holder(number: int, key: str = "a", owner: str = "process") -> Entry:
    return Entry(number, owner, key, 0, NOW)


def as_slots(data: bytes | None) -> Slots | None:
    return None if data is None else load_slots(data)


@given(STEPS, st.integers(1, 4))
def test_it_comes_to_the_same_as_the_transitions(
    steps: list[tuple[bool, str, int, int]], limit: int
) -> None:
    slots = Slots(limit)
    for number, (is_entering, key, priority, choice) in enumerate(steps):
        now = NOW + number / 8
        data = dump_slots(slots)
        if is_entering:
            entry = Entry(number, f"process {choice % 3}", key, priority, now)
            plain = take_free_slot(data, entry, limit, now)
            is_plain = not slots.waiting and len(slots.held) < limit
            slots = slots.entered(entry, limit, 2, now)
        elif slots.held:
            entry = slots.held[choice % len(slots.held)]
            plain = give_slot_back(data, entry, now)
            is_plain = not slots.waiting
            slots = slots.left(entry, now)
        else:
            continue
        assert as_slots(plain) == (slots if is_plain else None)


def test_others_are_left_to_the_transitions() -> None:
    full = Slots().entered(holder(1), 1, None, NOW)
    waiting = full.entered(holder(2), 1, None, NOW)
    assert take_free_slot(dump_slots(full), holder(3), 1, NOW) is None
    assert take_free_slot(dump_slots(full), holder(3), 2, NOW) is None  # another limit
    assert give_slot_back(dump_slots(waiting), holder(1), NOW) is None
    assert give_slot_back(dump_slots(full), holder(2), NOW) is None
    assert give_slot_back(dump_slots(full), holder(1, owner="namesake"), NOW) is None
    assert give_slot_back(dump_slots(full.entered(holder(1), 2, None, NOW)), holder(1), NOW)


def test_names_of_those_who_left_do_not_pile_up() -> None:
    data: bytes | None = dump_slots(Slots(2))
    sizes = []
    for number in range(200):
        entry = holder(number, f"key {number}")
        taken = take_free_slot(data, entry, 2, NOW)
        data = taken or dump_slots(load_slots(data).entered(entry, 2, None, NOW))
        data = give_slot_back(data, entry, NOW)
        sizes.append(len(data or b""))
    assert max(sizes) < 500


@pytest.mark.parametrize("data", [None, b"", b"{}", b"[1]", b"[1,[],[1],[[]],{},0,null]"])
def test_a_value_of_another_version_is_left_to_the_transitions(data: bytes | None) -> None:
    assert take_free_slot(data, holder(1), 1, NOW) is None
    assert give_slot_back(data, holder(1), NOW) is None
