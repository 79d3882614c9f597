"""Blobs in files, when processes, files and configurations change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.state.blob_file import SMALLEST, FileBlobs
from gateway.state.clock import Clock
from gateway.state.ring import Ring
from tests.state.processes import in_processes

MIB = 1024 * 1024
Make = Callable[..., FileBlobs]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there" / "cache"


@pytest.fixture
def make(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make stores that look at each use whether the file is still the same."""
    monkeypatch.setattr("gateway.state.shared_file._INSPECTED_EVERY", 0.0)
    made: list[FileBlobs] = []

    def make(max_bytes: int = 2 * MIB, clock: Clock | None = None) -> FileBlobs:
        made.append(FileBlobs(path, max_bytes, clock=clock))
        return made[-1]

    yield make
    for store in made:
        store.close()


def test_the_files_take_what_they_may_and_are_for_their_owner_only(make: Make, path: Path) -> None:
    make(3_000_000).put("key", b"data", 60)
    files = [path, path.with_name("cache-ring")]
    assert sum(file.stat().st_size for file in files) == 3_000_000
    assert sum(file.stat().st_blocks * 512 for file in files) < 100_000
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]


def test_too_small_a_size_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match=f"at least {SMALLEST}, not 1000"):
        FileBlobs(path, 1000)


def test_a_blob_that_was_never_written_in_full_is_none(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = make()
    write = Ring.write
    monkeypatch.setattr(Ring, "write", lambda ring, at, data: write(ring, at, data[:-1]))
    blobs.put("key", b"data", 60)
    assert blobs.get("key") is None


def test_a_damaged_blob_is_none(make: Make, path: Path) -> None:
    blobs = make()
    blobs.put("key", b"data", 60)
    with path.with_name("cache-ring").open("r+b") as ring:
        ring.write(b"tada")
    assert blobs.get("key") is None


def test_each_boot_begins_anew(make: Make) -> None:
    now = 5_000_000_000
    blobs = make(clock=Clock("first boot", lambda: now))
    blobs.put("key", b"data", 60)
    assert blobs.get("key") is not None
    blobs.close()
    assert make(clock=Clock("first boot", lambda: now)).get("key") is not None
    assert make(clock=Clock("second boot", lambda: now)).get("key") is None


def test_another_size_begins_anew_and_older_processes_go_along(make: Make, path: Path) -> None:
    older = make(2 * MIB)
    older.put("before", b"data", 60)
    assert in_processes((older, make(4 * MIB)), _get_before_and_put, 1) == [None]
    older.put("older", bytes(3 * MIB), 60)
    assert [older.get(key) is not None for key in ("newer", "older")] == [True, True]
    assert sum(file.stat().st_size for file in (path, path.with_name("cache-ring"))) == 4 * MIB


@pytest.mark.parametrize("suffix", ["", "-lock", "-ring"])
def test_after_a_deleted_file_and_a_restart_all_processes_share_again(
    make: Make, path: Path, suffix: str
) -> None:
    older = make()
    older.put("before", b"data", 60)
    path.with_name(f"cache{suffix}").unlink()
    assert in_processes((older, make()), _get_before_and_put, 1) == [None]
    assert older.get("newer") is not None


@pytest.mark.parametrize("damage", [b"", b"\0" * 100_000, b"this is not LMDB" * 16384])
def test_a_file_of_something_else_is_replaced(make: Make, path: Path, damage: bytes) -> None:
    blobs = make()
    blobs.put("key", b"data", 60)
    blobs.close()
    path.write_bytes(damage)
    blobs.put("key", b"data", 60)
    assert blobs.get("key") is not None


def test_nobody_waits_while_the_bytes_of_a_blob_are_written(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = make()
    seen = []
    write = Ring.write

    def write_slowly(ring: Ring, position: int, data: bytes) -> None:
        monkeypatch.setattr(Ring, "write", write)
        seen.extend(in_processes(blobs, _put_and_get, 1))
        write(ring, position, data)

    monkeypatch.setattr(Ring, "write", write_slowly)
    blobs.put("key", b"data", 60)
    assert seen == [b"data", None]
    assert blobs.get("key") is not None


def _get_before_and_put(stores: tuple[FileBlobs, FileBlobs]) -> list[bytes | None]:
    older, newer = stores
    older.close()  # the parent's: a process opens a file once
    before = newer.get("before")
    newer.put("newer", b"data", 60)
    return [None if before is None else before.data]


def _put_and_get(blobs: FileBlobs) -> list[bytes | None]:
    blobs.put("other", b"data", 60)
    found = [blobs.get(key) for key in ("other", "key")]
    return [None if blob is None else blob.data for blob in found]
