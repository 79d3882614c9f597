"""The provider as the rest of the gateway sees it: one method a translation.

Knows which module translates what. Must not translate anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.settings import Target
from gateway.errors import GatewayError
from gateway.providers.base import ProviderDefaults
from gateway.providers.cohere.chat import CohereChat
from gateway.providers.cohere.embeddings import CohereEmbeddings, build_embeddings
from gateway.providers.cohere.errors import parse_error
from gateway.providers.cohere.models import MODEL_PAGES, build_model_list, parse_model_list
from gateway.providers.cohere.request import build_chat, does_think
from gateway.providers.rate_limits import RateLimits
from gateway.types import (
    ChatRequest,
    EmbeddingsRequest,
    ModelInfo,
    PassthroughRequest,
    UpstreamRequest,
)

RERANK_OPERATION = "/rerank"

_TRIAL = "x-trial-endpoint-call"
_RATE_LIMITS = RateLimits({"requests": (f"{_TRIAL}-limit", f"{_TRIAL}-remaining", "")})
"""Told with a trial key only (recorded)."""


class Cohere(ProviderDefaults):
    """A ``gateway.providers.base.Provider``."""

    rate_limits = _RATE_LIMITS
    model_pages = MODEL_PAGES

    def build_headers(self, api_key: str | None) -> Mapping[str, str]:
        """Return the ``Authorization`` header, if there is a key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def takes_effort(self, target: Target, effort: str) -> bool:
        """Tell whether the model is known to think."""
        return does_think(target)

    def build_chat(
        self, request: ChatRequest, target: Target, info: ModelInfo | None
    ) -> CohereChat:
        """Translate a chat request; raises ``InvalidRequestError`` with ``param``."""
        return build_chat(request, target)

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> CohereEmbeddings:
        """Translate an embeddings request; raises ``InvalidRequestError`` with ``param``."""
        return build_embeddings(request, target)

    def build_passthrough(
        self, request: PassthroughRequest, target: Target
    ) -> UpstreamRequest | None:
        """Pass reranking on, whose usual format is Cohere's own; None for anything else."""
        if request.operation != RERANK_OPERATION:
            return None
        body = request.build_body(target.model)
        return UpstreamRequest("POST", "/v2/rerank", body, {"Content-Type": request.content_type})

    def build_model_list(self) -> UpstreamRequest:
        """Return the request for all models the key may use."""
        return build_model_list()

    def parse_model_list(self, body: bytes) -> list[ModelInfo]:
        """Parse that list; raises ``UpstreamError``."""
        return parse_model_list(body)

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, target: Target
    ) -> GatewayError:
        """Map an answer whose status is not 200."""
        return parse_error(status, headers, body, target)
