"""Whether requests can be written down: tried without leaving anything, and told once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gateway.accounts.ledger.ledger import JOURNALS, Ledger
from gateway.accounts.store.database import Database
from gateway.errors import ServiceUnavailableError
from tests.accounts.ledger.booked import build_opening, build_row, total


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Database(f"sqlite:///{tmp_path}/gateway.db"), tmp_path)


def test_trying_leaves_nothing_between_two_lines(ledger: Ledger, tmp_path: Path) -> None:
    for number in range(1, 4):
        assert ledger.is_writable()
        ledger.open(build_opening(number))
        assert ledger.is_writable()
        ledger.end(number, build_row())
    (journal,) = (tmp_path / JOURNALS).iterdir()
    assert b" " * 100 not in journal.read_bytes()
    ledger.close()
    assert total(ledger, "requests") == 3


def test_who_is_killed_while_trying_leaves_nothing_that_is_taken_for_a_request(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.open(build_opening(1))
    ledger.end(1, build_row())
    (journal,) = (tmp_path / JOURNALS).iterdir()
    with journal.open("ab") as file:
        file.write(b" " * 4096)
    other = Ledger(ledger.database, tmp_path)
    other.drain()
    ledger.close()
    other.settle_dead()
    assert total(other, "requests") == 1
    assert not list((tmp_path / JOURNALS).iterdir())
    other.close()


def test_a_full_disk_is_told_once_and_so_is_its_end(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert ledger.is_writable()
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:1]))
        for number in range(3):
            assert not ledger.is_writable()
            with pytest.raises(ServiceUnavailableError):
                ledger.open(build_opening(number))
    assert ledger.is_writable()
    ledger.open(build_opening(9))
    ledger.close()
    told = [record.levelname for record in caplog.records if record.name == "gateway.ledger"]
    assert told == ["ERROR", "WARNING"]


def test_trying_costs_next_to_nothing(ledger: Ledger) -> None:
    assert ledger.is_writable()
    began = time.process_time()
    for _ in range(200):
        ledger.is_writable()
    assert (time.process_time() - began) / 200 < 0.001
    ledger.close()
