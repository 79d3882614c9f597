"""On a disk that may be full later: nothing there is a hole that is written to by a map."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.state import LocalState
from gateway.state.blob_file import FileBlobs
from tests.gateway_process import ROOT

MIB = 2**20
LOCK_SIZE = 64 * 1024


def count(path: Path) -> None:
    state = LocalState(path)
    state.increment("key", 60)
    state.close()


def keep(path: Path) -> None:
    blobs = FileBlobs(path, MIB)
    blobs.put("key", b"data", 60)
    blobs.close()


@pytest.mark.parametrize("use", [count, keep])
def test_the_lock_that_is_mapped_has_its_room_from_the_start(
    use: Callable[[Path], None], tmp_path: Path
) -> None:
    use(tmp_path / "file")
    lock = os.stat(tmp_path / "file-lock")
    assert lock.st_blocks * 512 >= lock.st_size >= LOCK_SIZE
    assert lock.st_mode & 0o777 == 0o600


def test_without_room_for_it_there_is_an_error_and_no_end(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from gateway.state import LocalState, StateUnavailableError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
state = LocalState(Path(sys.argv[1]))
try:
    state.increment("key", 60)
except StateUnavailableError:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(state.increment("key", 60).value)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "state")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30)
    assert done.stdout.strip() == b"1", done.stderr.decode()
