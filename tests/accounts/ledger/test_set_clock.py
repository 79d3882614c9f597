"""A clock that is set wrong, and set right again, has nothing deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.accounts.ledger.keeper import Keeper
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.ledger.periods import DAY
from gateway.accounts.ledger.requests import Filter, read_requests
from gateway.accounts.store.database import Database
from tests.accounts.ledger.booked import build_row

RETENTION_DAYS = 30


class Clocks:
    """The clocks of this process; ``wall`` and ``both`` are what they have been moved by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 0.0
        self.both = 0.0
        now, passed = time.time, time.monotonic
        monkeypatch.setattr(time, "time", lambda: now() + self.wall + self.both)
        monkeypatch.setattr(time, "monotonic", lambda: passed() + self.both)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(Database(f"sqlite:///{tmp_path}/gateway.db"), tmp_path)
    yield opened
    opened.close()


def work(keeper: Keeper, ledger: Ledger, clocks: Clocks) -> int:
    """Have the keeper work twice, some seconds apart; return how many rows there are."""
    for _ in range(2):
        clocks.both += 2
        keeper.work()
    return len(ledger.database.read(lambda connection: read_requests(connection, Filter()))[0])


def test_a_year_ahead_for_a_while_it_prunes_nothing(ledger: Ledger, clocks: Clocks) -> None:
    ledger.end(0, build_row())
    keeper = Keeper(ledger, RETENTION_DAYS, None, lambda url, body: True)
    assert work(keeper, ledger, clocks) == 1
    clocks.both += 2 * 3600
    clocks.wall = 365 * DAY
    assert work(keeper, ledger, clocks) == 1
    clocks.both += 1800
    clocks.wall = 0
    assert work(keeper, ledger, clocks) == 1
    clocks.both += 2 * 3600
    assert work(keeper, ledger, clocks) == 1


@pytest.mark.parametrize("is_set", [True, False])
def test_a_clock_that_stays_so_is_believed_after_an_hour(
    ledger: Ledger, clocks: Clocks, is_set: bool
) -> None:
    ledger.end(0, build_row())
    keeper = Keeper(ledger, RETENTION_DAYS, None, lambda url, body: True)
    assert work(keeper, ledger, clocks) == 1
    if is_set:
        clocks.wall = 365 * DAY
        assert work(keeper, ledger, clocks) == 1
    else:
        clocks.both += 365 * DAY
    clocks.both += 2 * 3600
    assert work(keeper, ledger, clocks) == 0
