"""Options that keys and tenants have on the command line, as the fields they stand for.

Knows click and how people write budgets, lists and times. Must not know which values are
right: they are checked as those of the admin API are.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from gateway.accounts.ledger.moments import parse_duration

Command = TypeVar("Command", bound=Callable[..., Any])

_BUDGET = re.compile(
    r"\$?([0-9]+(?:\.[0-9]+)?)\s*(usd|tokens?)?(?:/|\s+per\s+)([a-z]+)", re.IGNORECASE
)

_LIMITS = (
    click.option("--rate-limit", help="Requests in a time, such as 100/minute."),
    click.option("--token-rate-limit", help="Tokens in a time, such as 50000/minute."),
    click.option("--max-concurrency", help="Requests at the same time."),
    click.option("--budget", help="Such as 20/month (US dollars) or 500000tokens/day."),
    click.option("--soft-limit", help="The share of the budget to warn at, such as 0.8."),
    click.option("--metadata", help="A JSON object, only kept."),
    click.option("--enabled/--disabled", default=None, help="Whether it is let in."),
)
_KEY = (
    click.option("--owner", help="The tenant it belongs to; a new name makes a new one."),
    click.option("--role", help="user or admin."),
    click.option("--models", help="Names and patterns, such as 'fast,ollama/*'."),
    click.option("--allowed-ips", help="Networks, such as 10.0.0.0/8."),
    click.option("--priority", help="Who waits for a model: the highest goes first."),
    click.option("--expires", help="From now, such as 30d or 12h, or 2030-01-31T12:00:00Z."),
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_NUMBERS = frozenset({"max_concurrency", "priority"})
_LISTS = frozenset({"models", "allowed_ips"})


def tenant_options(command: Command) -> Command:
    """Give a command the options of limits."""
    for option in reversed(_LIMITS):
        command = option(command)
    return command


def key_options(command: Command) -> Command:
    """Give a command the options of keys."""
    command = tenant_options(command)
    for option in reversed(_KEY):
        command = option(command)
    return command


def read_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the admin API that the options stand for; "" takes a value away.

    Raises ``click.BadParameter``.
    """
    fields: dict[str, Any] = {}
    soft_limit = given.pop("soft_limit", None)
    for name, value in given.items():
        if value is None:
            continue
        if name == "expires":
            fields["expires_at"] = _read_expiry(value)
        elif name == "budget":
            fields["budget"] = _read_budget(value)
        elif name == "metadata":
            fields["metadata"] = _read_json(value)
        elif name in _LISTS:
            fields[name] = [item.strip() for item in value.split(",") if item.strip()]
        elif value == "":
            fields[name] = None
        else:
            fields[name] = _read_number(value) if name in _NUMBERS else value
    if soft_limit is not None:
        if not fields.get("budget"):
            raise click.BadParameter("give --budget with it", param_hint="--soft-limit")
        fields["budget"]["soft_limit"] = _read_number(soft_limit)
    return fields


def _read_budget(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    match = _BUDGET.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(
            f"{text!r} is not a budget; write e.g. 20/month or 500000tokens/day",
            param_hint="--budget",
        )
    amount, unit, period = match.groups()
    kind = "tokens" if (unit or "").lower().startswith("token") else "usd"
    return {kind: _read_number(amount), "per": period.lower()}


def _read_expiry(text: str) -> Any:
    duration = parse_duration(text)
    return (text or None) if duration is None else time.time() + duration


def _read_number(text: str) -> Any:
    """Return a number, or the text as it is: what is wrong with it is told later."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _read_json(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        raise click.BadParameter(f"{text!r} is not JSON", param_hint="--metadata") from None
