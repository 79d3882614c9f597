"""The provider as the rest of the gateway sees it: one method a translation.

Knows which module translates what. Must not translate anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.config.settings import Target
from gateway.errors import GatewayError, InvalidRequestError
from gateway.providers.anthropic.chat import AnthropicChat
from gateway.providers.anthropic.errors import parse_error
from gateway.providers.anthropic.models import (
    MODEL_PAGES,
    build_model_list,
    find_model,
    parse_model_list,
)
from gateway.providers.anthropic.native import (
    AnthropicNativeChat,
    build_native_chat,
    build_token_count,
    parse_token_count,
)
from gateway.providers.anthropic.rate_limits import RATE_LIMITS
from gateway.providers.anthropic.request import build_chat
from gateway.providers.anthropic.stream import DIALECT
from gateway.providers.base import ProviderDefaults
from gateway.types import (
    ChatRequest,
    EmbeddingsCall,
    EmbeddingsRequest,
    ModelInfo,
    NativeRequest,
    UpstreamRequest,
)

API_VERSION = "2023-06-01"
"""The version that is spoken; 2026-10-21 takes no sampling parameters, not even for old models."""


class Anthropic(ProviderDefaults):
    """A ``gateway.providers.base.Provider``."""

    rate_limits = RATE_LIMITS
    model_pages = MODEL_PAGES

    def speaks(self, dialect: str, target: Target) -> bool:
        """Tell whether ``dialect`` is Anthropic's own."""
        return dialect == DIALECT

    def build_headers(self, api_key: str | None) -> Mapping[str, str]:
        """Return the headers of every request."""
        headers = {"anthropic-version": API_VERSION}
        if api_key:
            headers["x-api-key"] = api_key
        return headers

    def build_chat(
        self, request: ChatRequest, target: Target, info: ModelInfo | None
    ) -> AnthropicChat | AnthropicNativeChat:
        """Translate a chat request; raises ``InvalidRequestError`` with ``param``."""
        if isinstance(request, NativeRequest) and request.dialect == DIALECT:
            return build_native_chat(request, target)
        return build_chat(request, target)

    def build_token_count(self, request: NativeRequest, target: Target) -> UpstreamRequest | None:
        """Return the request that counts a prompt's tokens."""
        return build_token_count(request, target) if request.dialect == DIALECT else None

    def parse_token_count(self, body: bytes) -> int:
        """Parse its answer; raises ``UpstreamError``."""
        return parse_token_count(body)

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> EmbeddingsCall:
        """Refuse: Anthropic has no embeddings."""
        raise InvalidRequestError(
            f"The provider of the model `{target.requested_model}` has no embeddings.",
            param="model",
            code="unsupported_value",
        )

    def build_model_list(self) -> UpstreamRequest:
        """Return the request for all models the key may use."""
        return build_model_list()

    def parse_model_list(self, body: bytes) -> list[ModelInfo]:
        """Parse that list; raises ``UpstreamError``."""
        return parse_model_list(body)

    def find_model(self, models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
        """Return the model Anthropic would take for ``name``, which may lack its date."""
        return find_model(models, name)

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, target: Target
    ) -> GatewayError:
        """Map an answer whose status is not 200."""
        return parse_error(status, headers, body, target)
