"""What a request is charged, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.keys.keys import Principal
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.ledger.requests import Filter, read_requests
from gateway.accounts.limits.admission import Admissions
from gateway.accounts.limits.bound import USUAL_COMPLETION, bound_chat
from gateway.accounts.prices.prices import Prices
from gateway.accounts.store.database import Database
from gateway.config.settings import Price, ProviderSettings, Settings, Target, TargetSettings
from gateway.inference.charging import Charging
from gateway.inference.metering import metered
from gateway.state import LocalState
from gateway.telemetry import RequestRecord

PROVIDER = ProviderSettings("cloud", "openai", "http://127.0.0.1:9/v1")
PRICED = Target(PROVIDER, "m", "fast", TargetSettings(price=Price(1, 2)))
UNPRICED = Target(PROVIDER, "nobody-knows", "fast")
PROMPT = {"messages": [{"role": "user", "content": "a" * 392}]}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    opened = Ledger(database, tmp_path)
    yield opened
    opened.close()
    database.close()


@pytest.fixture
def charging(ledger: Ledger, tmp_path: Path) -> Charging:
    admissions = Admissions(LocalState(tmp_path / "state"), ledger, None)
    return Charging(Settings({"cloud": PROVIDER}, "cloud"), admissions, Prices())


def begin(charging: Charging, target: Target = PRICED, **request: Any) -> RequestRecord:
    """Return the record of a request that has been let in and sent to ``target``."""
    record = RequestRecord("req_1", "POST", "/v1/chat/completions")
    record.principal = Principal("k", "user", "k", key_id="key_a")
    record.model, record.operation = "fast", "chat"
    asked = {**PROMPT, **request}
    charging.reserve(record, asked, bound_chat(asked), [target])
    record.provider, record.upstream_model = target.provider.name, target.model
    with record.attempt(target.name):
        pass
    return record


def charged(charging: Charging, record: RequestRecord, status: int) -> dict[str, Any]:
    """Settle, twice as it happens, and return the one row."""
    charging.settle(record, status)
    charging.settle(record, 500)
    ledger = charging.admissions.ledger
    ledger.drain()
    ((row,), _) = ledger.database.read(lambda connection: read_requests(connection, Filter()))
    return row


def stream(record: RequestRecord, count: int, usage: dict[str, int] | None = None) -> None:
    chunks: list[Any] = [{"choices": [{"delta": {"content": "word"}}]} for _ in range(count)]
    head: list[Any] = [] if usage is None else [{"choices": [], "usage": usage}]
    for _ in metered(iter([head, *([chunk] for chunk in chunks)]), record, with_content=False):
        pass


def test_a_whole_answer_costs_what_the_provider_counts(charging: Charging) -> None:
    record = begin(charging)
    record.usage = {"prompt_tokens": 100, "completion_tokens": 50}
    row = charged(charging, record, 200)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (100, 50)
    assert row["cost_usd"] == 0.0002


def test_a_stream_that_was_left_costs_what_came_and_its_prompt(charging: Charging) -> None:
    record = begin(charging, max_tokens=50)
    stream(record, 7)
    row = charged(charging, record, 499)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (100, 7)


def test_a_count_that_was_told_at_the_beginning_is_not_the_last_word(charging: Charging) -> None:
    record = begin(charging, max_tokens=50)
    stream(record, 7, {"prompt_tokens": 90, "completion_tokens": 1})
    row = charged(charging, record, 502)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (90, 8)


def test_a_cut_answer_costs_no_more_than_was_reserved(charging: Charging) -> None:
    record = begin(charging, max_tokens=5)
    stream(record, 7)
    assert charged(charging, record, 502)["completion_tokens"] == 5


def test_what_a_provider_refused_costs_nothing(charging: Charging) -> None:
    row = charged(charging, begin(charging), 502)
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost_usd"]) == (0, 0, 0)


def test_an_unknown_price_is_unknown_and_not_zero(charging: Charging) -> None:
    record = begin(charging, UNPRICED)
    record.usage = {"prompt_tokens": 100, "completion_tokens": 50}
    assert charged(charging, record, 200)["cost_usd"] is None


def test_an_answer_longer_than_usual_reserves_more_on_its_way(charging: Charging) -> None:
    record = begin(charging)
    stream(record, USUAL_COMPLETION + 10)
    opening = record.bill.admission.opening
    assert opening.completion_tokens == 2 * USUAL_COMPLETION
    assert opening.cost == 400 * 1000 + 2 * USUAL_COMPLETION * 2000


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x" * 400},
        {"reasoning_content": "x" * 400},
        {"role": "assistant", "content": "x" * 200, "reasoning": "x" * 200},
        {"tool_calls": [{"index": 0, "function": {"name": "f" * 4, "arguments": "x" * 396}}]},
        {"function_call": {"arguments": "x" * 400}},
    ],
    ids=["text", "reasoning", "both", "tool", "function"],
)
def test_whatever_came_before_a_stream_was_cut_is_charged(
    charging: Charging, delta: dict[str, Any]
) -> None:
    record = begin(charging)
    for _ in metered(iter([[{"choices": [{"delta": delta}]}]]), record, with_content=False):
        pass
    assert charged(charging, record, 502)["completion_tokens"] == 100


def test_a_long_piece_reserves_more_where_the_client_sets_no_limit(charging: Charging) -> None:
    record = begin(charging)
    long: Any = {"choices": [{"delta": {"content": "x" * 4 * (USUAL_COMPLETION + 1)}}]}
    for _ in metered(iter([[long]]), record, with_content=False):
        pass
    assert record.bill.admission.opening.completion_tokens == 2 * USUAL_COMPLETION


@pytest.mark.parametrize("count", [10**30, 2**63, -1, True, 1.5, "7"])
def test_a_count_that_can_be_none_is_none_and_the_books_go_on(
    charging: Charging, count: Any
) -> None:
    record = begin(charging)
    record.usage = {"prompt_tokens": count, "completion_tokens": 50}
    row = charged(charging, record, 200)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (0, 50)
