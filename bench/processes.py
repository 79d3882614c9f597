"""Servers as trees of processes: start, wait until they answer, what they use, stop.

Knows Linux's /proc. Must not know what any of the servers is for.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.002
QUIET_SECONDS = 0.5


class MeasurementError(Exception):
    """What was measured is not what should have been; the message says why."""


def find_free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def list_tree(root: int) -> list[int]:
    """Return the ids of the process ``root`` and of all its descendants."""
    children: dict[int, list[int]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int(_stat_fields(int(directory.name))[1])
            children.setdefault(parent, []).append(int(directory.name))
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, []))
    return tree


def _stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on: the second may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Server:
    """A started server and all its processes. As a context manager it is stopped at the end."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        log: Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``command``; its output goes to the file ``log``. ``env`` None: our own."""
        self.name = name
        self.port = port
        self.log = log
        self._started = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def url(self, path: str) -> str:
        """Return the address of ``path`` on this server."""
        return f"http://127.0.0.1:{self.port}{path}"

    def wait_until_answering(self, path: str) -> float:
        """Return the seconds from the start to the first 200 for ``path``.

        Raises MeasurementError, with the end of the log, if it exits or does not answer in time.
        """
        while self._process.poll() is None:
            if self._status(path) == 200:
                return time.monotonic() - self._started
            if time.monotonic() - self._started > START_SECONDS:
                raise self._failure(f"did not answer {path} within {START_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)
        raise self._failure(f"exited with status {self._process.returncode}")

    def _status(self, path: str) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return None

    def _failure(self, what: str) -> MeasurementError:
        tail = self.log.read_text(errors="replace")[-4000:]
        return MeasurementError(f"{self.name} {what}\n{tail}")

    def read_cpu_seconds(self) -> dict[int, float]:
        """Return the CPU time up to now, user and system, of each living process by its id."""
        used = {}
        for pid in list_tree(self._process.pid):
            with contextlib.suppress(OSError):
                fields = _stat_fields(pid)
                if fields[0] == "Z":
                    continue
                used[pid] = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
        return used

    def cpu_seconds_since(self, before: Mapping[int, float]) -> float:
        """Return the CPU seconds of all processes since ``before`` was read.

        Raises MeasurementError if one of them has ended, for its time would be missing.
        """
        now = self.read_cpu_seconds()
        if ended := before.keys() - now.keys():
            raise self._failure(f"lost processes while it was measured: {sorted(ended)}")
        return sum(now.values()) - sum(before.values())

    def wait_until_idle(self, processes: int) -> None:
        """Return when at least ``processes`` exist and none has used CPU time for a while."""
        before: dict[int, float] = {}
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            now = self.read_cpu_seconds()
            if len(now) >= processes and now == before:
                return
            before = now
            time.sleep(QUIET_SECONDS)
        raise self._failure(f"did not come to rest with {processes} processes")

    def pss_bytes(self) -> int:
        """Return the memory of all processes; a page that N processes share counts 1/N in each."""
        return sum(_pss_bytes(pid) for pid in list_tree(self._process.pid))

    def stop(self) -> None:
        """Ask the first process to end, and kill the whole session if it does not."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise MeasurementError(f"/proc/{pid}/smaps_rollup has no Pss")
