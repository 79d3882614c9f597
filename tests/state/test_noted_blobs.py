"""What stores of blobs with notes promise: what was put is found, else the note is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import pytest

from gateway.state import LocalState, StateUnavailableError
from gateway.state.blob_file import FileBlobs
from gateway.state.noted_blobs import FileNotedBlobs, NotedBlobs, StateNotes
from tests.state.processes import in_processes

MIB = 1024 * 1024


@pytest.fixture(params=["one file", "two"])
def noted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotedBlobs]:
    """Each implementation in turn."""
    blobs = FileNotedBlobs(FileBlobs(tmp_path / "cache", MIB))
    state = LocalState(tmp_path / "state")
    yield blobs if request.param == "one file" else StateNotes(blobs, state)
    blobs.close()
    state.close()


def count(value: bytes | None) -> tuple[bytes, int]:
    number = int(value or b"0") + 1
    return b"%d" % number, number


def end(value: bytes | None) -> tuple[None, None]:
    return None, None


def test_where_there_is_no_blob_the_note_is_changed(noted: NotedBlobs) -> None:
    assert noted.find("key", inf, "note", count, 60) == (None, 1)
    assert noted.find("key", inf, "note", count, 60) == (None, 2)
    assert noted.notes.get("note") == b"2"


def test_a_blob_is_found_and_its_note_left_alone(noted: NotedBlobs) -> None:
    noted.put("key", b"data", 60)
    blob, changed = noted.find("key", inf, "note", count, 60)
    assert (blob and blob.data, changed) == (b"data", None)
    assert noted.notes.get("note") is None


def test_a_blob_that_is_too_old_for_the_asker_counts_as_none(noted: NotedBlobs) -> None:
    noted.put("key", b"data", 60)
    assert noted.find("key", 0.0, "note", count, 60) == (None, 1)


@pytest.mark.parametrize("size", [4, 200_000])
def test_what_is_kept_is_found_and_its_note_has_changed(noted: NotedBlobs, size: int) -> None:
    noted.find("key", inf, "note", count, 60)
    noted.keep("key", bytes(size), 60, "note", end, 60)
    assert noted.notes.get("note") is None
    blob, _ = noted.find("key", inf, "note", count, 60)
    assert blob is not None
    assert blob.data == bytes(size)


def test_a_note_is_changed_by_itself(noted: NotedBlobs) -> None:
    assert noted.notes.update("note", count, 60) == 1
    noted.notes.update("note", end, 60)
    assert noted.notes.get("note") is None


def test_a_change_that_raises_leaves_the_note_as_it_was(noted: NotedBlobs) -> None:
    noted.notes.update("note", count, 60)

    def fail(value: bytes | None) -> tuple[bytes | None, None]:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        noted.find("key", inf, "note", fail, 60)
    assert noted.notes.get("note") == b"1"


def test_a_blob_whose_bytes_are_gone_counts_as_none(tmp_path: Path) -> None:
    noted = FileNotedBlobs(FileBlobs(tmp_path / "cache", MIB))
    noted.put("key", b"data", 60)
    ring = tmp_path / "cache-ring"
    ring.write_bytes(bytes(ring.stat().st_size))
    assert noted.find("key", inf, "note", count, 60) == (None, 1)
    noted.close()


def test_of_those_who_find_nothing_at_once_each_changes_the_note_once(tmp_path: Path) -> None:
    numbers = in_processes(tmp_path, _find_all, 4)
    assert sorted(number or 0 for number in numbers) == list(range(1, 801))


def test_a_file_that_cannot_be_written_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileBlobs(tmp_path / "cache", MIB)
    noted = FileNotedBlobs(store)
    noted.put("known", b"data", 60)
    fail = _failing(OSError(28, "No space left on device"))
    monkeypatch.setattr(store, "find", fail)
    monkeypatch.setattr(store, "keep", fail)
    blob, changed = noted.find("known", inf, "note", count, 60)
    assert (blob and blob.data, changed) == (b"data", None)
    with pytest.raises(StateUnavailableError):
        noted.find("unknown", inf, "note", count, 60)
    with pytest.raises(StateUnavailableError):
        noted.keep("unknown", b"data", 60, "note", end, 60)
    noted.close()


def _failing(error: Exception) -> Callable[..., None]:
    def fail(*arguments: object) -> None:
        raise error

    return fail


def _find_all(directory: Path) -> list[int | None]:
    noted = FileNotedBlobs(FileBlobs(directory / "cache", MIB))
    return [noted.find("key", inf, "note", count, 60)[1] for _ in range(200)]
