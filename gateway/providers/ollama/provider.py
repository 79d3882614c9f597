"""The provider as the rest of the gateway sees it: one method a translation.

Knows which module translates what. Must not translate anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.config.settings import Target
from gateway.errors import GatewayError
from gateway.providers.base import ProviderDefaults
from gateway.providers.ollama.chat import OllamaChat
from gateway.providers.ollama.completion import DIALECT as COMPLETIONS
from gateway.providers.ollama.completion import OllamaCompletion, build_completion
from gateway.providers.ollama.embeddings import OllamaEmbeddings, build_embeddings
from gateway.providers.ollama.errors import parse_error
from gateway.providers.ollama.images import is_link
from gateway.providers.ollama.models import (
    build_loaded_models,
    build_model_info,
    build_model_list,
    build_warm,
    find_model,
    parse_loaded_models,
    parse_model_info,
    parse_model_list,
)
from gateway.providers.ollama.native import PATHS, OllamaNativeChat, build_native_chat
from gateway.providers.ollama.request import build_chat, needs_model_info
from gateway.types import (
    ChatRequest,
    EmbeddingsRequest,
    ModelInfo,
    NativeRequest,
    UpstreamRequest,
)


class Ollama(ProviderDefaults):
    """A ``gateway.providers.base.Provider``."""

    def speaks(self, dialect: str, target: Target) -> bool:
        """Tell whether ``dialect`` is one of Ollama's own, or a prompt to complete."""
        return dialect in PATHS or dialect == COMPLETIONS

    def build_headers(self, api_key: str | None) -> Mapping[str, str]:
        """Return the headers of every request; only ollama.com wants a key."""
        headers = {"Content-Type": "application/json"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        return headers

    def needs_model_info(self, request: ChatRequest) -> bool:
        """Tell whether a request has images, audio, tools or reasoning; a wrong one needs none."""
        return needs_model_info(request)

    def needs_fetching(self, url: str) -> bool:
        """Tell whether an image's address is a link, for Ollama fetches nothing."""
        return is_link(url)

    def build_chat(
        self, request: ChatRequest, target: Target, info: ModelInfo | None
    ) -> OllamaChat | OllamaNativeChat | OllamaCompletion:
        """Translate a chat request; raises ``InvalidRequestError`` with ``param``."""
        if isinstance(request, NativeRequest) and request.dialect in PATHS:
            return build_native_chat(request, target, info)
        if isinstance(request, NativeRequest) and request.dialect == COMPLETIONS:
            return build_completion(request, target)
        return build_chat(request, target, info)

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> OllamaEmbeddings:
        """Translate an embeddings request; raises ``InvalidRequestError`` with ``param``."""
        return build_embeddings(request, target)

    def build_model_list(self) -> UpstreamRequest:
        """Return the request for all installed models."""
        return build_model_list()

    def parse_model_list(self, body: bytes) -> list[ModelInfo]:
        """Parse that list; raises ``UpstreamError``."""
        return parse_model_list(body)

    def find_model(self, models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
        """Return the model Ollama would take for ``name``, in any case and with a default tag."""
        return find_model(models, name)

    def build_model_info(self, model: str) -> UpstreamRequest:
        """Return the request that describes one model."""
        return build_model_info(model)

    def parse_model_info(self, model: str, body: bytes) -> ModelInfo:
        """Parse that description; raises ``UpstreamError``."""
        return parse_model_info(model, body)

    def build_loaded_models(self) -> UpstreamRequest:
        """Return the request for the models that are in memory."""
        return build_loaded_models()

    def parse_loaded_models(self, body: bytes) -> frozenset[str]:
        """Parse that list; raises ``UpstreamError``."""
        return parse_loaded_models(body)

    def build_warm(self, target: Target) -> UpstreamRequest:
        """Return the request that loads a model."""
        return build_warm(target)

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, target: Target
    ) -> GatewayError:
        """Map an answer whose status is not 200."""
        return parse_error(status, headers, body, target)
