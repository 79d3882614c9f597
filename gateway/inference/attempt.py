"""One attempt at one target: translate, send, read. What all kinds of them share.

Knows providers, upstreams and exchanges. Must not know why this target, what comes
after it, nor any one provider's or dialect's format.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config.settings import Settings, Target
from gateway.errors import GatewayError, UpstreamError
from gateway.inference.apis import Apis
from gateway.inference.catalog import Catalog
from gateway.inference.redaction import redact_error
from gateway.providers.base import Provider
from gateway.transport import (
    Exchange,
    Fetcher,
    UnexpectedStatusError,
    Upstream,
    Watch,
)
from gateway.types import (
    Chunk,
    UpstreamRequest,
)


@dataclass(frozen=True)
class Backends:
    """What attempts are made with, by provider's name."""

    settings: Settings
    providers: Mapping[str, Provider]
    upstreams: Mapping[str, Upstream]
    catalog: Catalog
    apis: Apis = field(default_factory=Apis)
    fetcher: Fetcher | None = None
    """What fetches images that are only linked to; None: nothing does."""


class Attempt(ABC):
    """A request sent to one target. ``first_byte`` seconds may pass until it begins to answer.

    ``dropped_params`` are the names of what was asked and can't be honoured;
    ``answer`` is set at the end where the upstream gave a whole one.
    """

    def __init__(self, backends: Backends, target: Target, watch: Watch, first_byte: float) -> None:
        self.target = target
        self.dropped_params: tuple[str, ...] = ()
        self.answer: dict[str, Any] | None = None
        self._backends = backends
        self._provider = backends.providers[target.provider.name]
        self._watch = watch
        self._first_byte = first_byte
        self._exchanges: list[Exchange] = []

    @property
    def limits(self) -> Mapping[str, str]:
        """What the upstream says of its own limits, as headers for the client."""
        for exchange in reversed(self._exchanges):
            if exchange.headers:
                return self._provider.read_limits(exchange.headers)
        return {}

    def iter_batches(self) -> Iterator[list[Chunk]]:
        """Make the attempt: yield its chunks as they come, and ``[]`` while nothing does.

        Raises a ``GatewayError`` that is fit for clients.
        """
        try:
            yield from self._iter_batches()
        except UnexpectedStatusError as failure:
            error = self._provider.parse_error(
                failure.status, failure.headers, failure.body, self.target
            )
            error.upstream_limits = self._provider.read_limits(failure.headers)
            raise redact_error(error, self.target.provider) from failure
        except GatewayError as error:
            error.upstream_limits = self.limits
            redact_error(error, self.target.provider)
            raise

    def close(self, *, finished: bool = False) -> None:
        """Let go of the upstream; ``finished`` tells that its answer was read to its end."""
        for exchange in self._exchanges:
            if finished:
                exchange.finish()
            else:
                exchange.close()

    @property
    def _is_scarce(self) -> bool:
        """Whether there are limits to how many ask its target at once: it has one place there."""
        own = self._backends.settings.limited_targets.get(self.target.name)
        return self.target.provider.max_concurrency is not None or own is not None

    @abstractmethod
    def _iter_batches(self) -> Iterator[list[Chunk]]: ...

    def _send(self, request: UpstreamRequest) -> Exchange:
        upstream = self._backends.upstreams[self.target.provider.name]
        exchange = upstream.send(request, self._watch, self._first_byte)
        self._exchanges.append(exchange)
        return exchange

    def _iter_read(
        self, request: UpstreamRequest, limit: int
    ) -> Generator[list[Chunk], None, bytes]:
        """Return a whole body; yields ``[]`` while it isn't complete."""
        return (yield from iter_body(self._send(request), limit))


def iter_body(exchange: Exchange, limit: int) -> Generator[list[Chunk], None, bytes]:
    """Return a whole answer; yields ``[]`` while it isn't complete. Raises ``GatewayError``."""
    pieces: list[bytes] = []
    size = 0
    for piece in exchange.iter_pieces():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise UpstreamError(f"The provider's answer is longer than {limit} bytes.")
        yield []
    return b"".join(pieces)
