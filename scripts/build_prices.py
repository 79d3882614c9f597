"""Write ``gateway/accounts/prices/prices.json`` from the installed package ``genai-prices``.

Run it by ``make prices`` after the package was updated, and look at the difference.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

from genai_prices import data, types

TARGET = Path(__file__).parents[1] / "gateway" / "accounts" / "prices" / "prices.json"
FIELDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")


def build_table(today: datetime.datetime) -> dict[str, Any]:
    """Return the prices in force at ``today``, by provider."""
    return {
        "source": f"genai-prices {importlib.metadata.version('genai-prices')}",
        "date": today.date().isoformat(),
        "unit": f"US dollars per million tokens: {', '.join(FIELDS)}; then from how many on, and",
        "providers": {provider.id: build_provider(provider, today) for provider in data.providers},
    }


def build_provider(provider: types.Provider, today: datetime.datetime) -> dict[str, Any]:
    """Return where a provider is, whose models it has besides its own, and those with a price."""
    exact: dict[str, list[float | None]] = {}
    patterns: list[list[Any]] = []
    for model in provider.models:
        price = build_price(model.get_prices(today))
        if price is None:
            continue
        names, rest = split_match(model.match)
        for name in names:
            exact.setdefault(name.lower(), price)
        if rest:
            patterns.append(["|".join(rest), *price])
    return {
        "url": provider.api_pattern,
        "also": provider.fallback_model_providers or [],
        "exact": exact,
        "patterns": patterns,
    }


def build_price(price: types.ModelPrice) -> list[float | None] | None:
    """Return the prices of a million tokens, and those from a threshold on where there is one."""
    given = [getattr(price, field) for field in FIELDS]
    if given[0] is None and given[1] is None:
        return None
    tiers = [each.tiers[-1] for each in given if isinstance(each, types.TieredPrices)]
    row = [to_number(each.base if isinstance(each, types.TieredPrices) else each) for each in given]
    if tiers:
        above = [
            to_number(each.tiers[-1].price if isinstance(each, types.TieredPrices) else each)
            for each in given
        ]
        row += [tiers[0].start, *above]
    return row


def to_number(price: Any) -> float | None:
    return None if price is None else float(price)


def split_match(clause: Any) -> tuple[list[str], list[str]]:
    """Return the names that match exactly, and regular expressions for the others."""
    if isinstance(clause, types.ClauseEquals):
        return [clause.equals], []
    if isinstance(clause, types.ClauseOr):
        parts = [split_match(each) for each in clause.or_]
        return [n for names, _ in parts for n in names], [p for _, rest in parts for p in rest]
    return [], [to_pattern(clause)]


def to_pattern(clause: Any) -> str:
    if isinstance(clause, types.ClauseStartsWith):
        return f"^{re.escape(clause.starts_with)}"
    if isinstance(clause, types.ClauseEndsWith):
        return f"{re.escape(clause.ends_with)}$"
    if isinstance(clause, types.ClauseContains):
        return re.escape(clause.contains)
    if isinstance(clause, types.ClauseRegex):
        return f"(?:{clause.regex})"
    if isinstance(clause, types.ClauseEquals):
        return f"^{re.escape(clause.equals)}$"
    if isinstance(clause, types.ClauseOr):
        return f"(?:{'|'.join(map(to_pattern, clause.or_))})"
    if isinstance(clause, types.ClauseAnd):
        return "^" + "".join(f"(?=.*?{to_pattern(each)})" for each in clause.and_)
    raise TypeError(f"a clause of an unknown kind: {clause!r}")


def main() -> None:
    table = build_table(datetime.datetime.now(datetime.UTC))
    providers = table.pop("providers")
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(entry, separators=(',', ':'))}"
        for name, entry in providers.items()
    )
    head = json.dumps(table)[:-1]
    TARGET.write_text(f'{head}, "providers": {{\n{lines}\n}}}}\n', encoding="utf-8")
    print(f"{TARGET}: {table['source']}, {len(providers)} providers")


if __name__ == "__main__":
    main()
