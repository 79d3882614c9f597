"""The books: no request is lost, none is counted twice, on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.accounts.ledger.entry import LOST_ERROR
from gateway.accounts.ledger.keeper import Keeper
from gateway.accounts.ledger.ledger import JOURNALS, Ledger
from gateway.accounts.ledger.periods import DAY, Span
from gateway.accounts.ledger.requests import Filter, read_requests
from gateway.accounts.ledger.spent import read_spent
from gateway.accounts.ledger.usage import Scope, iter_usage
from gateway.accounts.store import usage_tables as tables
from gateway.accounts.store.database import Database
from gateway.errors import ServiceUnavailableError
from tests.accounts.ledger.booked import build_opening, build_row, total
from tests.gateway_process import ROOT


@pytest.fixture
def ledger(database: Database, tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(database, tmp_path)
    yield opened
    opened.close()


def test_what_has_ended_is_a_row_and_part_of_the_sums(ledger: Ledger) -> None:
    ledger.open(build_opening(1))
    ledger.end(1, build_row(request_id="whole", client_user="bob"))
    ledger.end(0, build_row(request_id="hit", cache="hit", cost=0))
    ledger.end(0, build_row(status=502, cost=None, error="upstream_error"))
    ledger.drain()
    rows, _ = ledger.database.read(lambda c: read_requests(c, Filter(request_id="whole")))
    assert [row["user"] for row in rows] == ["bob"]
    assert rows[0]["cost_usd"] == 0.0000045
    assert (total(ledger, "requests"), total(ledger, "errors")) == (3, 1)
    assert (total(ledger, "prompt_tokens"), total(ledger, "cost")) == (30, 4500)
    assert total(ledger, "unpriced") == 1


def test_draining_again_and_by_others_counts_nothing_twice(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    other = Ledger(database, tmp_path)
    for number in range(1, 201):
        ledger.open(build_opening(number))
        ledger.end(number, build_row())
    drains = [threading.Thread(target=each.drain) for each in (ledger, other) * 4]
    for drain in drains:
        drain.start()
    for drain in drains:
        drain.join()
    ledger.drain_own()
    assert total(ledger, "requests") == 200


def test_a_journal_is_let_go_of_when_it_was_taken_over(ledger: Ledger, tmp_path: Path) -> None:
    for round_of in range(3):
        for _ in range(3000):
            ledger.end(0, build_row(request_id="x" * 64))
        ledger.drain_own()
        ledger.drain()
        assert total(ledger, "requests") == 3000 * (round_of + 1)
    (journal,) = (tmp_path / JOURNALS).glob("*.journal")
    assert journal.stat().st_size < 1024 * 1024


def test_money_under_way_counts_as_spent(ledger: Ledger) -> None:
    now = int(time.time())
    day, moment = now // DAY * DAY, now * 1000
    yesterday, today, tomorrow = (Span("", day + n * DAY, day + (n + 1) * DAY) for n in (-1, 0, 1))
    ledger.open(build_opening(1, owner="team", created=moment))
    ledger.end(0, build_row(owner="team", created=moment))
    ledger.end(0, build_row(owner="team", cache="hit", cost=0, created=moment))
    ledger.drain()
    for holder, name in (("key", "key_a"), ("owner", "team")):
        spent = ledger.database.read(lambda c, h=holder, n=name: read_spent(c, h, n, today))  # type: ignore[misc]
        assert spent == (150 + 15, 45_000 + 4500)
    ledger.end(1, build_row(owner="team", created=moment))
    ledger.drain()
    assert ledger.database.read(lambda c: read_spent(c, "key", "key_a", today)) == (30, 9000)
    for other in (yesterday, tomorrow):
        spent = ledger.database.read(lambda c, o=other: read_spent(c, "key", "key_a", o))  # type: ignore[misc]
        assert spent == (0, 0)
    ever = Span("total", 0, None)
    assert ledger.database.read(lambda c: read_spent(c, "key", "key_a", ever)) == (30, 9000)


_KILLED = """
import sys, time
from pathlib import Path
from gateway.accounts.store.database import Database
from gateway.accounts.ledger.ledger import Ledger
from tests.accounts.ledger.booked import build_opening, build_row
ledger = Ledger(Database(sys.argv[1]), Path(sys.argv[2]))
for number in (1, 2, 3):
    ledger.open(build_opening(number))
ledger.drain()
ledger.end(1, build_row())
ledger.open(build_opening(4))
ledger.open(build_opening(2, completion_tokens=8192, cost=90_000))
print("written", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_left_open_is_charged_once_with_all_that_was_reserved(
    ledger: Ledger, database_url: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _KILLED, database_url, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    ledger.settle_dead()  # it lives
    ledger.drain()
    assert total(ledger, "requests") == 1
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    ledger.settle_dead()
    ledger.settle_dead()
    rows, _ = ledger.database.read(lambda c: read_requests(c, Filter()))
    lost = sorted(
        (row["request_id"], row["prompt_tokens"], row["completion_tokens"], row["cost_usd"])
        for row in rows
        if row["error"] == LOST_ERROR
    )
    assert lost == [
        ("open_2", 100, 8192, 0.00009),
        ("open_3", 100, 50, 0.000045),
        ("open_4", 100, 50, 0.000045),
    ]
    assert len(rows) == 4
    assert not list((tmp_path / JOURNALS).glob("*.journal"))
    count = select(func.count()).select_from(tables.open_requests)
    assert ledger.database.read(lambda c: c.execute(count).scalar()) == 0


def test_text_that_no_database_stores_is_stored_as_near_as_can_be(ledger: Ledger) -> None:
    ledger.end(0, build_row(model="a\0b\ud800c", client_user="\N{SNOWMAN}\n\\"))
    ledger.drain()
    ((row,), _) = ledger.database.read(lambda c: read_requests(c, Filter()))
    assert (row["model"], row["user"]) == ("a\N{REPLACEMENT CHARACTER}b?c", "\N{SNOWMAN}\n\\")


def test_sums_stay_right_when_rows_are_pruned(ledger: Ledger) -> None:
    now = int(time.time() * 1000)
    for days in range(200):
        ledger.end(
            0, build_row(created=now - days * DAY * 1000 - 3_600_000, completion_tokens=days)
        )
    ledger.drain()
    keeper = Keeper(ledger, 90, None, lambda url, body: True)
    before = total(ledger, "completion_tokens")
    keeper.prune()
    rows = select(func.count()).select_from(tables.requests)
    assert ledger.database.read(lambda c: c.execute(rows).scalar()) == 90
    assert total(ledger, "requests") == 200
    assert total(ledger, "completion_tokens") == before == sum(range(200))
    ledger.end(0, build_row(created=now - 95 * DAY * 1000))
    ledger.drain()
    keeper.prune()  # nobody prunes twice within an hour
    assert ledger.database.read(lambda c: c.execute(rows).scalar()) == 91


def test_usage_since_a_moment_counts_what_came_from_then_on(ledger: Ledger) -> None:
    noon = 1_700_049_600  # 2023-11-15 12:00
    moments = [noon - 3 * DAY, noon, noon + 600, noon + 4000, noon + DAY, noon + 3 * DAY]
    for place, moment in enumerate(moments):
        ledger.end(0, build_row(created=moment * 1000, completion_tokens=10**place))
    ledger.drain()
    for place, moment in enumerate(moments):
        later = sum(10**each for each in range(place, len(moments)))
        assert total(ledger, "completion_tokens", Scope(moment)) == later
        assert total(ledger, "completion_tokens", Scope(moment + 1)) == later - 10**place
    assert total(ledger, "requests", Scope(noon, key_id="key_b")) == 0
    days = ledger.database.read(lambda c: list(iter_usage(c, Scope(), ["day", "model"])))
    assert [entry["day"] for entry in days] == [
        "2023-11-12",
        "2023-11-15",
        "2023-11-16",
        "2023-11-18",
    ]


def test_a_disk_that_is_full_refuses_what_is_new_and_loses_no_end(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.open(build_opening(1))
    write = os.write

    def fail_half_way(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", fail_half_way)
    with pytest.raises(ServiceUnavailableError) as caught:
        ledger.open(build_opening(2))
    assert caught.value.code == "ledger_unavailable"
    ledger.end(1, build_row(request_id="late"))
    monkeypatch.undo()
    ledger.open(build_opening(3))
    ledger.end(3, build_row())
    ledger.drain()
    assert total(ledger, "requests") == 2
    rows, _ = ledger.database.read(lambda c: read_requests(c, Filter(request_id="late")))
    assert len(rows) == 1


def test_pages_follow_each_other_without_gap(ledger: Ledger) -> None:
    for number in range(7):
        ledger.end(0, build_row(request_id=f"r{number}", created=1000 + number // 3))
    ledger.drain()
    seen: list[str] = []
    before = None
    while True:
        rows, cursor = ledger.database.read(
            lambda c, before=before: read_requests(c, Filter(limit=2, before=before))  # type: ignore[misc]
        )
        seen += [row["request_id"] for row in rows]
        if not cursor:
            break
        created, _, row = cursor.partition("-")
        before = int(created), int(row)
    assert seen == [f"r{number}" for number in reversed(range(7))]


def test_a_warning_is_told_until_it_is_taken_and_once_a_period(ledger: Ledger) -> None:
    told: list[bytes] = []
    answers = [False, True]

    def post(url: str, body: bytes) -> bool:
        told.append(body)
        return answers.pop(0)

    now = int(time.time() * 1000)
    ledger.warn("budget:key:usd:2026-11:a", now, {"used": "$8.00"})
    ledger.warn("budget:key:usd:2026-11:a", now, {"used": "$9.00"})
    for _ in range(3):
        keeper = Keeper(ledger, 90, "http://127.0.0.1/hook", post)
        keeper.work()
    assert told == [b'{"id": "budget:key:usd:2026-11:a", "used": "$8.00"}'] * 2


def test_a_line_that_no_table_can_hold_keeps_no_other_waiting(ledger: Ledger) -> None:
    ledger.end(0, build_row(prompt_tokens=2**63))
    ledger.open(build_opening(1, cost=10**30))
    ledger.end(0, build_row(request_id="after"))
    ledger.drain()
    assert total(ledger, "requests") == 1
