"""Places at scarce targets, over a real line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.config.settings import TargetSettings
from gateway.errors import ServiceUnavailableError
from gateway.inference.places import Places
from gateway.resilience.line import Lines
from gateway.state import LocalState
from gateway.telemetry import RequestRecord
from gateway.transport.watch import open_watch
from tests.routing.targets import target

SCARCE = target("scarce")
LIMITED = {SCARCE.name: TargetSettings(max_concurrency=1, max_queue=2)}


class Asking:
    """A request that waits for its place, and has it once ``step`` returns True."""

    def __init__(self, places: Places, tenant: str, priority: int = 0) -> None:
        self.record = RequestRecord("req_1", "POST", "/")
        self.record.tenant, self.record.priority = tenant, priority
        self.stack = ExitStack()
        self.watch = open_watch(60)
        self._waiting = places.iter_take(SCARCE, self.watch, self.record, self.stack)

    def step(self) -> bool:
        return next(self._waiting, None) is None


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    state = LocalState(tmp_path / "state")
    yield Places(Lines(state), LIMITED, frozenset())
    state.close()


def test_a_key_of_higher_priority_goes_first(places: Places) -> None:
    holder, usual, urgent = Asking(places, "a"), Asking(places, "b"), Asking(places, "c", 5)
    assert holder.step()
    assert not usual.step()
    assert not urgent.step()
    holder.stack.close()
    assert not usual.step()
    assert urgent.step()
    urgent.stack.close()
    assert usual.step()
    assert usual.record.queued > 0


def test_its_place_is_noted_for_the_client_while_it_waits(places: Places) -> None:
    holder, waiting = Asking(places, "a"), Asking(places, "a")
    assert holder.step()
    assert not waiting.step()
    assert waiting.watch.note == "queued 1"
    holder.stack.close()
    assert waiting.step()
    assert waiting.watch.note == ""


def test_a_full_queue_is_told_with_when_to_come_again(places: Places) -> None:
    asked = [Asking(places, "a") for _ in range(4)]
    assert [each.step() for each in asked[:3]] == [True, False, False]
    with pytest.raises(ServiceUnavailableError) as raised:
        asked[3].step()
    assert raised.value.code == "queue_full"
    assert raised.value.retry_after is not None


def test_where_nothing_is_limited_nobody_waits(places: Places) -> None:
    other = target("plenty")
    with ExitStack() as stack:
        record = RequestRecord("req_1", "POST", "/")
        assert not list(places.iter_take(other, open_watch(60), record, stack))
