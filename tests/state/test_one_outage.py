"""All who use one Redis know of its outage at once: a request waits for it a single time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.state import StateUnavailableError, open_state
from gateway.state.blob_redis import RedisBlobs
from gateway.state.blobs import BlobStore, ForgivingBlobs
from gateway.state.policy import StateWithPolicy
from gateway.state.redis_client import RedisClient
from tests.state.conftest import RedisServer, hung
from tests.waiting import wait_until

LONG = 60.0


class Shared:
    """State and blobs in one Redis, and how many commands were waited for in vain."""

    def __init__(self, url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        state = open_state(path / "state", redis_url=url)
        assert isinstance(state, StateWithPolicy)
        self.state = state
        outage = state.outage
        self.blobs: BlobStore = ForgivingBlobs(RedisBlobs(url, 2**20, outage=outage))
        self.waited = 0
        run = RedisClient.run

        def counting(client: RedisClient, *arguments: Any) -> Any:
            try:
                return run(client, *arguments)
            except StateUnavailableError as error:
                self.waited += isinstance(error.__cause__, redis.TimeoutError)
                raise

        monkeypatch.setattr(RedisClient, "run", counting)

    def count(self) -> None:
        self.state.increment("key", 60)

    def connect(self) -> None:
        """Count, however busy the machine is."""
        wait_until(lambda: not self.refuses())
        self.waited = 0

    def refuses(self) -> bool:
        try:
            self.count()
        except StateUnavailableError:
            return True
        return False


@pytest.fixture
def shared(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shared]:
    it = Shared(redis_server.url, tmp_path, monkeypatch)
    yield it
    it.state.close()
    it.blobs.close()


def test_what_counting_has_waited_for_the_cache_does_not_wait_for(
    shared: Shared, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.connect()
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", LONG)
    with hung(redis_server):
        assert shared.refuses()
        assert shared.blobs.get("key") is None
        shared.blobs.put("key", b"data", 60)
        assert shared.refuses()
        assert shared.waited == 1


def test_what_the_cache_has_waited_for_counting_does_not_wait_for_and_it_is_said(
    shared: Shared,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", LONG)
    with hung(redis_server):
        assert shared.blobs.get("key") is None
        assert shared.refuses()
        assert shared.waited == 1
    assert "until it can, requests are refused" in caplog.text


def test_a_process_whose_heart_does_not_beat_yet_waits_once_as_well(
    shared: Shared, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", LONG)
    with hung(redis_server):
        with pytest.raises(StateUnavailableError):
            shared.state.reserve([])
        assert shared.state.owner
        assert shared.waited == 1


def test_its_heart_beats_soon_after_redis_is_back(
    shared: Shared, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", 0.05)
    with hung(redis_server):
        assert shared.refuses()
        owner = shared.state.owner
    with redis.Redis.from_url(redis_server.url) as client:
        wait_until(lambda: bool(client.exists(f"gateway:owner:{owner}")), 2)
    wait_until(lambda: not shared.refuses(), 2)


def test_that_it_is_away_and_back_is_told_once(
    shared: Shared,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", 0.05)
    with hung(redis_server):
        assert shared.refuses()
    wait_until(lambda: not shared.refuses(), 2)
    assert not shared.state.outage.is_down
    levels = [record.levelno for record in caplog.records]
    assert levels[:2] == [logging.ERROR, logging.WARNING]


def test_a_redis_that_takes_no_blobs_goes_on_counting(
    shared: Shared, redis_server: RedisServer
) -> None:
    shared.connect()
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("gateway:blobs:sizes", "no hash")
        try:
            shared.blobs.put("key", b"data", 60)
        finally:
            client.delete("gateway:blobs:sizes")
    assert not shared.state.outage.is_down
