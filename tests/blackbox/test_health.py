"""What anyone may ask, and what there is not."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests.blackbox.test_stored_keys import bearer, create
from tests.gateway_process import Gateway, find_free_port, run_gateway
from tests.postgresql import PostgresqlServer, postgresql_server
from tests.upstream import Upstream
from tests.waiting import wait_until

__all__ = ["postgresql_server"]

SLACK = 2.0
"""Seconds that a machine busy with tests may add."""


@pytest.mark.parametrize("path", ["/health", "/v1/health"])
def test_health_needs_no_key_and_asks_nobody(
    gateway: Gateway, upstream: Upstream, path: str
) -> None:
    got = requests.get(gateway.url + path, timeout=30)
    assert (got.status_code, got.json()["status"]) == (200, "ok")
    assert upstream.requests == []


def test_ready_asks_providers_without_generating(gateway: Gateway, upstream: Upstream) -> None:
    got = requests.get(gateway.url + "/health/ready", timeout=30)
    assert got.status_code == 200
    assert {request.method for request in upstream.requests} <= {"GET", "HEAD"}


def test_not_ready_when_no_provider_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{find_free_port()}"
    with run_gateway(tmp_path, OLLAMA_BASE_URL=url) as gateway:
        got = gateway.get("/health/ready")
        assert got.status_code == 503
        assert url not in got.text
        assert gateway.get("/health").status_code == 200


def ask_ready(gateway: Gateway) -> tuple[int, str]:
    """Return the status and what is said of the database; fails if that takes too long."""
    began = time.monotonic()
    got = gateway.get("/health/ready")
    assert time.monotonic() - began < 1 + SLACK
    return got.status_code, got.json()["database"]


def test_a_postgresql_that_is_stopped_or_hangs_is_not_ready(
    upstream: Upstream, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    url = postgresql_server.create_database()
    with run_gateway(tmp_path, OLLAMA_BASE_URL=upstream.url, DATABASE_URL=url) as gateway:
        assert ask_ready(gateway) == (200, "ok")
        pid = postgresql_server.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        with stopped([pid, *map(int, children)]):
            assert ask_ready(gateway) == (503, "unreachable")
        wait_until(lambda: ask_ready(gateway) == (200, "ok"))
        postgresql_server.stop()
        try:
            assert ask_ready(gateway) == (503, "unreachable")
            assert gateway.get("/health").status_code == 200
            assert gateway.get("/v1/models").status_code == 200, "a key of the configuration"
        finally:
            postgresql_server.start()
        wait_until(lambda: ask_ready(gateway) == (200, "ok"))


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_locked_sqlite_is_ready_and_lets_stored_keys_in(
    upstream: Upstream, tmp_path: Path
) -> None:
    with run_gateway(tmp_path, OLLAMA_BASE_URL=upstream.url) as gateway:
        key = create(gateway)["key"]
        with closing(sqlite3.connect(tmp_path / "data" / "gateway.db")) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert ask_ready(gateway) == (200, "ok")
            assert gateway.get("/v1/models", headers=bearer(key)).status_code == 200


def test_a_broken_sqlite_is_not_ready(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gateway.db").write_bytes(b"no database" * 1000)
    with run_gateway(tmp_path, OLLAMA_BASE_URL=upstream.url) as gateway:
        assert ask_ready(gateway) == (503, "unreachable")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/metrics", 404),
        ("GET", "/docs", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/health", 405),
    ],
)
def test_unknown_paths_and_methods_have_errors_of_openais_shape(
    gateway: Gateway, method: str, path: str, status: int
) -> None:
    got = gateway.request(method, path)
    assert got.status_code == status
    error = got.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    if status == 405:
        assert got.headers["Allow"]


def test_request_id_is_the_clients_if_it_is_harmless(gateway: Gateway) -> None:
    for given, kept in (("abc-DEF_1", True), ("a" * 64, True), ("a" * 65, False), ("a b", False)):
        got = gateway.get("/health", headers={"x-request-id": given})
        assert (got.headers["x-request-id"] == given) is kept
        assert got.headers["x-request-id"]


def test_several_workers_serve(gateway: Gateway) -> None:
    assert len(gateway.worker_pids()) == 2
