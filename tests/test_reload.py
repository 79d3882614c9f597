"""What is in force after a start, and after reloads here and elsewhere."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.settings import Settings
from gateway.config.sources import Sources, read_sources
from gateway.errors import ConfigurationError
from gateway.reload import LiveConfiguration, load_at_start
from gateway.state import LocalState, StateUnavailableError
from tests.waiting import least, wait_until

BAD = "models: [1"


def config(*models: str) -> str:
    lines = [f"  {name}: {{targets: [demo/echo]}}" for name in models]
    return "\n".join(["providers:", "  demo: {kind: demo}", "models:", *lines, ""])


class Server:
    """A directory with a file, and the workers of a gunicorn in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = LocalState(directory / "data" / "gateway.state")
        self.write(config("one"))

    def write(self, text: str) -> None:
        (self.directory / "gateway.yaml").write_text(text)

    def sources(self, generation: str = "") -> Sources:
        environ = {"GATEWAY_GENERATION": generation} if generation else {}
        return read_sources(environ, self.directory, is_listening=lambda: False)

    def models_at_start(self, generation: str = "") -> set[str]:
        return set(load_at_start(self.sources(generation), self.state).settings.models)

    def start(self, generation: str = "") -> LiveConfiguration[Settings]:
        sources, state = self.sources(generation), self.state
        loaded = load_at_start(sources, state)
        return LiveConfiguration(sources, state, loaded, lambda settings: settings)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.state.close()


def test_workers_of_one_generation_have_what_the_first_of_them_read(server: Server) -> None:
    assert server.models_at_start("a:1") == {"one"}
    server.write(config("two"))
    assert server.models_at_start("a:1") == {"one"}
    server.write(BAD)
    assert server.models_at_start("a:1") == {"one"}


def test_the_next_generation_reads_the_file_again(server: Server) -> None:
    assert server.models_at_start("a:1") == {"one"}
    server.write(config("two"))
    assert server.models_at_start("a:2") == {"two"}
    assert server.models_at_start("b:1") == {"two"}


def test_a_next_generation_with_a_bad_file_has_the_last_good_one(server: Server) -> None:
    assert server.models_at_start("a:1") == {"one"}
    server.write(BAD)
    loaded = load_at_start(server.sources("a:2"), server.state)
    assert set(loaded.settings.models) == {"one"}
    assert loaded.problem is not None
    assert loaded.problem.startswith("gateway.yaml:1: is not YAML")


def test_the_last_good_one_may_have_come_by_a_reload(server: Server) -> None:
    live = server.start("a:1")
    server.write(config("two"))
    assert live.reload() == 1
    server.write(BAD)
    assert server.models_at_start("a:1") == {"two"}
    assert server.models_at_start("a:2") == {"two"}


@pytest.mark.parametrize("generation", ["", "b:1"])
def test_a_fresh_start_with_a_bad_file_fails(server: Server, generation: str) -> None:
    assert server.models_at_start("a:1") == {"one"}
    server.write(BAD)
    with pytest.raises(ConfigurationError, match="is not YAML"):
        load_at_start(server.sources(generation), server.state)


def test_a_fresh_start_does_not_take_an_earlier_reload_for_its_own(server: Server) -> None:
    live = server.start("a:1")
    server.write(config("two"))
    live.reload()
    server.write(config("three"))
    later = server.start("b:1")
    later.follow()
    assert set(later.current.models) == {"three"}
    server.write(config("four"))
    assert later.reload() == 2


@pytest.mark.parametrize("operation", ["get", "update"])
def test_a_state_that_is_away_or_goes_away_stops_no_start(
    server: Server, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    def fail(*arguments: object) -> None:
        raise StateUnavailableError("The state is away")

    monkeypatch.setattr(server.state, operation, fail)
    assert server.models_at_start("a:1") == {"one"}


def test_a_reload_reaches_others_within_a_second(server: Server) -> None:
    one, other = server.start("a:1"), server.start("a:1")
    other.follow()
    versions = itertools.count(1)

    def take() -> float:
        version = next(versions)
        server.write(config(f"version-{version}"))
        one.reload()
        began = time.monotonic()
        wait_until(lambda: other.version == version)
        taken = time.monotonic() - began
        assert set(one.current.models) == set(other.current.models) == {f"version-{version}"}
        return taken

    assert least(take, 1.0) < 1.0


def test_the_first_look_is_at_once(server: Server) -> None:
    one, other = server.start("a:1"), server.start("a:1")
    server.write(config("two"))
    one.reload()
    other.follow()
    assert set(other.current.models) == {"two"}


def test_a_bad_file_changes_nothing(server: Server) -> None:
    live = server.start("a:1")
    before = live.current
    server.write(BAD)
    with pytest.raises(ConfigurationError, match="is not YAML"):
        live.reload()
    assert live.current is before
    assert live.version == 0


def test_what_can_not_be_used_elsewhere_leaves_the_old_one_there(server: Server) -> None:
    one = server.start("a:1")

    def refuse(settings: Settings) -> Settings:
        if "two" in settings.models:
            raise ConfigurationError("not here")
        return settings

    sources, state = server.sources("a:1"), server.state
    other = LiveConfiguration(sources, state, load_at_start(sources, state), refuse)
    server.write(config("two"))
    one.reload()
    other.follow()
    assert (set(other.current.models), other.version) == ({"one"}, 0)
    server.write(config("three"))
    assert one.reload() == 2
    wait_until(lambda: other.version == 2)
    assert set(other.current.models) == {"three"}


def test_the_environment_stays_what_it_was(server: Server) -> None:
    live = server.start("a:1")
    (server.directory / ".env").write_text("AUTH=off\nRATE_LIMIT=1/day\n")
    live.reload()
    assert live.current.auth is True
    assert live.current.rate_limit == Settings.rate_limit


def test_a_file_that_is_gone_is_none(server: Server) -> None:
    live = server.start("a:1")
    (server.directory / "gateway.yaml").unlink()
    live.reload()
    assert live.current.models == {}
    assert live.current.gateway_config is None
