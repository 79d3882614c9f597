"""An attempt at a chat: by the API its target wants, with images in place of links.

Knows native requests and what becomes of them elsewhere. Must not know any one provider's or
dialect's format.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from gateway.chunks import in_turn, merge
from gateway.config.settings import Target
from gateway.errors import InvalidRequestError, UpstreamError
from gateway.inference.apis import OtherWay
from gateway.inference.attempt import Attempt, Backends
from gateway.inference.custom_tools import (
    iter_restored,
    offer_as_functions,
    restore_completion,
)
from gateway.inference.images import LinkedImages
from gateway.routing import build_target_request
from gateway.transport import UnexpectedStatusError, Watch, wait_any
from gateway.types import (
    ChatCall,
    ChatRequest,
    Chunk,
    NativeRequest,
)

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_GATHERED_BYTES = 64 * 1024 * 1024
"""What a provider may send for a whole answer that it streams, with all that is around the text."""


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
        self._custom_tools: frozenset[str] = frozenset()
        """Names of custom tools that are offered to the provider as functions."""

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
            yield from self._iter_other_way(other, failure)

    def _iter_other_way(
        self, other: OtherWay, failure: UnexpectedStatusError
    ) -> Iterator[list[Chunk]]:
        """Answer by another API than the one that failed, and remember it if that works."""
        try:
            call = yield from self._iter_build(other.target)
        except InvalidRequestError:
            if other.is_sure:
                raise
            raise failure from None
        is_new = True
        for batch in self._iter_answer(call):
            if batch and is_new:
                self._backends.apis.remember(other)
                is_new = False
            yield batch
        if is_new:
            self._backends.apis.remember(other)

    def _iter_build(self, target: Target) -> Generator[list[Chunk], None, ChatCall]:
        """Return the call; yields ``[]`` while images are fetched for it."""
        request, dropped = build_target_request(self._request, target)
        presented, untranslated = self._translated(request, target)
        presented, unheld = self._without_custom_tools(presented, target)
        presented = yield from self._images.iter_put_in(presented, self._provider, self._watch)
        info = None
        if self._provider.needs_model_info(presented):
            info = self._backends.catalog.model_info(target)
        call = self._provider.build_chat(presented, target, info)
        self.dropped_params = (*dropped, *untranslated, *unheld, *call.dropped_params)
        return call

    def _iter_answer(self, call: ChatCall) -> Iterator[list[Chunk]]:
        if not call.streamed:
            body = yield from self._iter_read(call.requests[0], MAX_ANSWER_BYTES)
            self.answer = call.parse_response(body)
            if self._custom_tools:
                self.answer = restore_completion(self.answer, self._custom_tools)
            return
        batches = self._iter_stream(call)
        if self._custom_tools:
            batches = iter_restored(batches, self._custom_tools)
        yield from batches

    def _iter_stream(self, call: ChatCall) -> Iterator[list[Chunk]]:
        if len(call.requests) == 1:
            yield from self._iter_choice(call, 0)
            return
        if self._is_scarce:
            choices = range(len(call.requests))
            yield from in_turn(self._iter_choice(call, index) for index in choices)
            return
        exchanges = [self._send(each) for each in call.requests]
        streams = [
            call.iter_chunks(_limited(exchange.iter_pieces(wait=False), self._limit), index)
            for index, exchange in enumerate(exchanges)
        ]

        def wait(running: list[int]) -> bool:
            return wait_any([exchanges[index] for index in running], self._watch)

        yield from merge(streams, wait)

    def _iter_choice(self, call: ChatCall, index: int) -> Iterator[list[Chunk]]:
        """Send one of the requests, and yield the chunks of its choice."""
        exchange = self._send(call.requests[index])
        yield from call.iter_chunks(_limited(exchange.iter_pieces(), self._limit), index)

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

    def _without_custom_tools(
        self, request: ChatRequest, target: Target
    ) -> tuple[ChatRequest, tuple[str, ...]]:
        """Return a request with functions where the target has no custom tools.

        And the paths of grammars, which nothing holds the model to then.
        """
        self._custom_tools = frozenset()
        if isinstance(request, NativeRequest) or self._provider.takes_custom_tools(target):
            return request, ()
        offered = offer_as_functions(request)
        if offered is None:
            return request, ()
        self._custom_tools = offered.names
        place = "format" if isinstance(self._request, NativeRequest) else "custom.format"
        return offered.request, tuple(f"tools[{each}].{place}" for each in offered.grammars)

    def _can_think(self, target: Target, preferences: Mapping[str, Any]) -> bool:
        """Tell whether the model is known to reason, which is what preferences are about."""
        capabilities = target.capabilities
        if capabilities is None:
            info = self._backends.catalog.model_info(target)
            capabilities = info.capabilities if info is not None else None
        if capabilities is None:
            return self._provider.takes_effort(target, preferences.get("reasoning_effort", ""))
        return "thinking" in capabilities


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
