"""Requests in Anthropic's own format: passed on as they came, but for the model's name.

Knows ``/v1/messages`` and ``/v1/messages/count_tokens``. Must not know the dialect that
clients speak, beyond its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.config.settings import Target
from gateway.errors import UpstreamError
from gateway.providers.anthropic.answer import Answer, build_answer
from gateway.providers.anthropic.request import PATH, build_request
from gateway.providers.anthropic.stream import DIALECT, iter_native_chunks
from gateway.providers.anthropic.tools import ToolPlan
from gateway.providers.anthropic.whole import parse_message
from gateway.serialization import loads_lenient
from gateway.types import ChatCompletion, Chunk, NativeCompletion, NativeRequest, UpstreamRequest

HEADERS = ("anthropic-version", "anthropic-beta")
"""The client's headers that are part of its request."""


@dataclass(frozen=True)
class AnthropicNativeChat:
    """A ``gateway.types.ChatCall`` whose answer goes to the client as it came."""

    requests: Sequence[UpstreamRequest]
    answer: Answer
    streamed: bool
    dropped_params: Sequence[str] = ()

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate the answer, each event of it with its bytes."""
        return iter_native_chunks(pieces, self.answer)

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Translate a whole answer, with its bytes; raises ``UpstreamError`` if it is none."""
        whole = NativeCompletion(parse_message(body, self.answer))
        whole.dialect, whole.raw = DIALECT, body
        return whole


def build_native_chat(request: NativeRequest, target: Target) -> AnthropicNativeChat:
    """Build the call; what is wrong with the body is for Anthropic to judge."""
    return AnthropicNativeChat(
        (_build_native(request, target, PATH),),
        build_answer(target, ToolPlan()),
        streamed=request.native.get("stream") is True,
    )


def build_token_count(request: NativeRequest, target: Target) -> UpstreamRequest:
    """Return the request that counts a prompt's tokens."""
    return _build_native(request, target, f"{PATH}/count_tokens")


def parse_token_count(body: bytes) -> int:
    """Parse ``{"input_tokens": N}``; raises ``UpstreamError``."""
    try:
        parsed = loads_lenient(body)
    except ValueError:
        parsed = None
    count = parsed.get("input_tokens") if isinstance(parsed, dict) else None
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise UpstreamError("The provider sent something that is not a count of tokens.")
    return count


def _build_native(request: NativeRequest, target: Target, path: str) -> UpstreamRequest:
    body = {**request.native, "model": target.model}
    given = request.native_headers
    headers = {name: given[name] for name in HEADERS if given.get(name)}
    return build_request(body, headers, path)
