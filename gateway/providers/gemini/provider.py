"""Both providers as the rest of the gateway sees them: one method a translation.

Knows which module translates what, and how credentials are sent. Must not translate
anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.config.settings import Target
from gateway.errors import GatewayError
from gateway.providers.base import ProviderDefaults
from gateway.providers.gemini import media
from gateway.providers.gemini.chat import GeminiChat
from gateway.providers.gemini.counting import build_token_count, parse_token_count
from gateway.providers.gemini.embeddings import GeminiEmbeddings, build_embeddings
from gateway.providers.gemini.errors import parse_error
from gateway.providers.gemini.generations import generation_of
from gateway.providers.gemini.models import (
    MODEL_PAGES,
    build_model_list,
    find_model,
    parse_model_list,
)
from gateway.providers.gemini.paths import GEMINI_API, VERTEX_AI, Door
from gateway.providers.gemini.request import build_chat
from gateway.types import (
    ChatRequest,
    EmbeddingsRequest,
    ModelInfo,
    NativeRequest,
    UpstreamRequest,
)

_TOKEN = "Bearer "


class Gemini(ProviderDefaults):
    """A ``gateway.providers.base.Provider`` for the Gemini API."""

    door: Door = GEMINI_API
    model_pages = MODEL_PAGES

    def build_headers(self, api_key: str | None) -> Mapping[str, str]:
        """Return the header for an API key, or for a token (``Bearer …``)."""
        if not api_key:
            return {}
        if api_key.startswith(_TOKEN):
            return {"Authorization": api_key}
        return {"x-goog-api-key": api_key}

    def takes_effort(self, target: Target, effort: str) -> bool:
        """Tell whether the model is of a generation that thinks."""
        return generation_of(target.model).thinks

    def needs_fetching(self, url: str) -> bool:
        """Tell whether an image's address is one that Google doesn't read by itself."""
        return media.needs_fetching(url)

    def build_chat(
        self, request: ChatRequest, target: Target, info: ModelInfo | None
    ) -> GeminiChat:
        """Translate a chat request; raises ``InvalidRequestError`` with ``param``."""
        return build_chat(request, target, self.door)

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> GeminiEmbeddings:
        """Translate an embeddings request; raises ``InvalidRequestError`` with ``param``."""
        return build_embeddings(request, target, self.door)

    def build_token_count(self, request: NativeRequest, target: Target) -> UpstreamRequest | None:
        """Return the request for the count of a prompt's tokens; raises as ``build_chat`` does."""
        return build_token_count(request, target, self.door)

    def parse_token_count(self, body: bytes) -> int:
        """Parse that count; raises ``UpstreamError``."""
        return parse_token_count(body)

    def build_model_list(self) -> UpstreamRequest:
        """Return the request for all models."""
        return build_model_list(self.door)

    def parse_model_list(self, body: bytes) -> list[ModelInfo]:
        """Parse that list; raises ``UpstreamError``."""
        return parse_model_list(body, self.door)

    def find_model(self, models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
        """Return the model that ``name`` stands for, with its collection's name or without."""
        return find_model(models, name, self.door)

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, target: Target
    ) -> GatewayError:
        """Map an answer whose status is not 200."""
        return parse_error(status, headers, body, target)


class Vertex(Gemini):
    """A ``gateway.providers.base.Provider`` for Gemini models in Google Cloud."""

    door = VERTEX_AI
