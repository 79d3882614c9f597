"""What happens to the gateway's own processes: workers that are killed, a Redis that hangs.

Knows Linux's /proc. Must not know what is asked of the gateway.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from gateway.state.redis_client import TIME_LIMIT
from tests.gateway_process import Gateway, find_free_port
from tests.waiting import wait_until


@dataclass
class Trouble:
    """What was done so far. Times are ``time.monotonic()``."""

    killed: list[tuple[float, frozenset[int]]] = field(default_factory=list)
    """When a worker was killed, and the clients' ports of the connections it had."""

    hung: list[tuple[float, float]] = field(default_factory=list)
    """From when to when Redis was stopped."""

    slow: list[tuple[float, float]] = field(default_factory=list)
    """From when to when Redis, running, left somebody waiting for longer than the gateway does."""

    def describe(self, at: float) -> str:
        """Return what had been done before the time ``at``, and how many seconds before."""
        killed = [f"a worker killed {at - when:.2f} s" for when, _ in self.killed if when < at]
        hung = [
            f"Redis stopped {at - began:.2f} s (resumed {at - ended:.2f} s)"
            for began, ended in self.hung
            if began < at
        ]
        return ", ".join([*killed, *hung]) or "nothing"


@contextlib.contextmanager
def repeat(seconds: float, do: Callable[[], None]) -> Iterator[None]:
    """Do something every so many ``seconds`` until the block ends."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(seconds):
            do()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def kill_worker(gateway: Gateway, trouble: Trouble, choices: random.Random) -> None:
    """Kill one of the workers, and note whose requests die with it.

    It is stopped first, so that what it has open does not change in between.
    """
    pid = choices.choice(gateway.worker_pids())
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        ports = read_client_ports(pid, gateway.port)
        trouble.killed.append((time.monotonic(), ports))
        os.kill(pid, signal.SIGKILL)


def hang_redis(server: subprocess.Popen[bytes], trouble: Trouble, seconds: float) -> None:
    """Stop Redis in its tracks for so many seconds."""
    began = time.monotonic()
    server.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    server.send_signal(signal.SIGCONT)
    trouble.hung.append((began, time.monotonic()))


def ask_redis(client: redis.Redis, trouble: Trouble) -> None:
    """Ask Redis what takes it no time, and note if the machine is too busy for that."""
    began = time.monotonic()
    client.ping()
    if time.monotonic() - began > TIME_LIMIT / 2:
        trouble.slow.append((began, time.monotonic()))


@contextlib.contextmanager
def run_redis(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a Redis that keeps nothing on the disk; yields it and its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("--redis needs redis-server (Debian, Ubuntu: apt-get install redis)")
    port = find_free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        wait_until(lambda: _answers(url))
        yield process, url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client, contextlib.suppress(redis.ConnectionError):
        return bool(client.ping())
    return False


def read_client_ports(pid: int, port: int) -> frozenset[int]:
    """Return the clients' ports of a process's connections to our ``port``."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(entry.readlink().name.removeprefix("socket:[").removesuffix("]"))
    ports = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote, inode = fields[1], fields[2], fields[9]
        if inode in inodes and int(local.rpartition(":")[2], 16) == port:
            ports.add(int(remote.rpartition(":")[2], 16))
    return frozenset(ports)
