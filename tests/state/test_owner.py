"""Which process is it, and does it live."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.state.owner import (
    LOOKED_AT_EVERY,
    Liveness,
    is_of_this_machine,
    is_running,
    load_owner,
)


def test_this_process_runs() -> None:
    assert is_running(load_owner())
    assert is_of_this_machine(load_owner())


def test_another_process_with_the_same_id_is_not_it() -> None:
    process, started, machine, nonce = load_owner().split("/")
    before = f"{process}/{int(started) - 1}/{machine}/{nonce}"
    assert not is_running(before)
    assert is_of_this_machine(before)


def test_a_process_that_started_at_another_time_is_not_it() -> None:
    _, started, machine, nonce = load_owner().split("/")
    # A child: the parent may have started within the same tick of the clock as we.
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert not is_running(f"{child.pid}/{started}/{machine}/{nonce}")
        child.communicate()


def test_a_process_of_another_machine_is_unknown() -> None:
    process, started, _, nonce = load_owner().split("/")
    assert not is_running(f"{process}/{started}/another boot:1/{nonce}")
    assert not is_of_this_machine(f"{process}/{started}/another boot:1/{nonce}")


def test_a_process_may_have_any_name(tmp_path: Path) -> None:
    python = tmp_path / "a) Z 1 (b"
    python.symlink_to(sys.executable)
    script = "from gateway.state.owner import *; print(is_running(load_owner()), load_owner())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    done = subprocess.run([python, "-c", script], capture_output=True, env=environment, timeout=30)
    answer, owner = done.stdout.decode().split()
    assert answer == "True"
    assert not is_running(owner)


def test_an_answer_serves_for_a_quarter_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("gateway.state.owner.time.monotonic", lambda: now)
    asked = []
    liveness = Liveness(lambda owner: not asked.append(owner))  # type: ignore[func-returns-value]
    for _ in range(3):
        assert liveness.is_alive("other")
    assert asked == ["other"]
    now += LOOKED_AT_EVERY + 0.01
    assert liveness.is_alive("other")
    assert asked == ["other"] * 2


def test_answers_do_not_pile_up() -> None:
    liveness = Liveness(lambda owner: False)
    for number in range(5000):
        liveness.is_alive(str(number))
    assert len(liveness._answers) <= 1024
