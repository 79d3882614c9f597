"""What every store of blobs promises, and what is left of it when the store fails."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from gateway.errors import ConfigurationError
from gateway.state import StateUnavailableError
from gateway.state.blob_file import FileBlobs
from gateway.state.blob_redis import RedisBlobs
from gateway.state.blobs import LARGEST_BLOB, BlobStore, ForgivingBlobs
from tests.gateway_process import find_free_port
from tests.state.conftest import RedisServer, hung
from tests.state.processes import in_processes

MIB = 1024 * 1024
SLACK = 0.5

Make = Callable[[int], BlobStore]
"""Returns a store of so many bytes, always in the same place."""


@pytest.fixture
def make_file(tmp_path: Path) -> Make:
    return lambda max_bytes: FileBlobs(tmp_path / "cache", max_bytes)


@pytest.fixture
def make_redis(redis_server: RedisServer) -> Make:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
    return lambda max_bytes: RedisBlobs(redis_server.url, max_bytes, time_limit=5.0)


@pytest.fixture(params=["make_file", "make_redis"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Each implementation in turn; what was made is closed."""
    made: list[BlobStore] = []
    make_store: Make = request.getfixturevalue(request.param)

    def make_and_keep(max_bytes: int) -> BlobStore:
        made.append(make_store(max_bytes))
        return made[-1]

    yield make_and_keep
    for store in made:
        store.close()


@pytest.fixture
def blobs(make: Make) -> BlobStore:
    return make(32 * MIB)


def test_there_is_nothing_at_first(blobs: BlobStore) -> None:
    assert blobs.get("key") is None
    blobs.delete("key")


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 256 * 1024, 256 * 1024 + 1, LARGEST_BLOB])
def test_a_blob_comes_back_as_it_was_put_with_its_age(blobs: BlobStore, size: int) -> None:
    data = random.Random(size).randbytes(size)
    blobs.put("key", data, 60)
    blob = blobs.get("key")
    assert blob is not None
    assert blob.data == data
    assert isinstance(blob.data, bytes)
    assert 0 <= blob.age < 5
    assert blob.lifetime == 60


@pytest.mark.parametrize(
    "key", ["", "k" * 2000, "schlüssel/日本/\N{PILE OF POO}", "a\0b", "\ud800"]
)
def test_any_text_is_a_key(blobs: BlobStore, key: str) -> None:
    blobs.put(key, b"data", 60)
    assert _data(blobs, key) == b"data"
    assert blobs.get(key + "x") is None


def test_a_blob_grows_older_and_ends_with_its_lifetime(blobs: BlobStore) -> None:
    blobs.put("key", b"data", 0.3)
    time.sleep(0.1)
    blob = blobs.get("key")
    assert blob is None or 0.09 < blob.age < 0.3
    _wait_until(lambda: blobs.get("key") is None)


def test_the_last_of_a_key_counts(blobs: BlobStore) -> None:
    blobs.put("key", b"one", 0.01)
    blobs.put("key", b"other", 60)
    time.sleep(0.02)
    assert _data(blobs, "key") == b"other"


def test_a_deleted_blob_is_gone_and_others_stay(blobs: BlobStore) -> None:
    blobs.put("key", b"one", 60)
    blobs.put("other", b"other", 60)
    blobs.delete("key")
    assert blobs.get("key") is None
    assert _data(blobs, "other") == b"other"


def test_blobs_are_there_after_a_restart(make: Make) -> None:
    before = make(2 * MIB)
    before.put("key", b"data", 60)
    before.close()
    assert _data(make(2 * MIB), "key") == b"data"


def test_what_one_process_puts_another_gets(blobs: BlobStore) -> None:
    blobs.put("before", b"data", 60)
    assert in_processes(blobs, _read_and_put, 2) == [b"data", b"data"]
    assert _data(blobs, "from another") == b"data"


def test_what_is_too_large_is_not_kept_and_costs_no_other_its_place(make: Make) -> None:
    blobs = make(2 * MIB)
    blobs.put("small", b"data", 60)
    blobs.put("large", bytes(2 * MIB), 60)
    blobs.put("larger", bytes(LARGEST_BLOB + 1), 60)
    assert blobs.get("large") is None
    assert blobs.get("larger") is None
    assert _data(blobs, "small") == b"data"


def test_the_oldest_make_room(make: Make) -> None:
    blobs = make(2 * MIB)
    for number in range(100):
        blobs.put(str(number), bytes(100_000), 60 + number)
    kept = [number for number in range(100) if blobs.get(str(number)) is not None]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) >= 15


def test_deleting_over_and_over_leaves_room(make: Make) -> None:
    blobs = make(2 * MIB)
    for number in range(300):
        blobs.put(str(number), bytes(50_000), 60)
        blobs.delete(str(number))
    blobs.put("key", b"data", 60)
    assert _data(blobs, "key") == b"data"


@pytest.mark.parametrize("largest", [40, 4000, 400_000])
def test_four_processes_at_once_never_take_more_than_the_bound(
    make: Make, request: pytest.FixtureRequest, tmp_path: Path, largest: int
) -> None:
    blobs = make(2 * MIB)
    writings = 1500 if largest < 100_000 else 200
    outcomes = in_processes(blobs, lambda blobs: _write_and_read(blobs, largest, writings), 4)
    assert set(outcomes) == {True}
    assert _used(request, tmp_path) <= 2 * MIB
    blobs.put("key", b"data", 60)
    assert _data(blobs, "key") == b"data"


def test_processes_never_get_anything_but_a_whole_blob_of_that_key(make: Make) -> None:
    blobs = make(2 * MIB)
    outcomes = in_processes(blobs, _read_and_write_the_same, 4)
    assert set(outcomes) <= {"whole", "none"}
    assert "whole" in outcomes


def test_a_file_that_fails_is_a_miss_told_once_until_it_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", 0.0)
    place = tmp_path / "directory"
    place.touch()
    blobs = ForgivingBlobs(FileBlobs(place / "cache", MIB))
    for _ in range(3):
        blobs.put("key", b"data", 60)
        assert blobs.get("key") is None
        blobs.delete("key")
    place.unlink()
    for _ in range(3):
        blobs.put("key", b"data", 60)
        assert _data(blobs, "key") == b"data"
    blobs.close()
    told = [(record.levelname, record.message.split(":")[0]) for record in caplog.records]
    assert told == [
        ("ERROR", "The cache can't be written"),
        ("ERROR", "The cache can't be read"),
        ("WARNING", "The cache can be written again"),
        ("WARNING", "The cache can be read again"),
    ]


def test_a_redis_that_is_not_there_is_a_miss(caplog: pytest.LogCaptureFixture) -> None:
    blobs = ForgivingBlobs(RedisBlobs(f"redis://127.0.0.1:{find_free_port()}/0", MIB))
    for _ in range(3):
        blobs.put("key", b"data", 60)
        assert blobs.get("key") is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_a_hung_redis_costs_50_ms_once_for_reading_and_writing_together(
    redis_server: RedisServer, make_redis: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", 60.0)
    blobs = ForgivingBlobs(RedisBlobs(redis_server.url, 32 * MIB))
    with hung(redis_server):
        start = time.monotonic()
        for _ in range(20):
            blobs.put("key", bytes(4 * MIB), 60)
            assert blobs.get("key") is None
        assert 0.05 <= time.monotonic() - start < 0.05 + SLACK
    blobs.close()


def test_the_url_is_checked_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL: "):
        RedisBlobs("http://127.0.0.1", MIB)


def test_parts_of_a_blob_that_never_was_finished_end_soon(
    redis_server: RedisServer, make_redis: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.blob_redis._PUT", "return redis.error_reply('no')")
    blobs = make_redis(32 * MIB)
    with pytest.raises(StateUnavailableError):
        blobs.put("key", bytes(600_000), 60)
    with redis.Redis.from_url(redis_server.url) as client:
        (part,) = client.keys("gateway:blob-part:*")
        assert client.strlen(part) == 2 * 256 * 1024
        assert 0 < client.pttl(part) <= 10_000
    blobs.close()


def _read_and_put(blobs: BlobStore) -> list[bytes | None]:
    blobs.put("from another", b"data", 60)
    return [_data(blobs, "before")]


def _write_and_read(blobs: BlobStore, largest: int, writings: int) -> list[bool]:
    chance = random.Random(os.getpid())
    outcomes = []
    for number in range(writings):
        key = f"{os.getpid()} {number}"
        blobs.put(key, chance.randbytes(chance.randrange(largest)), 60)
        blob = blobs.get(f"{os.getpid()} {chance.randrange(number + 1)}")
        outcomes.append(blob is None or len(blob.data) < largest)
    return outcomes


def _read_and_write_the_same(blobs: BlobStore) -> list[str]:
    chance = random.Random(os.getpid())
    outcomes = []
    for _ in range(300):
        key = str(chance.randrange(10))
        piece = f"{key}/{chance.randrange(1000)}/".encode()
        blobs.put(key, piece * chance.randrange(1, 30_000), 60)
        asked = str(chance.randrange(10))
        data = _data(blobs, asked)
        if data is None:
            outcomes.append("none")
            continue
        piece = data[: data.index(b"/", data.index(b"/") + 1) + 1]
        is_whole = data == piece * (len(data) // len(piece)) and piece.startswith(asked.encode())
        outcomes.append("whole" if is_whole else f"{asked}: {data[:50]!r}")
    return outcomes


def _used(request: pytest.FixtureRequest, path: Path) -> int:
    """Return the bytes that the store takes on the disk, or its blobs in Redis."""
    if "make_file" in request.fixturenames or any(path.glob("cache*")):
        return sum(
            max(file.stat().st_blocks * 512, file.stat().st_size)
            for file in path.glob("cache*")
            if not file.name.endswith(("-lock", "-boot"))
        )
    server: RedisServer = request.getfixturevalue("redis_server")
    with redis.Redis.from_url(server.url) as client:
        return sum(
            client.strlen(key) for key in client.scan_iter("gateway:blob*:*", _type="string")
        )


def _data(blobs: BlobStore, key: str) -> bytes | None:
    blob = blobs.get(key)
    return None if blob is None else blob.data


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)
