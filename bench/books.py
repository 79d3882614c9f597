"""Fill a SQLite ledger with a million requests: its size, and how long a month's report takes.

Run it by ``python -m bench.books [REQUESTS]``. It imports the gateway, for it measures no
server but the tables.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from gateway.accounts.ledger.booking import book
from gateway.accounts.ledger.entry import Row
from gateway.accounts.ledger.usage import Scope, iter_usage, read_latencies
from gateway.accounts.store.database import Database

REQUESTS = 1_000_000
DAYS = 30
KEYS = 100
MODELS = 5
BATCH = 5000
MOST_BYTES = 250e6
MOST_MILLISECONDS = 300


def iter_rows(count: int, now: float) -> Iterator[Row]:
    """Yield requests of the last month, spread over keys and models."""
    chance = random.Random(1)
    begin = now - DAYS * 86400
    for number in range(count):
        model = chance.randrange(MODELS)
        key = chance.randrange(KEYS)
        prompt, completion = chance.randrange(20, 4000), chance.randrange(1, 900)
        yield Row(
            created=int((begin + number * DAYS * 86400 / count) * 1000),
            request_id=f"req_{chance.getrandbits(128):032x}",
            key_id=f"key_{key:020d}",
            owner=f"team-{key % 10}",
            model=f"model-{model}",
            provider="openai" if model else "ollama",
            upstream_model=f"gpt-4o-mini-{model}",
            attempts=1,
            status=200 if number % 50 else 502,
            stream=number % 2,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=0,
            reasoning_tokens=0,
            cost=prompt * 150 + completion * 600,
            cache="miss",
            ttft_ms=round(chance.uniform(50, 900)),
            duration_ms=round(chance.uniform(900, 20_000)),
            error="" if number % 50 else "upstream_error",
            operation="chat",
            client_user="",
        )


def _report(connection: Connection, scope: Scope, by: list[str]) -> object:
    return list(iter_usage(connection, scope, by))


def _measure(database: Database, report: Callable[[Connection], object]) -> float:
    """Return the best of five times in milliseconds: others may want the processor, too."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        database.read(report)
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def main(count: int) -> int:
    """Measure and print; returns 1 where a figure misses what it should reach."""
    now = time.time()
    with tempfile.TemporaryDirectory(prefix="books-") as directory:
        path = Path(directory) / "gateway.db"
        database = Database(f"sqlite:///{path}")
        rows = iter_rows(count, now)
        began = time.perf_counter()
        while batch := [row for row, _ in zip(rows, range(BATCH), strict=False)]:
            database.write(partial(book, rows=batch))
        print(f"{count} requests written in {time.perf_counter() - began:.0f} s")
        database.write(lambda connection: None)
        size = sum(each.stat().st_size for each in path.parent.glob("gateway.db*"))
        scope = Scope(now - DAYS * 86400)
        reports: list[Callable[[Connection], object]] = [
            partial(_report, scope=scope, by=by)
            for by in (["key", "model"], ["day"], ["status"], ["provider"])
        ]
        reports.append(partial(read_latencies, scope=scope))
        times = [_measure(database, report) for report in reports]
        database.close()
    print(f"size: {size / 1e6:.0f} MB (at most {MOST_BYTES / 1e6:.0f})")
    shown = ", ".join(f"{each:.0f}" for each in times)
    print(f"reports by key and model, day, status, provider; percentiles: {shown} ms")
    print(f"(each at most {MOST_MILLISECONDS} ms)")
    return int(size > MOST_BYTES or max(times) > MOST_MILLISECONDS)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS))
