"""The configuration in force: checked as a whole, the same in every process, changed without a cut.

Knows where the text of ``gateway.yaml`` comes from, and that processes share it
through the state. Must not know what is built of settings, nor HTTP.

A start takes its own file; only ``reload`` changes what others have in force. The
workers of one gunicorn agree on one text: the first of them to start after gunicorn
has read its own configuration decides, and tells the others by the shared state.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.config.environment import GENERATION_VARIABLE
from gateway.config.load import load_from
from gateway.config.settings import Settings
from gateway.config.sources import Sources
from gateway.errors import ConfigurationError
from gateway.state import State, StateUnavailableError

RELOADED_KEY = "configuration"
STARTED_KEY = "configuration:started"
LOOK_SECONDS = 0.25
MAX_STARTED = 64
"""Servers whose starts are remembered: all that share the state, and many that ended."""

_LIFETIME = 10 * 365 * 86_400.0

T = TypeVar("T")
logger = logging.getLogger("gateway.configuration")


class Loaded(NamedTuple):
    """Settings made of ``text`` (None: there is no file). ``version`` counts reloads.

    ``problem`` says what is wrong with the file, where the last good text is in force instead.
    """

    version: int
    text: str | None
    settings: Settings
    problem: str | None = None


class LiveConfiguration(Generic[T]):
    """What ``build`` makes of the settings in force, here and in all processes with this state."""

    def __init__(
        self, sources: Sources | None, state: State, loaded: Loaded, build: Callable[[Settings], T]
    ) -> None:
        self._sources = sources
        self._state = state
        self._build = build
        self._lock = threading.Lock()
        self._seen: bytes | None = None
        self._process = 0
        self.version = loaded.version
        self.current = build(loaded.settings)

    def follow(self) -> None:
        """Look for other processes' reloads from now on; the first call in a process looks at once.

        To be called by every request: a process may have been forked since it was loaded.
        """
        if self._process == os.getpid() or self._sources is None:
            return
        self._process = os.getpid()
        self.look()
        threading.Thread(target=_follow, args=(weakref.ref(self),), daemon=True).start()

    def reload(self) -> int:
        """Put what the file says now in force everywhere; returns its version.

        Raises ``ConfigurationError`` with all that is wrong with it, and
        StateUnavailableError; then everything stays as it is.
        """
        if self._sources is None:
            raise ConfigurationError("this application was not made from files; there is no other")
        with self._lock:
            try:
                text = self._sources.read_text()
                settings = load_from(self._sources, text)
                current = self._build(settings)
            except ConfigurationError as error:
                logger.error("the configuration was not reloaded, the old one stays: %s", error)
                raise
            known = self.version

            def publish(value: bytes | None) -> tuple[bytes, int]:
                version = max(_read_version(value), known) + 1
                return _dump({"version": version, "text": text}), version

            version = self._state.update(RELOADED_KEY, publish, _LIFETIME)
            self._put_in_force(version, settings, current)
        return version

    def look(self) -> None:
        """Put in force what another process has reloaded, if there is anything new."""
        try:
            value = self._state.get(RELOADED_KEY)
        except StateUnavailableError:  # the state says so itself
            return
        if value is None or value == self._seen:
            return
        self._seen = value
        with self._lock:
            reloaded = json.loads(value)
            if reloaded["version"] > self.version:
                self._take_over(reloaded["version"], reloaded["text"])

    def _take_over(self, version: int, text: str | None) -> None:
        assert self._sources is not None
        try:
            settings = load_from(self._sources, text)
            current = self._build(settings)
        except ConfigurationError as error:
            logger.error("version %d can't be used here, the old one stays: %s", version, error)
            return
        self._put_in_force(version, settings, current)

    def _put_in_force(self, version: int, settings: Settings, current: T) -> None:
        self.current = current
        self.version = version
        logger.info("version %d of the configuration is in force", version)
        for warning in settings.warnings:
            logger.warning("%s", warning)


def _follow(configuration: weakref.ref[LiveConfiguration[Any]]) -> None:
    """Look again and again, for as long as there is the application to look for."""
    while True:
        time.sleep(LOOK_SECONDS)
        live = configuration()
        if live is None:
            return
        try:
            live.look()
        except Exception:
            logger.exception("looking for a new configuration failed")
        del live


def load_at_start(sources: Sources, state: State) -> Loaded:
    """Return what is to be in force in a process that starts.

    That is what the file says, or what the other workers of its gunicorn have. A worker
    that gunicorn starts anew (SIGHUP) over a wrong file gets the last good text. Raises
    ``ConfigurationError`` where the file is wrong and there is none.
    """
    server, _, generation = _generation(sources).partition(":")
    try:
        reloaded = state.get(RELOADED_KEY)
        started = _read(state.get(STARTED_KEY)).get(server)
    except StateUnavailableError:
        reloaded = started = None
        server = ""
    problem = None
    text: str | None
    if started is None or started["generation"] != generation:
        try:
            text = sources.read_text()
            settings = load_from(sources, text)
        except ConfigurationError as error:
            if started is None:
                raise
            problem = str(error)
        else:
            version = _read_version(reloaded)
            if not server:
                return Loaded(version, text, settings)
            own = {"generation": generation, "version": version, "text": text}
            try:
                started = _remember(state, server, own)
            except StateUnavailableError:  # away since we asked: no reason not to start
                return Loaded(version, text, settings)
            if started is own:
                return Loaded(version, text, settings)
    version, text = started["version"], started["text"]
    if _read_version(reloaded) > version:
        version, text = _read_version(reloaded), _read(reloaded)["text"]
    return Loaded(version, text, load_from(sources, text), problem)


def _generation(sources: Sources) -> str:
    """Return ``server:generation`` as gunicorn's master has set it, or nothing."""
    found = sources.given.get(GENERATION_VARIABLE)
    return found.text if found is not None and found.origin == "environment" else ""


def _remember(state: State, server: str, own: dict[str, Any]) -> dict[str, Any]:
    """Keep ``own`` as how the server started, unless another of its workers was first."""

    def remember(value: bytes | None) -> tuple[bytes | None, dict[str, Any]]:
        servers = _read(value)
        first: dict[str, Any] | None = servers.pop(server, None)
        if first is not None and first["generation"] == own["generation"]:
            return value, first
        servers[server] = own
        kept = list(servers.items())[-MAX_STARTED:]
        return _dump(dict(kept)), own

    return state.update(STARTED_KEY, remember, _LIFETIME)


def _read(value: bytes | None) -> dict[str, Any]:
    return {} if value is None else dict(json.loads(value))


def _read_version(value: bytes | None) -> int:
    return int(_read(value).get("version", 0))


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
