"""``usage`` as programs ask for it."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.store.database import Database
from tests.accounts.ledger.booked import build_row
from tests.commands.conftest import Gateway


def test_json_is_one_object_a_line_by_either_option(run: Gateway, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/data/gateway.db")
    ledger = Ledger(database, tmp_path / "data")
    ledger.end(0, build_row(model="fast"))
    ledger.end(0, build_row(model="slow"))
    ledger.close()
    database.close()
    lines = run("usage", "--by", "model", "--json").stdout.splitlines()
    assert [json.loads(line)["model"] for line in lines] == ["fast", "slow"]
    assert run("usage", "--by", "model", "--format", "json").stdout.splitlines() == lines
