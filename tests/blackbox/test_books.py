"""Books that balance: mixed requests while one worker after the other is killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.gateway_process import ADMIN_KEY, Gateway, chat_body, run_gateway
from tests.upstream import Connection, Request, Upstream, serve_upstream
from tests.waiting import wait_until

SEED = 20261125
REQUESTS = int(os.environ.get("GATEWAY_TEST_BOOKS", "2000"))
"""How many; the whole measure is 5000."""

CLIENTS = 16
BETWEEN_KILLS = 20
"""How many requests have to be finished: workers that never live long enough serve nobody."""

MAX_TOKENS = 64
PROMPT_TOKENS = 3
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
Kind = Literal["whole", "stream", "error", "leaves"]


@dataclass
class Case:
    """One request: what the upstream is to do, and what the client got of it."""

    number: int
    kind: Kind
    tokens: int
    received: int = 0
    is_finished: bool = False
    status: int = 0

    @property
    def request_id(self) -> str:
        return f"book-{self.number}"

    @property
    def prompt(self) -> str:
        return f"{self.kind} {self.tokens}"

    @property
    def bound(self) -> int:
        return len(self.prompt) + 8 + MAX_TOKENS


def answer(request: Request, connection: Connection) -> None:
    """Do what the prompt says: ``stream 5`` is a stream of five tokens."""
    body = request.json()
    kind, count = body["messages"][0]["content"].split()
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": int(count)}
    usage["total_tokens"] = PROMPT_TOKENS + int(count)
    if kind == "error":
        connection.send_json({"error": {"message": "no", "type": "server_error"}}, 500)
        return
    if not body.get("stream"):
        message = {"role": "assistant", "content": "x " * int(count)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        connection.send_json(
            {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
            | {"choices": [choice], "usage": usage}
        )
        return
    connection.send_head(headers={"Content-Type": "text/event-stream"})
    with contextlib.suppress(OSError):
        for _ in range(int(count)):
            connection.send_chunk(_event({"choices": [{"index": 0, "delta": {"content": "x "}}]}))
            time.sleep(0.005)
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        connection.send_chunk(_event(end) + _event({"choices": [], "usage": usage}))
        connection.send_chunk(b"data: [DONE]\n\n")
        connection.end_chunks()


def _event(fields: dict[str, Any]) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **fields}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def ask(gateway: Gateway, case: Case) -> None:
    """Send one request and note what came of it; a worker may die meanwhile."""
    is_stream = case.kind in ("stream", "leaves")
    body = chat_body(
        "cloud/gpt-4o-mini",
        messages=[{"role": "user", "content": case.prompt}],
        max_tokens=MAX_TOKENS,
        stream=is_stream,
    )
    try:
        connection = gateway.connect(
            "POST", "/v1/chat/completions", body, {"x-request-id": case.request_id}
        )
        with contextlib.closing(connection):
            response = connection.getresponse()
            case.status = response.status
            if is_stream and response.status == 200:
                _read_stream(response, case)
            else:
                text = response.read()
                case.is_finished = True
                if response.status == 200:
                    case.received = json.loads(text)["usage"]["completion_tokens"]
    except (OSError, http.client.HTTPException):
        pass


def _read_stream(response: http.client.HTTPResponse, case: Case) -> None:
    for line in response:
        if line.startswith(b"data: [DONE]"):
            case.is_finished = True
        elif b'"content":' in line:
            case.received += 1
            if case.kind == "leaves" and case.received >= 3:
                return


@contextlib.contextmanager
def killing(gateway: Gateway, cases: list[Case]) -> Iterator[Counter[str]]:
    """Kill a worker every second while ``cases`` are asked; yields how many were."""
    tally: Counter[str] = Counter()
    over = threading.Event()
    chance = random.Random(SEED)

    def kill() -> None:
        seen = 0
        while not over.wait(1.0):
            workers = gateway.worker_pids()
            finished = sum(case.is_finished for case in cases)
            if len(workers) > 1 and finished >= seen + BETWEEN_KILLS:
                seen = finished
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), signal.SIGKILL)
                    tally["killed"] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield tally
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serve_upstream() as it:
        it.reset({"/v1/chat/completions": answer})
        yield it


def read_rows(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """Return the rows of the ledger by request id; fails where one is there twice."""
    rows: dict[str, dict[str, Any]] = {}
    cursor = ""
    while True:
        page = gateway.get(f"/admin/requests?limit=1000{cursor}", headers=ADMIN).json()
        for row in page["data"]:
            assert row["request_id"] not in rows, row
            rows[row["request_id"]] = row
        if page["next"] is None:
            return rows
        cursor = f"&cursor={page['next']}"


def build_cases() -> list[Case]:
    chance = random.Random(SEED)
    kinds: list[Kind] = ["whole", "stream", "error", "leaves"]
    return [
        Case(number, chance.choices(kinds, [5, 4, 1, 1])[0], chance.randint(4, 40))
        for number in range(REQUESTS)
    ]


@pytest.mark.timeout(180 + REQUESTS // 10)
def test_the_books_balance_whoever_is_killed(upstream: Upstream, tmp_path: Path) -> None:
    config = {
        "providers": {
            "cloud": {"kind": "openai", "base_url": f"{upstream.url}/v1", "api_key": "k" * 20}
        }
    }
    cases = build_cases()
    settings = {"WEB_CONCURRENCY": "3", "TOKEN_RATE_LIMIT": "100000000/minute"}
    with run_gateway(tmp_path, config=config, **settings) as gateway:
        with killing(gateway, cases) as tally, ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda case: ask(gateway, case), cases))
        time.sleep(5)  # within which a living worker settles what dead ones left
        begun = {case.request_id for case in cases if case.received}
        wait_until(lambda: begun <= read_rows(gateway).keys(), 20)  # as soon as it gets to it
        rows = read_rows(gateway)
        stats = gateway.get("/stats", headers=ADMIN).json()["totals"]
    assert tally["killed"] >= 3
    finished = [case for case in cases if case.is_finished]
    assert len(finished) > REQUESTS / 2
    for case in cases:
        row = rows.get(case.request_id)
        if case.is_finished and case.status == 200:
            assert row is not None, case
            assert row["status"] == 200, (case, row)
            counted = (row["prompt_tokens"], row["completion_tokens"])
            assert counted == (PROMPT_TOKENS, case.tokens), (case, row)
        elif case.received:
            assert row is not None, case
        if row is not None:
            used = row["prompt_tokens"] + row["completion_tokens"]
            assert case.received <= row["completion_tokens"], (case, row)
            assert used <= case.bound, (case, row)
            assert row["cost_usd"] is not None
    assert stats["requests"] == len(rows)
    for name in ("prompt_tokens", "completion_tokens"):
        assert stats[name] == sum(row[name] for row in rows.values())
    nano = sum(round(row["cost_usd"] * 1e9) for row in rows.values())
    assert round(stats["cost_usd"] * 1e9) == nano
    assert stats["errors"] == sum(row["status"] >= 400 for row in rows.values())
