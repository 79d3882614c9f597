"""State in a file, when processes, disks, clocks and people misbehave."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.state import LocalState, StateUnavailableError
from gateway.state.clock import Clock, load_clock
from gateway.state.file import MAP_SIZE, open_lmdb
from tests.gateway_process import ROOT

SECOND = 1_000_000_000


class Machine:
    """A machine whose clocks and boots the test decides on; times in seconds."""

    def __init__(self) -> None:
        self.boot_id = "first boot"
        self.since_boot = 1000.0
        self.wall = 1_700_000_000.0

    def clock(self) -> Clock:
        return Clock(
            self.boot_id, lambda: int(self.since_boot * SECOND), lambda: int(self.wall * SECOND)
        )

    def reboot(self, *, off_for: float) -> None:
        self.boot_id += ", again"
        self.since_boot = 5.0
        self.wall += off_for


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextmanager
def opened(path: Path, clock: Clock | None = None, **options: int) -> Iterator[LocalState]:
    state = LocalState(path, clock=clock, **options)
    try:
        yield state
    finally:
        state.close()


def test_counters_survive_a_restart(path: Path) -> None:
    with opened(path) as state:
        state.increment("key", 60)
    with opened(path) as state:
        assert state.increment("key", 60).value == 2


def test_missing_directories_are_made_and_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "state"
    with opened(path) as state:
        state.increment("key", 60)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written_is_a_clear_error_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with opened(tmp_path / "file" / "state") as state:
        for _ in range(3):
            with pytest.raises(StateUnavailableError, match="can't be written") as raised:
                state.increment("key", 60)
    assert str(tmp_path) not in raised.value.message
    assert isinstance(raised.value, GatewayError)
    assert raised.value.status == 503
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_process_killed_while_it_writes_holds_nobody_up(path: Path) -> None:
    script = """
import pathlib, signal, sys
from gateway.state.clock import load_clock
from gateway.state.file import open_environment
with open_environment(pathlib.Path(sys.argv[1]), load_clock()).begin(write=True) as txn:
    txn.put(b"half", b"done")
    print("locked", flush=True)
    signal.pause()
"""
    command = [sys.executable, "-c", script, str(path)]
    with opened(path) as state:
        state.increment("key", 60)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            locked = process.stdout.readline()
            process.kill()
        assert locked == b"locked\n"
        assert state.increment("key", 60).value == 2


def test_a_forked_process_uses_no_file_of_its_parent(path: Path) -> None:
    with opened(path) as state:
        state.increment("key", 60)
        child = os.fork()
        if child == 0:
            os._exit(state.increment("key", 60).value)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        assert state.increment("key", 60).value == 3


def test_a_deleted_file_is_noticed_and_made_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.shared_file._INSPECTED_EVERY", 0.0)
    with opened(path) as state:
        state.increment("key", 60)
        for name in (path, Path(f"{path}-lock")):
            name.unlink()
        assert state.increment("key", 60).value == 1
    with opened(path) as state:
        assert state.increment("key", 60).value == 2


@pytest.mark.parametrize(
    "damage",
    [b"", b"\0" * 100_000, b"this is not LMDB" * 10_000],
    ids=["empty", "zeros", "text"],
)
def test_a_file_of_something_else_is_replaced(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    with opened(path) as state:
        assert state.increment("key", 60).value == 1
        assert state.increment("key", 60).value == 2


def test_a_damaged_file_is_moved_aside_loudly(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"this is not LMDB" * 10_000)
    with opened(path) as state:
        state.increment("key", 60)
    (aside,) = path.parent.glob("state.damaged-*[0-9]")
    assert aside.read_bytes().startswith(b"this is not LMDB")
    assert "is damaged" in caplog.text


@pytest.mark.parametrize("seed", [0, 1, 2, 84, 133])  # the last two abort LMDB by themselves
def test_a_torn_file_never_brings_a_process_down(path: Path, seed: int) -> None:
    with opened(path) as state:
        for number in range(300):
            state.increment(f"key {number}", 60)
    _tear(path, random.Random(seed))
    script = (
        "import sys, pathlib; from gateway.state import LocalState\n"
        "state = LocalState(pathlib.Path(sys.argv[1]))\n"
        "[state.increment(f'key {number}', 60) for number in range(300)]; state.check()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, timeout=30
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_full_file_makes_room_of_windows_that_ended(path: Path) -> None:
    machine = Machine()
    with opened(path, machine.clock(), map_size=1024 * 1024) as state:
        with pytest.raises(StateUnavailableError, match="is full"):
            _fill(state)
        assert state.increment("key 0", 60).value == 2
        machine.since_boot += 61
        for number in range(1000):
            assert state.increment(f"later {number}", 60).value == 1


def test_windows_that_ended_do_not_pile_up(path: Path) -> None:
    machine = Machine()
    with opened(path, machine.clock(), map_size=1024 * 1024) as state:
        for number in range(20_000):
            machine.since_boot += 0.1
            state.increment(f"key {number}", 60)


def test_a_disk_that_refuses_writes_is_a_clear_error_until_it_takes_them(path: Path) -> None:
    script = """
import pathlib, resource, sys
from gateway.state import LocalState, StateUnavailableError
state = LocalState(pathlib.Path(sys.argv[1]))
state.increment("key", 60)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
for _ in range(3):
    try:
        state.increment("key", 60)
    except StateUnavailableError as error:
        print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(state.increment("key", 60).value)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, timeout=30
    )
    refusal = "The gateway's shared state can't be written"
    assert done.stdout.decode().splitlines() == [refusal] * 3 + ["2"], done.stderr.decode()


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_step_of_the_wall_clock_changes_nothing(path: Path, step: float) -> None:
    machine = Machine()
    with opened(path, machine.clock()) as state:
        state.increment("key", 60)
        machine.wall += step
        machine.since_boot += 10
        counter = state.increment("key", 60)
    assert (counter.value, counter.resets_in) == (2, 50.0)
    with opened(path, machine.clock()) as state:
        assert state.increment("key", 60).value == 3


def test_windows_go_on_after_a_reboot_and_end_when_they_should(path: Path) -> None:
    machine = Machine()
    with opened(path, machine.clock()) as state:
        state.increment("minute", 60)
        state.increment("hour", 3600)
    machine.reboot(off_for=100.0)
    with opened(path, machine.clock()) as state:
        assert state.read("minute") is None
        counter = state.increment("hour", 3600)
    assert (counter.value, counter.resets_in) == (2, 3500.0)


def test_a_clock_set_back_over_a_reboot_makes_no_window_longer(path: Path) -> None:
    machine = Machine()
    with opened(path, machine.clock()) as state:
        state.increment("key", 60)
    machine.reboot(off_for=-86_400.0)
    with opened(path, machine.clock()) as state:
        assert state.increment("key", 60).resets_in == 60.0


def test_values_do_not_outlive_the_boot_whose_times_and_processes_they_speak_of(path: Path) -> None:
    machine = Machine()
    with opened(path, machine.clock()) as state:
        _set(state, "key", b"value")
        assert state.now() == 1000.0
    machine.reboot(off_for=1.0)
    with opened(path, machine.clock()) as state:
        assert state.get("key") is None
        assert state.now() == 5.0


def test_values_that_ended_do_not_pile_up(path: Path) -> None:
    machine = Machine()
    with opened(path, machine.clock()) as state:
        for number in range(500):
            machine.since_boot += 1
            _set(state, f"key {number}", b"value", lifetime=2)
    with open_lmdb(path, MAP_SIZE) as environment:
        assert environment.stat()["entries"] < 50


def test_values_of_changing_size_leave_no_holes_that_can_not_be_used(path: Path) -> None:
    chance = random.Random(1)
    with opened(path, map_size=4 * 1024 * 1024) as state:
        for _ in range(1000):
            _set(state, f"key {chance.randrange(10)}", bytes(chance.randrange(200_000)))


def test_a_file_full_of_values_makes_room_of_those_that_ended(path: Path) -> None:
    machine = Machine()
    with opened(path, machine.clock(), map_size=1024 * 1024) as state:
        for size in (100_000, 5000, 1500):
            with pytest.raises(StateUnavailableError, match="is full"):
                _fill_with_values(state, size)
        for number in range(7):
            _set(state, f"100000 {number}", b"smaller")
        machine.since_boot += 70
        _set(state, "other", bytes(100_000))
        assert state.increment("key", 60).value == 1


def test_values_leave_a_quarter_of_the_file_free(path: Path) -> None:
    size = 1024 * 1024
    with (
        opened(path, map_size=size) as state,
        pytest.raises(StateUnavailableError, match="is full"),
    ):
        _fill_with_values(state, 20_000)
    with open_lmdb(path, size) as environment:
        stat = environment.stat()
    used = (stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]) * stat["psize"]
    assert 0.7 * size < used <= 0.75 * size


def test_where_the_machine_names_no_boot_the_wall_clock_serves(tmp_path: Path) -> None:
    clock = load_clock(tmp_path / "no such file")
    with opened(tmp_path / "state", clock) as state:
        state.increment("key", 60)
    with opened(tmp_path / "state", clock) as state:
        assert state.increment("key", 60).value == 2


def _set(state: LocalState, key: str, value: bytes, lifetime: float = 60) -> None:
    state.update(key, lambda old: (value, None), lifetime)


def _fill_with_values(state: LocalState, size: int) -> None:
    for number in range(1000):
        _set(state, f"{size} {number}", bytes(size))


def _fill(state: LocalState) -> None:
    for number in range(100_000):
        state.increment(f"key {number}", 60)


def _tear(path: Path, chance: random.Random) -> None:
    """Do to the file what a crash of the machine or a bad disk could: pages lost, old, or junk."""
    content = bytearray(path.read_bytes()[: 64 * 4096])
    for _ in range(6):
        page = chance.randrange(0, 24) * 4096
        kind = chance.randrange(4)
        if kind == 0:
            content[page : page + 4096] = bytes(4096)
        elif kind == 1:
            content[page : page + 4096] = chance.randbytes(4096)
        elif kind == 2:
            other = chance.randrange(0, 24) * 4096
            content[page : page + 4096] = content[other : other + 4096]
        else:
            del content[page + 4096 * 8 :]
            content.extend(bytes(4096 * 64 - len(content)))
    path.write_bytes(content[: chance.randrange(1, 64) * 4096])
