"""Run the gateway through everything at once: ``python -m tests.chaos``, or ``make chaos``.

Knows how the parts are put together, and prints what came of it.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import redis

from tests.chaos.clients import WORK, Asked, Clients, ask, build, wait_until
from tests.chaos.explanation import Explanations
from tests.chaos.trouble import Trouble, ask_redis, hang_redis, kill_worker, repeat, run_redis
from tests.chaos.weather import Flapping
from tests.gateway_process import ADMIN_KEY, Gateway, run_gateway

WORKERS = 4
KILL_EVERY = 10.0
HANG_EVERY = 15.0
HANG_SECONDS = 3.0
ASK_EVERY = 0.02
CONCURRENCY = 2
MAX_QUEUE = 5
SETTLE = 10.0
RECOVER = 60.0
"""Seconds until all places are free, and all models answer, once nothing is wrong any more."""

SHOWN = 10
SHOWN_LINES = 80
TIMEOUTS = {"connect": 1, "first_byte": 1.5, "idle": 1, "request": 8}
COLUMNS = "{:<16}{:>9}{:>9}{:>9}{:>9}{:>9}{:>13}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="default: %(default)s")
    parser.add_argument("--clients", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--redis",
        choices=("deny", "local"),
        help="keep state in a Redis that hangs; LIMITS_WHEN_STORE_IS_DOWN",
    )
    return parser.parse_args()


def build_config(one: Flapping, two: Flapping, scarce: Flapping) -> dict[str, Any]:
    """Return a configuration with all kinds of models, patient for no more than seconds."""
    openai = {"kind": "openai", "api_key": "sk-chaos", "timeouts": TIMEOUTS, "max_retries": 1}
    both = ["one/tiny", "two/tiny"]
    return {
        "providers": {
            "one": {**openai, "base_url": f"{one.url}/v1"},
            "two": {**openai, "base_url": f"{two.url}/v1"},
            "gpu": {
                "kind": "ollama",
                "base_url": scarce.url,
                "timeouts": TIMEOUTS,
                "load_timeout": TIMEOUTS["first_byte"],
                "max_retries": 1,
                "max_concurrency": CONCURRENCY,
                "max_queue": MAX_QUEUE,
            },
        },
        "models": {
            "pair": {"targets": both},
            "busy": {"targets": both, "strategy": "least_busy"},
            "scarce": "gpu/tiny",
            "kept": {"targets": both, "cache": {"ttl": 2, "when": "always"}},
            "vectors": {"targets": both},
        },
    }


def count_open(gateway: Gateway) -> int:
    """Return how many requests have a place at a provider or target, or wait for one."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    described = gateway.get("/admin/targets", headers=headers).json()
    lines = [*described["providers"], *described["targets"]]
    return sum((line["open"] or 0) + (line["queued"] or 0) for line in lines)


@contextlib.contextmanager
def start_trouble(
    options: argparse.Namespace, directory: Path, trouble: Trouble
) -> Iterator[dict[str, str]]:
    """Yield what the gateway's environment needs; with ``--redis`` there is one that hangs."""
    if not options.redis:
        yield {}
        return
    with (
        run_redis(directory) as (server, url),
        redis.Redis.from_url(url, socket_timeout=2 * HANG_SECONDS) as client,
        repeat(HANG_EVERY, lambda: hang_redis(server, trouble, HANG_SECONDS)),
        repeat(ASK_EVERY, lambda: ask_redis(client, trouble)),
    ):
        yield {"REDIS_URL": url, "LIMITS_WHEN_STORE_IS_DOWN": options.redis}


def find_slow_recovery(gateway: Gateway) -> list[str]:
    """Return the kinds of work that do not succeed again in fair weather."""
    return [kind for kind in WORK if not wait_until(partial(succeeds, gateway, kind), RECOVER)]


def succeeds(gateway: Gateway, kind: str) -> bool:
    """Ask once more, and tell whether the answer is a good one."""
    ask(gateway, asked := build(kind, f"{kind} {time.monotonic()}"))
    return not asked.failure and not asked.wrong


def trouble_lines(log: str) -> str:
    """Return the last lines of the gateway's log that are not of requests."""
    return "\n".join([line for line in log.splitlines() if " request " not in line][-SHOWN_LINES:])


def format_table(requests: list[Asked], unexplained: list[Asked]) -> str:
    """Return a line for each kind of work."""
    lines = [COLUMNS.format("", "asked", "answered", "cached", "failed", "wrong", "unexplained")]
    for kind in [*WORK, "all"]:
        own = [each for each in requests if kind in (each.kind, "all")]
        failed = sum(bool(each.failure) for each in own)
        wrong = sum(bool(each.wrong) for each in own)
        lines.append(
            COLUMNS.format(
                kind,
                len(own),
                sum(not each.failure and not each.wrong for each in own),
                sum(each.from_cache for each in own),
                failed,
                wrong,
                sum(kind in (each.kind, "all") for each in unexplained),
            )
        )
    return "\n".join(lines)


def main() -> int:
    """Run and print. Returns 0, or 1 where anything is wrong or without a reason."""
    options = parse_arguments()
    names = ("one", "two", "gpu")
    one, two, gpu = upstreams = [
        Flapping(name, random.Random(f"{options.seed}-{name}")) for name in names
    ]
    trouble = Trouble()
    choices = random.Random(options.seed)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        troubled = stack.enter_context(contextlib.ExitStack())
        environment = troubled.enter_context(start_trouble(options, directory, trouble))
        config = build_config(one, two, gpu)
        run = run_gateway(directory, config=config, WEB_CONCURRENCY=str(WORKERS), **environment)
        gateway = stack.enter_context(run)
        clients = Clients(gateway, options.clients, options.seed)
        with repeat(KILL_EVERY, lambda: kill_worker(gateway, trouble, choices)):
            for upstream in upstreams:
                upstream.start()
            clients.start()
            time.sleep(options.seconds)
            clients.stop()
        if gateway.process.poll() is not None:
            print(f"the gateway itself has ended:\n{trouble_lines(gateway.log)}")
            return 1
        for upstream in upstreams:
            upstream.calm()
        lost = not wait_until(lambda: count_open(gateway) == 0, SETTLE)
        slow = find_slow_recovery(gateway)
        crashes = gateway.log.count("Traceback")
        if crashes:
            print(trouble_lines(gateway.log))
    pair = (one, two)
    routes = {"pair": pair, "busy": pair, "kept": pair, "vectors": pair, "scarce": (gpu,)}
    explanations = Explanations(
        routes, {"scarce": CONCURRENCY + MAX_QUEUE}, clients.requests, trouble
    )
    return report(clients.requests, explanations, lost, slow, crashes)


def report(
    requests: list[Asked], explanations: Explanations, lost: bool, slow: list[str], crashes: int
) -> int:
    """Print the table and the reasons; returns the status to exit with."""
    reasons: Counter[str] = Counter()
    unexplained: list[Asked] = []
    for asked in requests:
        if asked.failure:
            reason = explanations.explain(asked)
            if reason is None:
                unexplained.append(asked)
            else:
                reasons[f"{asked.failure}: {reason}"] += 1
    wrong = [each for each in requests if each.wrong]
    print(format_table(requests, unexplained))
    print(f"\nworkers killed: {len(explanations.trouble.killed)}")
    delays = len(explanations.trouble.slow)
    print(f"Redis stopped: {len(explanations.trouble.hung)}, slow: {delays}")
    print(f"lost slots: {'some' if lost else 'none'}; tracebacks in the log: {crashes}")
    print(f"not well again in fair weather: {', '.join(slow) or 'none'}\n")
    for name, count in reasons.most_common():
        print(f"{count:>7}  {name}")
    for asked in (*wrong, *unexplained)[:SHOWN]:
        print(f"\nunexplained: {asked}")
        print(f"  before it: {explanations.trouble.describe(asked.began)}")
    return int(bool(wrong or unexplained or lost or slow or crashes))


if __name__ == "__main__":
    sys.exit(main())
