"""``keys`` and ``tenants``: what people and programs can do without a running server."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.accounts.keys.key_format import is_key
from tests.commands.conftest import Gateway


def test_a_made_key_alone_is_on_the_standard_output(run: Gateway) -> None:
    result = run("keys", "create", "--name", "alice")
    assert is_key(result.stdout.strip())
    assert "alice" in result.stderr


def test_every_option_arrives(run: Gateway) -> None:
    made = run.json(
        *("keys", "create", "--name", "alice", "--owner", "team", "--role", "admin"),
        *("--models", "fast, ollama/*", "--allowed-ips", "10.0.0.0/8,127.0.0.1"),
        *("--rate-limit", "100/minute", "--token-rate-limit", "50000/minute"),
        *("--max-concurrency", "10", "--budget", "20.5/month", "--soft-limit", "0.8"),
        *("--priority", "-5", "--expires", "2035-01-31T12:00:00Z", "--metadata", '{"a": 1}'),
        "--disabled",
    )
    assert is_key(made.pop("key"))
    expected = {
        "name": "alice",
        "owner": "team",
        "role": "admin",
        "status": "disabled",
        "enabled": False,
        "models": ["fast", "ollama/*"],
        "allowed_ips": ["10.0.0.0/8", "127.0.0.1/32"],
        "rate_limit": "100/minute",
        "token_rate_limit": "50000/minute",
        "max_concurrency": 10,
        "budget": {"usd": 20.5, "per": "month", "soft_limit": 0.8},
        "priority": -5,
        "expires_at": "2035-01-31T12:00:00Z",
        "metadata": {"a": 1},
    }
    assert {name: made[name] for name in expected} == expected
    assert run.json("keys", "show", "alice") == made


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("20/month", {"usd": 20.0, "per": "month"}),
        ("$0.50/day", {"usd": 0.5, "per": "day"}),
        ("500000tokens/week", {"tokens": 500000, "per": "week"}),
        ("1 token per total", {"tokens": 1, "per": "total"}),
        ("7 USD/total", {"usd": 7.0, "per": "total"}),
    ],
)
def test_budgets_are_written_as_people_do(run: Gateway, text: str, budget: Any) -> None:
    assert run.json("keys", "create", "--name", "a", "--budget", text)["budget"] == budget


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--role", "owner"), 1, "role must be user or admin."),
        (("--max-concurrency", "many"), 1, "max_concurrency must be a whole number 1 to 1000000."),
        (("--rate-limit", "fast"), 1, "rate_limit must be a rate such as 100/minute"),
        (("--allowed-ips", "here"), 1, "allowed_ips[0] must be an IP address or a network"),
        (("--expires", "soon"), 1, "expires_at must be a time with its zone"),
        (("--budget", "20/year"), 1, "budget.per must be one of day, week, month, total"),
        (("--budget", "lots"), 2, "'lots' is not a budget; write e.g. 20/month"),
        (("--metadata", "{"), 2, "'{' is not JSON"),
        (("--soft-limit", "0.5"), 2, "give --budget with it"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(
    run: Gateway, options: tuple[str, ...], status: int, message: str
) -> None:
    result = run("keys", "create", "--name", "alice", *options, status=status)
    assert message in result.stderr
    assert run.json("keys", "list") == []


def test_a_list_is_a_table_for_people(run: Gateway) -> None:
    run("keys", "create", "--name", "alice", "--budget", "20/month", "--models", "fast")
    run("keys", "create", "--name", "bob \x1b[31m", status=1)
    head, row = run("keys", "list").stdout.splitlines()
    assert head.split("  ")[0] == "ID"
    assert row.split()[1:] == ["alice", "-", "user", "active", "fast", "20/month", "-"]
    assert row.index("alice") == head.index("NAME")


def test_set_changes_and_takes_away(run: Gateway) -> None:
    run("keys", "create", "--name", "alice", "--budget", "20/month", "--models", "fast")
    run("keys", "set", "alice", "--budget", "", "--models", "", "--rate-limit", "5/hour")
    changed = run.json("keys", "show", "alice")
    assert (changed["budget"], changed["models"], changed["rate_limit"]) == (None, [], "5/hour")
    run("keys", "set", "alice", status=2)


def test_rotate_prints_another_text_and_revoke_ends_it(run: Gateway) -> None:
    first = run("keys", "create", "--name", "alice").stdout
    second = run("keys", "rotate", "alice", "--overlap", "60").stdout
    assert first != second
    assert is_key(second.strip())
    made = run.json("keys", "show", "alice")
    assert "is revoked" in run("keys", "revoke", "alice", "--now").stdout
    assert run.json("keys", "list")[0]["status"] == "revoked"
    run("keys", "show", "alice", status=1)
    assert "revoked" in run("keys", "list", "--search", made["id"]).stdout


def test_a_name_that_is_not_clear_is_refused_with_the_ids(run: Gateway) -> None:
    ids = [run.json("keys", "create", "--name", "twin")["id"] for _ in range(2)]
    result = run("keys", "revoke", "twin", status=1)
    assert all(each in result.stderr for each in ids)
    run("keys", "revoke", ids[0])
    run("keys", "revoke", "twin")


def test_tenants_have_limits_and_take_their_keys_along(run: Gateway) -> None:
    run("tenants", "create", "--name", "team", "--budget", "100/month")
    run("tenants", "create", "--name", "team", status=1)
    run("tenants", "set", "team", "--name", "squad", "--rate-limit", "10/minute")
    shown = run.json("tenants", "show", "squad")
    assert shown["budget"] == {"usd": 100.0, "per": "month"}
    run("keys", "create", "--name", "alice", "--owner", "squad")
    assert "10/minute" in run("tenants", "list").stdout
    assert "is deleted" in run("tenants", "delete", "squad").stdout
    assert run.json("keys", "list")[0]["status"] == "revoked"
    assert run.json("tenants", "list") == []


def test_a_wrong_configuration_and_a_database_that_is_away_have_their_exit_codes(
    run: Gateway,
) -> None:
    run.environment["DATABASE_URL"] = "mysql://host/db"
    assert "DATABASE_URL" in run("keys", "list", status=2).stderr
    run.environment["DATABASE_URL"] = "postgresql://u:hunter2@127.0.0.1:1/db"
    result = run("keys", "list", status=3)
    assert "can't be asked now" in result.stderr
    assert "hunter2" not in result.output
