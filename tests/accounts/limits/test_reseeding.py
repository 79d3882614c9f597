"""Budgets that are taken away, given again and changed: they count what the books say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.accounts.keys.keys import NO_LIMITS, Budget, Limits, Principal
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.limits import reseeding
from gateway.accounts.limits.admission import Admission, Admissions, Used
from gateway.accounts.limits.bound import TokenBound
from gateway.accounts.limits.claims import Asked
from gateway.accounts.store.database import Database
from gateway.errors import BudgetExceededError
from gateway.state import LocalState, State
from tests.accounts.ledger.booked import build_opening, build_row

RESERVED = 100
ASKED = Asked(TokenBound(40, 60, is_stated=True), cost=RESERVED, least_cost=RESERVED)
SOON = 0.2


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(Database(f"sqlite:///{tmp_path}/gateway.db"), tmp_path)
    yield opened
    opened.close()


class Worker:
    """A worker that lets requests in, each of which may use 100 tokens."""

    def __init__(self, state: State, ledger: Ledger) -> None:
        self._admissions = Admissions(state, ledger, None)
        self.limits = NO_LIMITS

    def give(self, tokens: int | None = None, usd: str | None = None, ago: float = 0.0) -> None:
        money = None if usd is None else Decimal(usd)
        budget = Budget(money, tokens, "day")
        self.limits = Limits(budget=budget, changed_at=time.time() - ago)

    def begin(self) -> Admission:
        who = Principal("alice", "user", "key_a", "key_a", limits=self.limits)
        return self._admissions.admit(who, build_opening(0, key_id="key_a"), ASKED, NO_LIMITS)

    def end(self, admission: Admission, used: int = RESERVED) -> None:
        row = build_row(prompt_tokens=used, completion_tokens=0, cost=used, key_id="key_a")
        self._admissions.settle(admission, Used(used, used), row)

    def use(self, times: int, used: int = RESERVED) -> None:
        for _ in range(times):
            self.end(self.begin(), used)

    def left(self) -> int:
        """Return how many more requests are let in; each is ended having used nothing."""
        admitted = []
        try:
            while True:
                admitted.append(self.begin())
        except BudgetExceededError:
            pass
        for admission in admitted:
            self.end(admission, 0)
        return len(admitted)


@pytest.fixture
def worker(local_state: LocalState, ledger: Ledger) -> Worker:
    return Worker(local_state, ledger)


@pytest.mark.parametrize("kind", ["tokens", "usd"])
def test_given_again_it_counts_what_was_used_without_it(worker: Worker, kind: str) -> None:
    def give() -> None:
        if kind == "tokens":
            worker.give(tokens=10 * RESERVED)
        else:
            worker.give(usd=str(Decimal(10 * RESERVED) / 10**9))

    give()
    worker.use(2)
    worker.limits = NO_LIMITS
    worker.use(3)
    give()
    assert worker.left() == 5


def test_a_first_budget_counts_what_was_used_before_it(worker: Worker) -> None:
    worker.use(4)
    worker.give(tokens=10 * RESERVED)
    assert worker.left() == 6


def test_a_larger_budget_counts_on(worker: Worker) -> None:
    worker.give(tokens=3 * RESERVED)
    worker.use(3)
    assert worker.left() == 0
    worker.give(tokens=10 * RESERVED)
    assert worker.left() == 7


def test_what_another_worker_let_in_before_it_knew_is_counted_soon_after(
    worker: Worker, local_state: LocalState, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reseeding, "AGAIN_AFTER", [SOON])
    behind = Worker(local_state, ledger)
    worker.give(tokens=10 * RESERVED)
    worker.use(1)
    behind.use(4)
    time.sleep(SOON)
    assert worker.left() == 5


def test_what_was_under_way_without_it_counts_as_reserved_and_later_as_used(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reseeding, "AGAIN_AFTER", [SOON])
    under_way = [worker.begin() for _ in range(3)]
    worker.give(tokens=10 * RESERVED)
    assert worker.left() == 7
    for admission in under_way:
        worker.end(admission, 10)
    time.sleep(SOON)
    assert worker.left() == 9  # 30 are used


def test_what_is_under_way_with_it_is_settled_in_the_new_counter(worker: Worker) -> None:
    worker.give(tokens=10 * RESERVED, ago=1.0)
    under_way = [worker.begin() for _ in range(3)]
    worker.give(tokens=10 * RESERVED)
    assert worker.left() == 7
    for admission in under_way:
        worker.end(admission, 0)
    assert worker.left() == 10


def test_workers_begin_it_anew_once_together(
    worker: Worker, local_state: LocalState, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    forget = local_state.forget

    def note(keys: list[str]) -> None:
        forgotten.extend(keys)
        forget(keys)

    monkeypatch.setattr(local_state, "forget", note)
    worker.give(tokens=10 * RESERVED)
    other, restarted = Worker(local_state, ledger), Worker(local_state, ledger)
    other.limits = restarted.limits = worker.limits
    for each in (worker, other, worker, restarted):
        each.use(1)
    assert len(forgotten) == 1
    assert worker.left() == 6
