"""Stored keys as users meet them: two workers, commands beside them, a database that is away."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.blackbox.conftest import build_config
from tests.blackbox.holding import Held, OpenStream
from tests.blackbox.wire import NDJSON, ollama_line
from tests.gateway_process import (
    ADMIN_KEY,
    Gateway,
    build_environment,
    chat_body,
    run_gateway,
)
from tests.upstream import Connection, Request, Upstream
from tests.waiting import least, wait_until

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
SOON = 1.0
"""Seconds until a change is in force everywhere: the promise."""

SLACK = 2.0
"""Seconds that a machine busy with tests may add."""


@pytest.fixture(scope="module")
def own_gateway(
    shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("stored")
    config = build_config(shared_upstream)
    config["providers"]["scarce"] = {**config["providers"]["ollama"], "max_concurrency": 1}
    with run_gateway(directory, config=config, WEB_CONCURRENCY="2") as it:
        yield it


@pytest.fixture
def stored(own_gateway: Gateway, upstream: Upstream) -> Gateway:
    upstream.handler = say
    return own_gateway


def say(request: Request, connection: Connection) -> None:
    connection.send_head(200, NDJSON)
    connection.send_chunk(ollama_line("hi", done=True))
    connection.end_chunks()


def command(gateway: Gateway, *arguments: str) -> str:
    """Run ``python -m gateway`` where the gateway runs; returns what it prints."""
    run = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=gateway.directory,
        env=build_environment(DATABASE_URL=f"sqlite:///{gateway.directory}/data/gateway.db"),
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def create(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    answer = gateway.post("/admin/keys", {"name": "alice", **fields}, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def status_of(gateway: Gateway, key: str, model: str = "ollama/tiny") -> int:
    return ask(gateway, key, model).status_code


def ask(gateway: Gateway, key: str, model: str = "ollama/tiny") -> requests.Response:
    return gateway.post("/v1/chat/completions", chat_body(model), headers=bearer(key))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def all_say(gateway: Gateway, key: str, status: int, model: str = "ollama/tiny") -> bool:
    """Tell whether ten requests, which all workers share, get ``status``."""
    return all(status_of(gateway, key, model) == status for _ in range(10))


def seconds_until_all_say(
    gateway: Gateway, key: str, status: int, model: str = "ollama/tiny"
) -> float:
    """Return after how long ten requests, which all workers share, began to get ``status``."""
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        if all_say(gateway, key, status, model):
            return asked - began
        assert asked - began < 15, f"they do not say {status}"
        time.sleep(0.02)


def test_what_a_command_does_is_in_force_in_all_workers_within_a_second(stored: Gateway) -> None:
    names = iter("abcde")

    def take() -> float:
        name = next(names)
        key = command(stored, "keys", "create", "--name", name, "--models", "ollama/*").strip()
        assert all_say(stored, key, 200)
        assert all_say(stored, key, 403, "openai/gpt-4o-mini")
        command(stored, "keys", "set", name, "--models", "fast")
        changed = seconds_until_all_say(stored, key, 403)
        assert all_say(stored, key, 200, "fast")
        command(stored, "keys", "revoke", name)
        return max(changed, seconds_until_all_say(stored, key, 401, "fast"))

    assert least(take, SOON) < SOON


def test_a_revoked_key_is_refused_everywhere_within_a_second(stored: Gateway) -> None:
    def take() -> float:
        made = create(stored)
        assert all_say(stored, made["key"], 200)
        stored.request("DELETE", f"/admin/keys/{made['id']}", headers=ADMIN)
        return seconds_until_all_say(stored, made["key"], 401)

    assert least(take, SOON) < SOON


@pytest.mark.parametrize("by", ["api", "command"])
def test_revoked_now_a_key_loses_its_streams_by_an_error_event(
    stored: Gateway, upstream: Upstream, by: str
) -> None:
    def take() -> float:
        upstream.handler = held = Held()
        made, other = create(stored), create(stored)
        streams = [open_stream(stored, key["key"]) for key in (made, made, made, other)]
        if by == "api":
            stored.request("DELETE", f"/admin/keys/{made['id']}?now=true", headers=ADMIN)
        else:
            command(stored, "keys", "revoke", made["id"], "--now")
        began = time.monotonic()
        for stream in streams[:3]:
            ended = stream.read()
            (error,) = (each["error"] for each in ended.errors)
            assert error["code"] == "invalid_api_key"
            assert "revoked" in error["message"]
        taken = time.monotonic() - began
        held.end.set()
        assert streams[3].read().errors == []
        for stream in streams:
            stream.close()
        return taken

    assert least(take, SOON) < SOON


def test_revoked_without_now_a_stream_goes_on_to_its_end(
    stored: Gateway, upstream: Upstream
) -> None:
    upstream.handler = held = Held()
    made = create(stored)
    stream = open_stream(stored, made["key"])
    stored.request("DELETE", f"/admin/keys/{made['id']}", headers=ADMIN)
    time.sleep(SOON)
    held.end.set()
    assert stream.read().errors == []
    stream.close()


def test_revoked_now_a_whole_answer_that_is_waited_for_becomes_an_error(
    stored: Gateway, upstream: Upstream
) -> None:
    upstream.handler = held = Held()
    made = create(stored)
    body = chat_body("ollama/tiny")
    client = stored.connect("POST", "/v1/chat/completions", body, headers=bearer(made["key"]))
    assert held.asked.acquire(timeout=10)
    command(stored, "keys", "revoke", made["id"], "--now")
    answer = client.getresponse()
    assert answer.status == 401
    assert json.loads(answer.read())["error"]["code"] == "invalid_api_key"
    client.close()
    held.end.set()


def test_with_a_locked_database_known_keys_go_on_and_unknown_ones_are_read(
    stored: Gateway,
) -> None:
    known, unknown = create(stored), create(stored)
    assert all_say(stored, known["key"], 200)
    with locked(stored):
        assert all_say(stored, known["key"], 200)
        assert status_of(stored, unknown["key"]) == 200  # WAL: who reads does not wait
        began = time.monotonic()
        refused = stored.post("/admin/keys", {"name": "late"}, headers=ADMIN)
        assert time.monotonic() - began < SOON + SLACK
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "store_unavailable"
        assert refused.headers["Retry-After"] == "1"
    create(stored, name="in time")


def test_no_key_is_anywhere_but_in_its_first_answer(stored: Gateway) -> None:
    canaries = [create(stored, name=f"canary {number}")["key"] for number in range(3)]
    canaries.append(command(stored, "keys", "create", "--name", "canary 4").strip())
    answers = []
    for key in canaries:
        answers.append(ask(stored, key).text)
        answers.append(ask(stored, key, "nothing/here").text)
        answers.append(stored.get("/admin/keys", headers=bearer(key)).text)
        answers.append(stored.get("/v1/models", headers=bearer(key + "x")).text)
    for path in ("/admin/keys?limit=1000", "/admin/configuration", "/admin/targets"):
        answers.append(stored.get(path, headers=ADMIN).text)
    answers.append(stored.log)
    answers.append(command(stored, "keys", "list", "--json"))
    files = [path for path in (stored.directory / "data").rglob("*") if path.is_file()]
    assert any(path.name.startswith("gateway.db") for path in files)
    contents = [path.read_bytes() for path in files]
    for key in canaries:
        for part in (key, key[3:], key[:20]):
            assert not any(part in answer for answer in answers)
            assert not any(part.encode() in content for content in contents)


def test_last_use_is_written_down_lazily(stored: Gateway) -> None:
    made = create(stored)
    assert status_of(stored, made["key"]) == 200

    def is_written() -> bool:
        shown = stored.get(f"/admin/keys/{made['id']}", headers=ADMIN).json()
        return shown["last_used_at"] is not None

    wait_until(is_written)


def test_of_those_who_wait_the_key_with_the_highest_priority_goes_first(
    stored: Gateway, upstream: Upstream
) -> None:
    upstream.handler = held = Held()
    keys = [create(stored, priority=priority)["key"] for priority in (-1, 0, 5)]
    first = open_stream(stored, create(stored)["key"], "scarce/first")
    waiting = []
    for number, key in enumerate(keys, start=1):
        body = chat_body(f"scarce/{number}", stream=True)
        waiting.append(stored.connect("POST", "/v1/chat/completions", body, bearer(key)))
        wait_until(lambda expected=number: queued(stored) == expected)  # type: ignore[misc]
    held.end.set()
    for client in waiting:
        assert client.getresponse().read().endswith(b"[DONE]\n\n")
        client.close()
    first.close()
    order = [request.json()["model"] for request in upstream.asked("/api/chat")]
    assert order == ["first", "3", "2", "1"]


def queued(gateway: Gateway) -> int:
    """Return how many requests wait for a place at the provider ``scarce``."""
    described = gateway.get("/admin/targets", headers=ADMIN).json()
    (scarce,) = (each for each in described["providers"] if each["name"] == "scarce")
    return int(scarce["queued"])


def open_stream(gateway: Gateway, key: str, model: str = "ollama/tiny") -> OpenStream:
    before, gateway.key = gateway.key, key
    try:
        return OpenStream(gateway, model)
    finally:
        gateway.key = before


class locked:
    """A lock on the gateway's database, as a backup or a shell may hold it."""

    def __init__(self, gateway: Gateway) -> None:
        path = Path(gateway.directory / "data" / "gateway.db")
        self._connection = sqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN EXCLUSIVE")

    def __exit__(self, *error: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()
