"""One attempt at one target: translate, send, read.

Knows providers, upstreams and exchanges. Must not know why this target, what comes
after it, nor any one provider's or dialect's format.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.chunks import merge
from gateway.config.settings import Settings, Target
from gateway.errors import GatewayError, InvalidRequestError, UpstreamError
from gateway.inference.apis import Apis
from gateway.inference.catalog import Catalog
from gateway.inference.images import LinkedImages
from gateway.inference.redaction import redact_error
from gateway.providers.base import Provider
from gateway.routing import build_target_request
from gateway.transport import (
    Exchange,
    Fetcher,
    UnexpectedStatusError,
    Upstream,
    Watch,
    wait_any,
)
from gateway.types import (
    ChatCall,
    ChatRequest,
    Chunk,
    EmbeddingsAnswer,
    EmbeddingsRequest,
    NativeChunk,
    NativeRequest,
    PassthroughRequest,
    SplitEmbeddingsCall,
    UpstreamRequest,
)

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_GATHERED_BYTES = 64 * 1024 * 1024
"""What a provider may send for a whole answer that it streams, with all that is around the text."""

MAX_EMBEDDINGS_BYTES = 256 * 1024 * 1024

_SOMETHING: list[Any] = [{"index": 0, "delta": {"content": "..."}, "finish_reason": None}]
"""What a piece of an answer that nobody here reads counts as."""


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
            raise redact_error(error, self.target.provider) from failure
        except GatewayError as error:
            redact_error(error, self.target.provider)
            raise

    def close(self, *, finished: bool = False) -> None:
        """Let go of the upstream; ``finished`` tells that its answer was read to its end."""
        for exchange in self._exchanges:
            if finished:
                exchange.finish()
            else:
                exchange.close()

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
        return (yield from _iter_body(self._send(request), limit))


class ChatAttempt(Attempt):
    """An attempt at a chat; ``is_whole``: its chunks are gathered, and so their sum is bounded."""

    def __init__(
        self,
        backends: Backends,
        request: ChatRequest,
        target: Target,
        watch: Watch,
        first_byte: float,
        *,
        is_whole: bool,
        images: LinkedImages,
    ) -> None:
        super().__init__(backends, target, watch, first_byte)
        self._request = request
        self._images = images
        self._limit = MAX_GATHERED_BYTES if is_whole else None

    def _iter_batches(self) -> Iterator[list[Chunk]]:
        apis = self._backends.apis
        target = apis.target_of(self.target)
        call = yield from self._iter_build(target)
        try:
            yield from self._iter_answer(call)
        except UnexpectedStatusError as failure:
            other = apis.find_other(self._provider, target, call, failure)
            if other is None:
                raise
            yield from self._iter_answer((yield from self._iter_build(other)))

    def _iter_build(self, target: Target) -> Generator[list[Chunk], None, ChatCall]:
        """Return the call; yields ``[]`` while images are fetched for it."""
        request, dropped = build_target_request(self._request, target)
        presented, untranslated = self._translated(request, target)
        presented = yield from self._images.iter_put_in(presented, self._provider, self._watch)
        info = None
        if self._provider.needs_model_info(presented):
            info = self._backends.catalog.model_info(target)
        call = self._provider.build_chat(presented, target, info)
        self.dropped_params = (*dropped, *untranslated, *call.dropped_params)
        return call

    def _iter_answer(self, call: ChatCall) -> Iterator[list[Chunk]]:
        if not call.streamed:
            body = yield from self._iter_read(call.requests[0], MAX_ANSWER_BYTES)
            self.answer = call.parse_response(body)
            return
        exchanges = [self._send(each) for each in call.requests]
        if len(exchanges) == 1:
            yield from call.iter_chunks(_limited(exchanges[0].iter_pieces(), self._limit), 0)
            return
        streams = [
            call.iter_chunks(_limited(exchange.iter_pieces(wait=False), self._limit), index)
            for index, exchange in enumerate(exchanges)
        ]

        def wait(running: list[int]) -> bool:
            return wait_any([exchanges[index] for index in running], self._watch)

        yield from merge(streams, wait)

    def _translated(
        self, request: ChatRequest, target: Target
    ) -> tuple[ChatRequest, tuple[str, ...]]:
        """Return a request as the target takes it, and what gets lost of one in another API's form.

        Raises ``InvalidRequestError`` where that would change its meaning.
        """
        if not isinstance(request, NativeRequest):
            return request, ()
        if self._provider.speaks(request.dialect, target):
            return request, ()
        for name in request.native_only:
            raise InvalidRequestError(
                f"The provider of this model has nothing like '{name}': leave it out, or use a "
                "model of a provider that speaks this API itself.",
                param=name,
                code="unsupported_parameter",
            )
        if request.preferences and self._can_think(target, request.preferences):
            return {**request.preferences, **request}, request.untranslated
        wishes = [name for name, value in request.preferences.items() if value != "none"]
        return {**request}, (*request.untranslated, *wishes)

    def _can_think(self, target: Target, preferences: Mapping[str, Any]) -> bool:
        """Tell whether the model is known to reason, which is what preferences are about."""
        capabilities = target.capabilities
        if capabilities is None:
            info = self._backends.catalog.model_info(target)
            capabilities = info.capabilities if info is not None else None
        if capabilities is None:
            return self._provider.takes_effort(target, preferences.get("reasoning_effort", ""))
        return "thinking" in capabilities


class PassthroughAttempt(Attempt):
    """An attempt at an operation whose answer goes on as it comes, a chunk for each piece."""

    def __init__(
        self,
        backends: Backends,
        request: PassthroughRequest,
        target: Target,
        watch: Watch,
        first_byte: float,
    ) -> None:
        super().__init__(backends, target, watch, first_byte)
        self._request = request
        self.content_type = ""

    def _iter_batches(self) -> Iterator[list[Chunk]]:
        request = self._provider.build_passthrough(self._request, self.target)
        if request is None:
            raise InvalidRequestError(
                f"The provider of this model has no {self._request.operation}.",
                param="model",
                code="unsupported_value",
            )
        exchange = self._send(request)
        for piece in exchange.iter_pieces():
            self.content_type = exchange.headers.get("content-type", "application/octet-stream")
            chunks: list[Any] = [passed_on(piece)] if piece else []
            yield chunks


def passed_on(piece: bytes) -> NativeChunk:
    """Return a piece of an answer that nobody here reads as a chunk that says something."""
    chunk = NativeChunk(choices=_SOMETHING)
    chunk.dialect, chunk.raw = "passthrough", piece
    return chunk


class EmbeddingsAttempt(Attempt):
    """An attempt at embeddings; ``answer`` is OpenAI's list of them."""

    def __init__(
        self,
        backends: Backends,
        request: EmbeddingsRequest,
        target: Target,
        watch: Watch,
        first_byte: float,
    ) -> None:
        super().__init__(backends, target, watch, first_byte)
        self._request = request

    def _iter_batches(self) -> Iterator[list[Chunk]]:
        request, dropped = build_target_request(self._request, self.target)
        call = self._provider.build_embeddings(request, self.target)
        self.dropped_params = (*dropped, *call.dropped_params)
        if isinstance(call, SplitEmbeddingsCall):
            answers = yield from self._iter_read_all(call.requests)
            self.answer = call.parse_responses(answers)
            return
        body = yield from self._iter_read(call.request, MAX_EMBEDDINGS_BYTES)
        self.answer = call.parse_response(body)

    def _iter_read_all(
        self, requests: Sequence[UpstreamRequest]
    ) -> Generator[list[Chunk], None, list[EmbeddingsAnswer]]:
        """Send all requests at once and return their answers; yields ``[]`` meanwhile."""
        answers = []
        for exchange in [self._send(each) for each in requests]:
            body = yield from _iter_body(exchange, MAX_EMBEDDINGS_BYTES)
            answers.append(EmbeddingsAnswer(body, exchange.headers))
        return answers


def _iter_body(exchange: Exchange, limit: int) -> Generator[list[Chunk], None, bytes]:
    pieces: list[bytes] = []
    size = 0
    for piece in exchange.iter_pieces():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise UpstreamError(f"The provider's answer is longer than {limit} bytes.")
        yield []
    return b"".join(pieces)


def _limited(pieces: Iterator[bytes], limit: int | None) -> Iterator[bytes]:
    if limit is None:
        yield from pieces
        return
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise UpstreamError(f"The provider's answer is longer than {limit} bytes.")
        yield piece
