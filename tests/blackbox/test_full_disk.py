"""A disk that is full: what is refused, what is said of it, and that it mends by itself.

A full disk is what a limit to the size of files looks like to a process that writes.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.blackbox.wire import NDJSON, ollama_line
from tests.gateway_process import Gateway, run_gateway
from tests.upstream import Upstream
from tests.waiting import wait_until

UNLIMITED = resource.RLIM_INFINITY


@contextmanager
def full_disk(gateway: Gateway) -> Iterator[None]:
    """Let no file of the gateway's workers grow."""
    workers = gateway.worker_pids()
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, UNLIMITED))
    try:
        yield
    finally:
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


def readiness(gateway: Gateway) -> tuple[int, str, str]:
    got = gateway.get("/health/ready")
    return got.status_code, got.json()["status"], got.json()["ledger"]


def journals(gateway: Gateway) -> int:
    """Return the bytes of all journals."""
    paths = (gateway.directory / "data" / "journals").glob("*.journal")
    return sum(path.stat().st_size for path in paths)


def test_a_gateway_on_a_full_disk_says_that_it_is_not_ready_and_why(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.handler = lambda request, connection: connection.send_answer(
        ollama_line("one", done=True), 200, NDJSON
    )
    with run_gateway(tmp_path, OLLAMA_BASE_URL=upstream.url) as gateway:
        assert readiness(gateway) == (200, "ready", "ok")
        with full_disk(gateway):
            assert gateway.chat("tiny").json()["error"]["code"] in (
                "ledger_unavailable",
                "limits_unavailable",
            )
            assert readiness(gateway) == (503, "not ready", "unwritable")
            assert gateway.get("/health").status_code == 200
        wait_until(lambda: readiness(gateway) == (200, "ready", "ok"))
        assert gateway.chat("tiny").status_code == 200


def test_asking_whether_it_is_ready_leaves_nothing_on_the_disk(
    upstream: Upstream, tmp_path: Path
) -> None:
    with run_gateway(tmp_path, OLLAMA_BASE_URL=upstream.url) as gateway:
        readiness(gateway)
        before = journals(gateway)
        for _ in range(20):
            readiness(gateway)
        assert journals(gateway) == before
