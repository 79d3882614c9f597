"""The Responses API where responses are stored: ``store`` and ``previous_response_id``.

A ``gateway.dialects.base.ChatDialect`` for one request. Knows what of a response the next one
needs. Must not know where responses are kept, nor for how long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.envelope import parse_object
from gateway.dialects.responses import CONTENT_TYPE, encode_error, encode_note, native_of
from gateway.dialects.responses.events import EventWriter, build_response, load_response
from gateway.dialects.responses.reasoning import is_own_item
from gateway.dialects.responses.request import DIALECT, build_request
from gateway.dialects.streaming import iter_encoded
from gateway.errors import GatewayError, InvalidRequestError
from gateway.types import ChatCompletion, ChatRequest, Chunk, NativeCompletion, NativeRequest

_KEPT = ("completed", "incomplete")
Items = list[Any]


@dataclass(frozen=True)
class StoredResponse:
    """A response, and all items that led to it, its own left out."""

    response: dict[str, Any]
    items: Items


Load = Callable[[str], StoredResponse | None]
"""Returns a response of the same tenant by its id."""

Keep = Callable[[StoredResponse], bool]
"""Keeps a response; False where that was not possible."""


@dataclass
class StoringResponses:
    """Adds the items of an earlier response to a request, and has its own response kept."""

    load: Load
    keep: Keep
    CONTENT_TYPE: str = field(default=CONTENT_TYPE, init=False)
    _items: Items = field(default_factory=list, init=False)
    _previous: str | None = field(default=None, init=False)
    _is_to_be_kept: bool = field(default=True, init=False)

    def parse_request(self, body: bytes, headers: Mapping[str, str]) -> NativeRequest:
        """See ``ChatDialect.parse_request``."""
        request = parse_object(body)
        self._previous = request.pop("previous_response_id", None)
        self._is_to_be_kept = request.get("store") is not False
        earlier = [] if self._previous is None else self._load_items(self._previous)
        given = request.get("input")
        if isinstance(given, str):
            given = [{"type": "message", "role": "user", "content": given}]
        if isinstance(given, list) or (given is None and earlier):
            self._items = [*earlier, *(given or ())]
        if earlier:
            request["input"] = self._items
        return build_request(request)

    def encode_completion(self, completion: ChatCompletion, request: ChatRequest) -> Any:
        """See ``ChatDialect.encode_completion``."""
        if isinstance(completion, NativeCompletion) and completion.dialect == DIALECT:
            return self._present(load_response(completion.raw))
        return self._present(build_response(completion, native_of(request)))

    def iter_frames(self, batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
        """See ``ChatDialect.iter_frames``."""
        writer = EventWriter(native_of(request), self._present)
        yield from iter_encoded(batches, writer.encode, writer.encode_error)
        yield writer.end()

    def encode_note(self, note: str, has_begun: bool) -> bytes:
        """See ``ChatDialect.encode_note``."""
        return encode_note(note, has_begun)

    def encode_error(self, error: GatewayError) -> Any:
        """See ``ChatDialect.encode_error``."""
        return encode_error(error)

    def _load_items(self, response_id: Any) -> Items:
        stored = self.load(response_id) if isinstance(response_id, str) else None
        if stored is None:
            raise InvalidRequestError(
                f"The response {response_id!r} is not stored (any more): send the earlier items "
                "in 'input' again.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return [*stored.items, *filter(_can_be_sent_again, stored.response["output"])]

    def _present(self, response: dict[str, Any]) -> dict[str, Any]:
        """Return the response with what is stored, and keep it once it is complete."""
        shown = {
            **response,
            "previous_response_id": self._previous,
            "store": self._is_to_be_kept and response.get("status") != "failed",
        }
        if shown["store"] and response.get("status") in _KEPT:
            shown["store"] = self.keep(StoredResponse(shown, self._items))
        return shown


def _can_be_sent_again(item: Any) -> bool:
    """Tell whether another server than the one that has it stored understands an item."""
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return True
    return bool(item.get("encrypted_content")) or is_own_item(item)
