"""The provider as the rest of the gateway sees it: one method a translation.

Knows which module translates what. Must not translate anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import GatewayError
from gateway.providers.base import ProviderDefaults
from gateway.providers.bedrock.chat import BedrockChat
from gateway.providers.bedrock.counting import build_token_count, parse_token_count
from gateway.providers.bedrock.embeddings import BedrockEmbeddings, build_embeddings
from gateway.providers.bedrock.errors import parse_error
from gateway.providers.bedrock.families import find_family
from gateway.providers.bedrock.models import build_model_list, has_model_list, parse_model_list
from gateway.providers.bedrock.request import build_chat
from gateway.providers.bedrock.signing import build_signer
from gateway.types import (
    ChatRequest,
    EmbeddingsRequest,
    ModelInfo,
    NativeRequest,
    Signer,
    UpstreamRequest,
)


class Bedrock(ProviderDefaults):
    """A ``gateway.providers.base.Provider``."""

    def build_headers(self, api_key: str | None) -> Mapping[str, str]:
        """Return the ``Authorization`` header for an API key; without one, requests are signed."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def build_signer(self, settings: ProviderSettings) -> Signer | None:
        """Return what signs requests; raises ``ConfigurationError`` where botocore is missing."""
        return build_signer(settings)

    def takes_effort(self, target: Target, effort: str) -> bool:
        """Tell whether the model is of a family that reasons."""
        return find_family(target.model).reasoning != "none"

    def needs_fetching(self, url: str) -> bool:
        """Tell whether an image is only linked to: Converse takes images as bytes."""
        return url.lower().startswith(("http://", "https://"))

    def build_chat(
        self, request: ChatRequest, target: Target, info: ModelInfo | None
    ) -> BedrockChat:
        """Translate a chat request; raises ``InvalidRequestError`` with ``param``."""
        return build_chat(request, target)

    def build_token_count(self, request: NativeRequest, target: Target) -> UpstreamRequest | None:
        """Return the request that counts a prompt's tokens; None where none are counted."""
        return build_token_count(request, target)

    def parse_token_count(self, body: bytes) -> int:
        """Parse its answer; raises ``UpstreamError``."""
        return parse_token_count(body)

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> BedrockEmbeddings:
        """Translate an embeddings request; raises ``InvalidRequestError`` with ``param``."""
        return build_embeddings(request, target)

    def has_model_list(self, settings: ProviderSettings) -> bool:
        """Tell whether the list is at the same address as the models."""
        return has_model_list(settings)

    def build_model_list(self) -> UpstreamRequest:
        """Return the request for the models of the region."""
        return build_model_list()

    def parse_model_list(self, body: bytes) -> list[ModelInfo]:
        """Parse that list; raises ``UpstreamError``."""
        return parse_model_list(body)

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, target: Target
    ) -> GatewayError:
        """Map an answer whose status is not 200."""
        return parse_error(status, headers, body, target)
