"""Reservations that could not be settled when it was time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.accounts.keys.keys import Limits, Principal
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.limits.admission import Admission, Admissions, Used
from gateway.accounts.limits.bound import bound_chat
from gateway.accounts.limits.claims import Asked
from gateway.accounts.store.database import Database
from gateway.errors import ServiceUnavailableError
from gateway.state import Held, LocalState, Reservation, StateUnavailableError
from tests.accounts.ledger.booked import build_opening, build_row

REQUESTS = 20
ALICE = Principal("alice", "user", key_id="key_a", limits=Limits(max_concurrency=2 * REQUESTS))


class LateState(LocalState):
    """State that settles nothing while ``is_away``, and takes its time for it afterwards."""

    is_away = False

    def settle(self, reservation: Reservation, used: Sequence[int]) -> list[Held]:
        if self.is_away:
            raise StateUnavailableError("The state is away")
        time.sleep(0.01)
        return super().settle(reservation, used)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[LateState]:
    state = LateState(tmp_path / "state")
    yield state
    state.close()


@pytest.fixture
def admissions(state: LateState, tmp_path: Path) -> Iterator[Admissions]:
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    ledger = Ledger(database, tmp_path)
    yield Admissions(state, ledger, None)
    ledger.close()
    database.close()


def admit(admissions: Admissions) -> Admission:
    asked = Asked(bound_chat({"messages": [], "max_tokens": 5}), 0, 0)
    return admissions.admit(ALICE, build_opening(0), asked, Limits())


def open_now(admission: Admission) -> int:
    """Return how many requests were open when this one was let in, itself among them."""
    (held,) = admission.held
    return held.value


def test_many_at_once_settle_what_could_not_be_settled(
    admissions: Admissions, state: LateState
) -> None:
    before = [admit(admissions) for _ in range(REQUESTS)]
    state.is_away = True
    for admission in before:
        admissions.settle(admission, Used(5, 0), build_row())
    state.is_away = False
    with ThreadPoolExecutor(REQUESTS) as pool:
        after = list(pool.map(lambda _: admit(admissions), range(REQUESTS)))
    assert open_now(admit(admissions)) == len(after) + 1


def test_what_still_can_not_be_settled_is_kept_for_later(
    admissions: Admissions, state: LateState
) -> None:
    first, second = admit(admissions), admit(admissions)
    state.is_away = True
    for admission in (first, second):
        admissions.settle(admission, Used(5, 0), build_row())
    with pytest.raises(ServiceUnavailableError):
        admit(admissions)
    state.is_away = False
    assert open_now(admit(admissions)) == 1
