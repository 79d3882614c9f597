"""A real PostgreSQL of the tests' own: nobody else uses it, and nothing of it stays.

Knows how to start one as a user it agrees to run as. Import ``postgresql_server`` and
``postgresql_url`` where tests need them.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

from tests.gateway_process import find_free_port

_START_SECONDS = 60.0


@dataclass
class PostgresqlServer:
    """A running server; ``url`` is that of the database ``postgres``, without a path behind it."""

    binaries: Path
    directory: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}"

    def create_database(self) -> str:
        """Return the URL of a new, empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{self.url}/{name}"

    def start(self) -> None:
        """Start the server on its directory and port; returns when it answers."""
        self.process = subprocess.Popen(
            [*_as_other_user(), str(self.binaries / "postgres"), "-D", str(self.directory)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(f"{self.url}/postgres").close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL did not start"
                time.sleep(0.05)

    def stop(self) -> None:
        """End the server and all connections to it, at once."""
        self.process.send_signal(3)  # SIGQUIT: immediate shutdown
        self.process.wait(20)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Start a PostgreSQL for all tests; skip them where none is installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    directory = Path(mkdtemp(prefix="gateway-postgresql-"))
    with suppress(KeyError):
        if os.geteuid() == 0:
            os.chown(directory, pwd.getpwnam("postgres").pw_uid, -1)
    data = directory / "data"
    options = ["-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale"]
    subprocess.run(
        [*_as_other_user(), str(binaries / "initdb"), "-D", str(data), *options],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    port = find_free_port()
    with (data / "postgresql.conf").open("a") as file:
        file.write(f"port = {port}\nlisten_addresses = '127.0.0.1'\nfsync = off\n")
        file.write(f"unix_socket_directories = '{directory}'\nmax_connections = 200\n")
    server = PostgresqlServer(binaries, data, port, None)  # type: ignore[arg-type]
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> str:
    """Return the URL of an empty database."""
    return postgresql_server.create_database()


def find_binaries() -> Path | None:
    """Return the directory of the newest installed server: Debian keeps them out of the path."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).parent
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), default=None)


def _as_other_user() -> list[str]:
    """Return what goes before a command: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
