"""Cold starts: whether a model is loaded, what to do while it is not.

Knows that some providers load models on demand. Must not know how they tell.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Sequence

from gateway.config.settings import Target
from gateway.errors import (
    GatewayError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.inference.attempt import Backends
from gateway.transport import Exchange, UnexpectedStatusError, Watch
from gateway.types import Chunk, ModelInfo

logger = logging.getLogger("gateway.loading")

FRESH_SECONDS = 2.0
UNKNOWN_SECONDS = 60.0
FETCH_SECONDS = 1.0


class Loading:
    """What is known of the models that are loaded, for a moment, and the loads we began."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._loaded: dict[str, tuple[float, frozenset[str] | None]] = {}
        self._asking: set[str] = set()
        self._under_way: set[str] = set()

    def iter_begin(
        self, target: Target, watch: Watch, following: Sequence[Target]
    ) -> Generator[list[Chunk], None, float]:
        """Return the seconds ``target`` may take to begin its answer.

        A load has its own deadline. Where the provider lets others answer meanwhile,
        and there are any, it is begun aside and ``ServiceUnavailableError`` raised.
        """
        is_loaded = yield from self._iter_is_loaded(target, watch)
        if is_loaded is not False:
            return target.first_byte_timeout
        if target.provider.overflow_while_loading and following:
            self._load_aside(target)
            raise ServiceUnavailableError(
                "The model is being loaded.", code="model_loading", retry_after=5.0
            )
        watch.note = "loading"
        yield []
        return max(target.provider.load_timeout, target.first_byte_timeout)

    def _iter_is_loaded(
        self, target: Target, watch: Watch
    ) -> Generator[list[Chunk], None, bool | None]:
        """Return whether the model is in memory; None where the provider can't tell.

        One request asks; those that come meanwhile go by what was known before.
        """
        name = target.provider.name
        until, loaded = self._loaded.get(name, (0.0, None))
        if time.monotonic() >= until and name not in self._asking:
            self._asking.add(name)
            try:
                loaded = yield from self._iter_ask(name, watch)
            finally:
                self._asking.discard(name)
            seconds = FRESH_SECONDS if loaded is not None else UNKNOWN_SECONDS
            self._loaded[name] = (time.monotonic() + seconds, loaded)
        if loaded is None:
            return None
        models = [ModelInfo(each) for each in loaded]
        return self._backends.providers[name].find_model(models, target.model) is not None

    def _iter_ask(
        self, name: str, watch: Watch
    ) -> Generator[list[Chunk], None, frozenset[str] | None]:
        provider = self._backends.providers[name]
        request = provider.build_loaded_models()
        if request is None:
            return None
        exchange: Exchange | None = None
        pieces: list[bytes] = []
        try:
            exchange = self._backends.upstreams[name].send(request, watch, FETCH_SECONDS)
            for piece in exchange.iter_pieces():
                pieces.append(piece)
                yield []
            return provider.parse_loaded_models(b"".join(pieces))
        except UnexpectedStatusError:
            return None
        except (UpstreamError, UpstreamTimeoutError) as error:
            if error.code == "request_timeout":
                raise
            return None
        finally:
            if exchange is not None:
                exchange.close()

    def _load_aside(self, target: Target) -> None:
        if target.name in self._under_way:
            return
        self._under_way.add(target.name)
        threading.Thread(target=self._load, args=(target,), daemon=True).start()

    def _load(self, target: Target) -> None:
        provider = self._backends.providers[target.provider.name]
        upstream = self._backends.upstreams[target.provider.name]
        try:
            request = provider.build_warm(target)
            if request is not None:
                status = upstream.fetch(request, target.provider.load_timeout).status_code
                if status != 200:
                    logger.warning("%s could not be loaded: status %d", target.name, status)
        except GatewayError as error:
            logger.warning("%s could not be loaded: %s", target.name, error.message)
        finally:
            self._under_way.discard(target.name)
