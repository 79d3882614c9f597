"""Chat and embeddings from the model's name to the answer.

Knows settings, providers, exchanges and the record of a request. Must not know
any one provider's or dialect's format, nor HTTP frameworks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.config.settings import Settings, Target
from gateway.errors import GatewayError, UpstreamError
from gateway.inference.catalog import Catalog
from gateway.inference.gather import gather, has_content, merge
from gateway.inference.redaction import redact_error
from gateway.providers.base import Provider
from gateway.routing import resolve_target
from gateway.telemetry import RequestRecord
from gateway.transport import Exchange, UnexpectedStatusError, Upstream, Watch, wait_any
from gateway.types import (
    ChatCall,
    ChatCompletion,
    ChatRequest,
    Chunk,
    EmbeddingsRequest,
    UpstreamRequest,
)

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_GATHERED_BYTES = 64 * 1024 * 1024
"""What a provider may send for a whole answer that it streams, with all that is around the text."""

MAX_EMBEDDINGS_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Asked:
    """What was asked of whom; ``dropped_params`` are the names of what can't be honoured."""

    target: Target
    dropped_params: tuple[str, ...]


class ChatAnswer:
    """A chat answer under way: the chunks to come, and the upstreams to let go.

    ``batches`` yields lists of chunks, ``[]`` when nothing came for a while, and
    raises ``GatewayError``. ``close`` may be called at any time, more than once.
    """

    def __init__(self, asked: Asked, batches: Iterator[list[Chunk]], exchanges: list[Exchange]):
        self.asked = asked
        self.batches = batches
        self._exchanges = exchanges

    def close(self, *, finished: bool = False) -> None:
        """Let go of the upstreams; ``finished`` tells that the batches have ended by themselves."""
        _close(self._exchanges, finished)


class Inference:
    """The use cases over the configured providers."""

    def __init__(
        self,
        settings: Settings,
        providers: Mapping[str, Provider],
        upstreams: Mapping[str, Upstream],
        catalog: Catalog,
    ) -> None:
        self._settings = settings
        self._providers = providers
        self._upstreams = upstreams
        self._catalog = catalog

    def complete_chat(
        self, request: ChatRequest, watch: Watch, record: RequestRecord
    ) -> tuple[Asked, ChatCompletion]:
        """Return the whole answer; raises ``GatewayError``."""
        target, provider, call = self._build_chat(request, watch, record)
        asked = Asked(target, tuple(call.dropped_params))
        exchanges: list[Exchange] = []
        finished = False
        try:
            if call.streamed:
                chunks = self._run(call, target, watch, exchanges, MAX_GATHERED_BYTES)
                completion = gather(_metered(chunks, record, self._settings.log_content))
            else:
                body = self._read(call.requests[0], target, watch, exchanges, MAX_ANSWER_BYTES)
                completion = call.parse_response(body)
                record.first_token = time.monotonic()
            finished = True
        except (GatewayError, UnexpectedStatusError) as error:
            raise self._mapped(error, target, provider) from error
        finally:
            _close(exchanges, finished)
        _record_completion(completion, record, self._settings.log_content)
        return asked, completion

    def stream_chat(self, request: ChatRequest, watch: Watch, record: RequestRecord) -> ChatAnswer:
        """Return the answer as a stream, once its first content has come or a ping is due.

        Until then every failure is raised; afterwards it is raised by ``batches``.
        """
        target, provider, call = self._build_chat(request, watch, record)
        exchanges: list[Exchange] = []
        chunks = self._guarded(self._run(call, target, watch, exchanges), target, provider)
        batches = _metered(chunks, record, self._settings.log_content)
        held: list[Chunk] = []
        try:
            for batch in batches:
                held += batch
                if record.first_token is not None or time.monotonic() >= watch.next_ping:
                    break
        except BaseException:
            _close(exchanges)
            raise
        asked = Asked(target, tuple(call.dropped_params))
        return ChatAnswer(asked, _prepended(held, batches), exchanges)

    def embed(
        self, request: EmbeddingsRequest, watch: Watch, record: RequestRecord
    ) -> tuple[Asked, dict[str, object]]:
        """Return OpenAI's list of embeddings, as the provider gave it; raises ``GatewayError``."""
        target, provider = self._resolve(request["model"], watch, record)
        call = provider.build_embeddings(request, target)
        record.attempts = 1
        exchanges: list[Exchange] = []
        try:
            body = self._read(call.request, target, watch, exchanges, MAX_EMBEDDINGS_BYTES)
            embeddings = call.parse_response(body)
        except (GatewayError, UnexpectedStatusError) as error:
            raise self._mapped(error, target, provider) from error
        finally:
            _close(exchanges)
        record.usage = embeddings.get("usage")
        return Asked(target, tuple(call.dropped_params)), embeddings

    def _resolve(self, model: str, watch: Watch, record: RequestRecord) -> tuple[Target, Provider]:
        record.model = model
        target = resolve_target(self._settings, model)
        record.provider = target.provider.name
        record.upstream_model = target.model
        watch.deadline = record.started + target.provider.timeouts.request
        return target, self._providers[target.provider.name]

    def _build_chat(
        self, request: ChatRequest, watch: Watch, record: RequestRecord
    ) -> tuple[Target, Provider, ChatCall]:
        target, provider = self._resolve(request["model"], watch, record)
        if self._settings.log_content:
            record.prompt = str(request["messages"])
        info = self._catalog.model_info(target) if provider.needs_model_info(request) else None
        call = provider.build_chat(request, target, info)
        record.attempts = 1
        return target, provider, call

    def _run(
        self,
        call: ChatCall,
        target: Target,
        watch: Watch,
        exchanges: list[Exchange],
        limit: int | None = None,
    ) -> Iterator[list[Chunk]]:
        """Send all requests of a call and yield their chunks as they come.

        Raises ``UpstreamError`` where one answer has more than ``limit`` bytes.
        """
        upstream = self._upstreams[target.provider.name]
        for request in call.requests:
            exchanges.append(upstream.send(request, watch))
        if len(exchanges) == 1:
            yield from call.iter_chunks(_limited(exchanges[0].iter_pieces(), limit), 0)
            return
        streams = [
            call.iter_chunks(_limited(exchange.iter_pieces(wait=False), limit), index)
            for index, exchange in enumerate(exchanges)
        ]

        def wait(running: list[int]) -> bool:
            return wait_any([exchanges[index] for index in running], watch)

        yield from merge(streams, wait)

    def _read(
        self,
        request: UpstreamRequest,
        target: Target,
        watch: Watch,
        exchanges: list[Exchange],
        limit: int,
    ) -> bytes:
        exchanges.append(self._upstreams[target.provider.name].send(request, watch))
        return exchanges[0].read(limit)

    def _guarded(
        self, batches: Iterator[list[Chunk]], target: Target, provider: Provider
    ) -> Iterator[list[Chunk]]:
        try:
            yield from batches
        except (GatewayError, UnexpectedStatusError) as error:
            raise self._mapped(error, target, provider) from error

    def _mapped(
        self, error: GatewayError | UnexpectedStatusError, target: Target, provider: Provider
    ) -> GatewayError:
        if isinstance(error, UnexpectedStatusError):
            error = provider.parse_error(error.status, error.headers, error.body, target)
        return redact_error(error, target.provider)


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


def _metered(
    batches: Iterator[list[Chunk]], record: RequestRecord, with_content: bool
) -> Iterator[list[Chunk]]:
    """Note in ``record`` what goes by: first content, usage, finish reason, number of chunks."""
    for batch in batches:
        if batch:
            record.chunks += len(batch)
            if record.first_token is None and any(map(has_content, batch)):
                record.first_token = time.monotonic()
            for chunk in batch:
                if chunk.get("usage"):
                    record.usage = chunk["usage"]
                for choice in chunk.get("choices", ()):
                    if choice.get("finish_reason"):
                        record.finish_reason = choice["finish_reason"] or ""
                    if with_content:
                        record.answer.append((choice.get("delta") or {}).get("content") or "")
        yield batch


def _record_completion(
    completion: ChatCompletion, record: RequestRecord, with_content: bool
) -> None:
    record.usage = completion.get("usage") or record.usage
    for choice in completion.get("choices", ()):
        record.finish_reason = choice.get("finish_reason") or ""
        if with_content and not record.answer:
            record.answer.append((choice.get("message") or {}).get("content") or "")


def _prepended(held: list[Chunk], batches: Iterator[list[Chunk]]) -> Iterator[list[Chunk]]:
    yield held
    yield from batches


def _close(exchanges: list[Exchange], finished: bool = False) -> None:
    for exchange in exchanges:
        if finished:
            exchange.finish()
        else:
            exchange.close()
