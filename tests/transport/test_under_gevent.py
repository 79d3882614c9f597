"""The transport's tests once more in a process that gevent has patched, as in its worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RUN = """
from gevent import monkey
monkey.patch_all()
import sys, pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "name",
    [
        "test_watch.py",
        "gevent_watch_cases.py",
        "test_connection.py",
        "test_http_exchange.py",
        "test_sending.py",
        "test_tls.py",
    ],
)
def test_the_same_holds_under_gevent(name: str) -> None:
    command = [sys.executable, "-c", RUN, "-q", "-p", "no:cacheprovider", str(HERE / name)]
    run = subprocess.run(command, cwd=HERE.parent.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
