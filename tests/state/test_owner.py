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


@pytest.mark.parametrize("field", [0, 1, 2])
def test_another_process_with_the_same_id_is_not_it(field: int) -> None:
    parts = load_owner().split("/")
    parts[field] = {0: str(os.getppid()), 1: str(int(parts[1]) - 1), 2: "another boot:1"}[field]
    assert not is_running("/".join(parts))
    assert is_of_this_machine("/".join(parts)) == (field != 2)


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
