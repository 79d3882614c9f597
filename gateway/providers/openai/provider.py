"""OpenAI's own format on the other side as well: everything passes through.

Knows which few fields of a request the gateway changes: the model's name, that
usage is told at the end of a stream, and what a provider's row in ``gateway.kinds``
says. Whether the rest is right is for the upstream to judge.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast
from urllib.parse import urlsplit

from gateway.config.settings import Target
from gateway.errors import GatewayError, InvalidRequestError, UpstreamError
from gateway.kinds import Quirks
from gateway.providers.base import OtherApi, ProviderDefaults
from gateway.providers.model_pages import Pages
from gateway.providers.openai import completions
from gateway.providers.openai.apis import (
    COMMON_EFFORTS,
    does_reason,
    find_other_api,
    has_apis,
    is_asked_by_responses,
)
from gateway.providers.openai.errors import parse_error
from gateway.providers.openai.request import (
    adapt_messages,
    adapt_params,
    drop_reasoning,
    rename_token_limit,
)
from gateway.providers.openai.responses import (
    RESPONSES_PATH,
    ResponsesCall,
    build_chat_call,
    build_native_call,
)
from gateway.providers.openai.stream import gather_stream, iter_chunks
from gateway.providers.openai.whole import parse_completion, parse_embeddings
from gateway.providers.rate_limits import OPENAI_COUNTED, RateLimits, ratelimit_names
from gateway.providers.request_body import dump_body
from gateway.serialization import loads_lenient
from gateway.sse import is_event_stream
from gateway.types import (
    ChatCall,
    ChatRequest,
    Chunk,
    EmbeddingsRequest,
    ModelInfo,
    NativeRequest,
    PassthroughRequest,
    RawCompletion,
    UpstreamRequest,
)

_JSON = {"Content-Type": "application/json"}
_OPENAI_HOST = "api.openai.com"


@dataclass(frozen=True)
class OpenAIChatCall:
    """One chat request; ``model`` is the name of the model where an answer tells none."""

    requests: tuple[UpstreamRequest, ...]
    streamed: bool
    model: str
    dropped_params: tuple[str, ...] = ()

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Yield the chunks of the answer, each a ``RawChunk``; raises as ``ChatCall`` says."""
        return cast("Iterator[list[Chunk]]", iter_chunks(pieces, self.model))

    def parse_response(self, body: bytes) -> RawCompletion:
        """Parse a whole completion; raises ``UpstreamError``, or the error told inside it."""
        if is_event_stream(body):
            return gather_stream(body, self.model)
        return parse_completion(body, self.model)


@dataclass(frozen=True)
class OpenAIEmbeddingsCall:
    """One embeddings request. ``as_base64``: the client asked for that encoding.

    ``are_bytes``: the provider tells its numbers as bytes. ``model`` is as in a chat call.
    """

    request: UpstreamRequest
    model: str
    as_base64: bool = False
    are_bytes: bool = False
    dropped_params: tuple[str, ...] = ()

    def parse_response(self, body: bytes) -> RawCompletion:
        """Parse a list of embeddings; raises ``UpstreamError``, or the error told inside it."""
        return parse_embeddings(
            body, self.model, as_base64=self.as_base64, are_bytes=self.are_bytes
        )


class OpenAI(ProviderDefaults):
    """Implements ``gateway.providers.base.Provider``."""

    model_pages = Pages("last_id", "after", "has_more")
    """Of OpenAI's other lists; its list of models has always been whole."""

    def __init__(self, quirks: Quirks | None = None) -> None:
        self._quirks = quirks
        if quirks is not None and quirks.limits:
            self.rate_limits = RateLimits(ratelimit_names({**OPENAI_COUNTED, **quirks.limits}))

    def speaks(self, dialect: str, target: Target) -> bool:
        """Tell whether ``target`` takes Responses requests, or prompts, as they are."""
        if dialect == completions.DIALECT:
            return completions.completes_prompts(target)
        return dialect == "responses" and has_apis(target) and target.api != "chat"

    def takes_effort(self, target: Target, effort: str) -> bool:
        """Tell whether the model reasons, and ``effort`` is one that all such models take."""
        return effort in COMMON_EFFORTS and does_reason(target.model)

    def takes_custom_tools(self, target: Target) -> bool:
        """Tell that OpenAI does, and that other servers of kind ``openai`` may judge themselves."""
        return self._quirks is None

    def build_headers(self, api_key: str | None) -> Mapping[str, str]:
        """Return the ``Authorization`` header, if there is a key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def build_path(self, operation: str, target: Target) -> str:
        """Return the path of an operation such as ``/chat/completions`` for a target's model."""
        return operation

    def build_chat(self, request: ChatRequest, target: Target, info: ModelInfo | None) -> ChatCall:
        """Pass a chat request on, with the target's model.

        A Responses request, or a prompt, goes on as it came, and a chat that OpenAI serves
        only by Responses goes by that, unless the target wants another.
        """
        if isinstance(request, NativeRequest) and self.speaks(request.dialect, target):
            if request.dialect == completions.DIALECT:
                path = self.build_path(completions.PATH, target)
                return completions.build_prompt_call(request, target.model, path)
            path = self.build_path(RESPONSES_PATH, target)
            return build_native_call(request, target.model, path)
        if is_asked_by_responses(request, target):
            path = self.build_path(RESPONSES_PATH, target)
            return build_chat_call(request, target.model, path)
        return self.build_completion(request, target)

    def build_completion(self, request: ChatRequest, target: Target) -> OpenAIChatCall:
        """Pass a chat request on to chat completions; streams are asked for their usage."""
        body = {**request, "model": target.model}
        options = request.get("stream_options")
        streamed = bool(request.get("stream"))
        if streamed and self.can_tell_usage(target) and _may_ask_for_usage(options):
            body["stream_options"] = {**(options or {}), "include_usage": True}
        body, dropped = self.adapt_body(body, target)
        path = self.build_path("/chat/completions", target)
        return OpenAIChatCall(
            requests=(UpstreamRequest("POST", path, dump_body(body), _JSON),),
            streamed=streamed,
            model=target.model,
            dropped_params=tuple(dropped),
        )

    def can_tell_usage(self, target: Target) -> bool:
        """Tell whether a stream can be asked for its usage (else it tells it unasked, or not)."""
        return self._quirks is None or "stream_options" not in self._quirks.dropped

    def adapt_body(self, body: ChatRequest, target: Target) -> tuple[ChatRequest, list[str]]:
        """Return a chat request as this provider takes it, and the names of what is dropped."""
        if self._quirks is None:
            rename_token_limit(body)
            if urlsplit(target.provider.base_url).hostname == _OPENAI_HOST:
                drop_reasoning(body)
            return body, []
        adapted, dropped = adapt_params(body, self._quirks)
        if isinstance(body.get("messages"), list):
            adapted["messages"] = adapt_messages(body, self._quirks)
        return adapted, [name for name in dropped if name != "stream_options"]

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> OpenAIEmbeddingsCall:
        """Pass an embeddings request on, with the target's model.

        Raises ``InvalidRequestError`` where the provider has no embeddings.
        """
        if self._quirks is not None and not self._quirks.embeddings:
            message = f"The provider `{target.provider.name}` has no embeddings."
            raise InvalidRequestError(message, param="model", code="unsupported_value")
        body = {**request, "model": target.model}
        are_bytes = self._quirks is not None and self._quirks.embeddings_are_bytes
        if are_bytes:
            body.pop("encoding_format", None)
        path = self.build_path("/embeddings", target)
        return OpenAIEmbeddingsCall(
            UpstreamRequest("POST", path, dump_body(body), _JSON),
            target.model,
            as_base64=request.get("encoding_format") == "base64",
            are_bytes=are_bytes,
        )

    def build_passthrough(
        self, request: PassthroughRequest, target: Target
    ) -> UpstreamRequest | None:
        """Pass an operation on, with the target's model."""
        body = request.build_body(target.model)
        headers = {"Content-Type": request.content_type}
        path = self.build_path(request.operation, target)
        return UpstreamRequest("POST", path, body, headers)

    def parse_model_list(self, body: bytes) -> list[ModelInfo]:
        """Parse ``{"data": [{"id", "created", "owned_by"}]}``, or that array alone.

        An entry without an id is no model. Raises ``UpstreamError`` where there is no list.
        """
        try:
            value = loads_lenient(body)
        except ValueError:
            raise UpstreamError("The provider's list of models is not JSON.") from None
        entries = value.get("data") if isinstance(value, dict) else value
        if not isinstance(entries, list):
            raise UpstreamError("The provider's list of models is not a list.")
        models = (_read_model(entry) for entry in entries if isinstance(entry, dict))
        return [model for model in models if model.id]

    def find_other_api(self, call: ChatCall, status: int, body: bytes) -> OtherApi | None:
        """See ``Provider.find_other_api``: upstreams of this format may have only one of two."""
        return find_other_api(isinstance(call, ResponsesCall), status, body)

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, target: Target
    ) -> GatewayError:
        """Map an answer whose status is not 200. Never raises."""
        return parse_error(status, headers, body, time.time())


def _read_model(entry: Mapping[str, Any]) -> ModelInfo:
    model, created, owner = entry.get("id"), entry.get("created"), entry.get("owned_by")
    return ModelInfo(
        model if isinstance(model, str) else "",
        created=int(created) if isinstance(created, int | float) and isfinite(created) else 0,
        owned_by=owner if isinstance(owner, str) else "",
    )


def _may_ask_for_usage(options: Any) -> bool:
    """Tell whether ``include_usage`` can be set: what is wrong is for the upstream to judge."""
    if options is None:
        return True
    return isinstance(options, dict) and isinstance(options.get("include_usage"), bool | None)
