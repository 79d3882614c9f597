"""Calls of OpenAI's Responses API, for any provider that has it: native ones, and chats.

Knows the API's path and what the gateway changes in a native request: the model's name, and
that the upstream stores nothing, for what it stored would be everybody's who has the gateway's key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from gateway.errors import InvalidRequestError
from gateway.providers.openai.request import shorten_call_id
from gateway.providers.openai.responses_answer import parse_native_response, parse_response
from gateway.providers.openai.responses_request import build_body
from gateway.providers.openai.responses_stream import (
    find_response,
    iter_canonical_chunks,
    iter_native_chunks,
)
from gateway.providers.request_body import dump_body
from gateway.sse import is_event_stream
from gateway.types import ChatCompletion, ChatRequest, Chunk, NativeRequest, UpstreamRequest

RESPONSES_PATH = "/responses"

_JSON = {"Content-Type": "application/json"}
_RENAMED = {
    "max_completion_tokens": ("max_output_tokens",),
    "reasoning_effort": ("reasoning", "effort"),
    "verbosity": ("text", "verbosity"),
}
"""What a target may change, by its name in chats, and where it is in a native request."""


@dataclass(frozen=True)
class ResponsesCall:
    """One call; ``is_native``: the answer keeps its bytes."""

    requests: tuple[UpstreamRequest, ...]
    streamed: bool
    is_native: bool
    dropped_params: tuple[str, ...] = ()

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Yield the chunks of the answer; raises as ``ChatCall`` says."""
        chunks = iter_native_chunks(pieces) if self.is_native else iter_canonical_chunks(pieces)
        return cast("Iterator[list[Chunk]]", chunks)

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Parse a whole response; raises ``UpstreamError``, or the error told inside it."""
        if is_event_stream(body):
            body = find_response(body)
        return parse_native_response(body) if self.is_native else parse_response(body)


def build_native_call(
    request: NativeRequest, model: str, path: str = RESPONSES_PATH
) -> ResponsesCall:
    """Pass a Responses request on, with the target's model, and what the target changes."""
    body = {**request.native, "model": model, "store": False}
    for name, place in _RENAMED.items():
        _change(body, place, request.get(name))
        body.pop(name, None)
    if isinstance(body.get("input"), list):
        body["input"] = list(map(_with_short_id, body["input"]))
    return ResponsesCall(
        requests=(UpstreamRequest("POST", path, dump_body(body), _JSON),),
        streamed=bool(body.get("stream")),
        is_native=True,
    )


def _with_short_id(item: Any) -> Any:
    """Return an item of an input; ids of other models' calls may be longer than OpenAI takes."""
    call_id = item.get("call_id") if isinstance(item, dict) else None
    return {**item, "call_id": shorten_call_id(call_id)} if isinstance(call_id, str) else item


def _change(body: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    """Let a field of the body be what the canonical request says; it is, but for a target's say."""
    *outer, name = place
    holder = body
    for each in outer:
        inner = holder.get(each) or {}
        if inner.get(name) == value:
            return
        holder[each] = holder = dict(inner)
    if value is not None:
        holder[name] = value
    elif holder.get(name) is not None:
        del holder[name]


def build_chat_call(request: ChatRequest, model: str, path: str = RESPONSES_PATH) -> ResponsesCall:
    """Ask a chat by the Responses API; raises ``InvalidRequestError``."""
    try:
        body, dropped = build_body(request, model)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequestError(
            "The request is not one of OpenAI's API: a field is missing or of a wrong type "
            f"({error}).",
            code="invalid_value",
        ) from error
    return ResponsesCall(
        requests=(UpstreamRequest("POST", path, dump_body(body), _JSON),),
        streamed=bool(request.get("stream")),
        is_native=False,
        dropped_params=dropped,
    )
