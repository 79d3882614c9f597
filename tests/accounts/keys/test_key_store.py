"""The admin API's work on both engines: the statements, with values at their limits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from gateway.accounts.keys.keys import Budget, KeyRing
from gateway.accounts.keys.schemas import KeySchema, load_fields
from gateway.accounts.keys.service import Accounts
from gateway.accounts.store.database import Database
from gateway.errors import AuthenticationError, ConflictError, InvalidRequestError, NotFoundError
from gateway.state import LocalState


@pytest.fixture
def accounts(database: Database, local_state: LocalState) -> Accounts:
    return Accounts(KeyRing.from_keys(), database, local_state, lambda key_id, build_error: None)


def test_the_largest_values_are_kept_exactly(accounts: Accounts) -> None:
    fields = {
        "name": "x" * 200,
        "owner": "ö" * 200,
        "models": ["m" * 200] * 200,
        "max_concurrency": 1_000_000,
        "budget": {"tokens": 10**15, "per": "total", "soft_limit": 1},
        "priority": -1000,
        "metadata": {"a": "\x00\N{GRINNING FACE}" * 500},
        "expires_at": "9999-12-31T23:59:59Z",
    }
    new = accounts.keys.create(load_fields(KeySchema(), fields))
    found = accounts.keys.get(new.record.id)
    assert found == new.record
    assert found.limits.budget == Budget(None, 10**15, "total", 1.0)
    assert found.metadata == fields["metadata"]
    assert accounts.authenticate(new.key) is not None


@pytest.mark.parametrize("usd", [20, 0.1, 0.000001, 123456789.25, 10**15])
def test_money_is_exact(accounts: Accounts, usd: float) -> None:
    fields = {"name": "a", "budget": {"usd": usd, "per": "day"}}
    new = accounts.keys.create(load_fields(KeySchema(), fields))
    budget = accounts.keys.get(new.record.id).limits.budget
    assert budget is not None
    assert budget.usd == Decimal(repr(usd))


def test_pages_and_search_are_the_same_on_both_engines(accounts: Accounts) -> None:
    made = [accounts.keys.create({"name": f"Key_{n}", "owner": "Té%m"}).record.id for n in range(5)]
    first = accounts.keys.list_keys(3)
    rest = accounts.keys.list_keys(3, first.next)
    assert [key.id for key in first.data + rest.data] == made[::-1]
    assert rest.next is None
    assert len(accounts.keys.list_keys(10, search="key_").data) == 5
    assert len(accounts.keys.list_keys(10, search="T%m").data) == 0
    assert len(accounts.keys.list_keys(10, owner="Té%m").data) == 5
    with pytest.raises(InvalidRequestError):
        accounts.keys.list_keys(3, "key_none")


def test_what_is_not_there_or_over_is_told(accounts: Accounts) -> None:
    for key_id in ("key_none", "\x00", "'"):
        with pytest.raises(NotFoundError):
            accounts.keys.get(key_id)
        with pytest.raises(NotFoundError):
            accounts.keys.revoke(key_id)
    record = accounts.keys.create({"name": "a"}).record
    revoked = accounts.keys.revoke(record.id)
    assert accounts.keys.revoke(record.id).revoked_at == revoked.revoked_at
    with pytest.raises(ConflictError):
        accounts.keys.change(record.id, {"name": "b"})
    with pytest.raises(ConflictError):
        accounts.keys.rotate(record.id, 10)


def test_of_many_rotations_only_the_last_two_texts_are_good(accounts: Accounts) -> None:
    new = accounts.keys.create({"name": "a"})
    texts = [new.key]
    for _ in range(3):
        texts.append(accounts.keys.rotate(new.record.id, 0).key)
    texts.append(accounts.keys.rotate(new.record.id, 60).key)
    accounts.live.look()
    good = []
    for text in texts:
        try:
            good.append(accounts.authenticate(text) is not None)
        except AuthenticationError:
            good.append(False)
    assert good == [False, False, False, True, True]


def test_last_use_only_moves_on(accounts: Accounts) -> None:
    record = accounts.keys.create({"name": "a"}).record
    accounts.keys.note_used({record.id: 200.0, "key_gone": 1.0})
    accounts.keys.note_used({record.id: 100.0})
    assert accounts.keys.get(record.id).last_used_at == 200.0


def test_a_tenants_name_is_that_of_one(accounts: Accounts) -> None:
    first = accounts.tenants.create({"name": "team"})
    other = accounts.tenants.create({"name": "other"})
    attempts: tuple[Callable[[], object], ...] = (
        lambda: accounts.tenants.create({"name": "team"}),
        lambda: accounts.tenants.change(other.id, {"name": "team"}),
    )
    for attempt in attempts:
        with pytest.raises(ConflictError):
            attempt()
    accounts.tenants.delete(first.id)
    accounts.tenants.change(other.id, {"name": "team"})
