"""An attempt at embeddings, by one request or by several: at once, or in turn in one place.

Knows how the answers are read. Must not know any one provider's format.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from gateway.config.settings import Target
from gateway.inference.attempt import Attempt, Backends, iter_body
from gateway.routing import build_target_request
from gateway.transport import Watch
from gateway.types import (
    Chunk,
    EmbeddingsAnswer,
    EmbeddingsRequest,
    SplitEmbeddingsCall,
    UpstreamRequest,
)

MAX_EMBEDDINGS_BYTES = 256 * 1024 * 1024


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
        """Send all requests and return their answers; yields ``[]`` meanwhile."""
        answers = []
        exchanges = map(self._send, requests)
        for exchange in exchanges if self._is_scarce else list(exchanges):
            body = yield from iter_body(exchange, MAX_EMBEDDINGS_BYTES)
            answers.append(EmbeddingsAnswer(body, exchange.headers))
        return answers
