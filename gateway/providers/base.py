"""What every provider is: pure functions between the canonical form and one upstream's format.

Must not know Flask, sockets, or any one provider.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from gateway.config.settings import Api, ProviderSettings, Target
from gateway.errors import GatewayError
from gateway.providers.model_pages import Pages, build_next_page
from gateway.providers.rate_limits import OPENAI_LIMITS, RateLimits
from gateway.types import (
    ChatCall,
    ChatRequest,
    EmbeddingsCall,
    EmbeddingsRequest,
    ModelInfo,
    NativeRequest,
    PassthroughRequest,
    Signer,
    UpstreamRequest,
)


class OtherApi(NamedTuple):
    """An API to ask an upstream by; ``is_sure``: it said that it hasn't the one it was asked by."""

    api: Api
    is_sure: bool


class Provider(Protocol):
    """One kind of upstream. Instances hold no state of a request."""

    def speaks(self, dialect: str, target: Target) -> bool:
        """Tell whether ``target`` takes requests in ``dialect`` (see ``NativeRequest``)."""

    def build_headers(self, api_key: str | None) -> Mapping[str, str]:
        """Return the headers that carry the credentials, and any other fixed ones."""

    def build_signer(self, settings: ProviderSettings) -> Signer | None:
        """Return what signs each request with its body; None where the headers above suffice.

        Raises ``ConfigurationError`` where signing needs what is not installed.
        """

    def has_model_list(self, settings: ProviderSettings) -> bool:
        """Tell whether ``build_model_list`` can be asked at ``base_url``.

        Where it can't, the models named in the configuration are the list.
        """

    def lists_names(self) -> bool:
        """Tell whether that list has the names that requests have to say.

        Where it hasn't, it is asked only to find out whether the provider answers.
        """

    def needs_model_info(self, request: ChatRequest) -> bool:
        """Tell whether building this request depends on the model's capabilities.

        Asking for them may cost a request, so plain ones do without.
        """

    def takes_effort(self, target: Target, effort: str) -> bool:
        """Tell whether ``reasoning_effort`` can be asked of a model nothing else is known of.

        Only where it is then honoured, or told as dropped, and never refused.
        """

    def takes_custom_tools(self, target: Target) -> bool:
        """Tell whether ``target`` has tools whose input is free text.

        Where it hasn't, it is given functions in their place.
        """

    def needs_fetching(self, url: str) -> bool:
        """Tell whether an image's address has to be replaced with the image, as a data URI."""

    def build_chat(self, request: ChatRequest, target: Target, info: ModelInfo | None) -> ChatCall:
        """Translate a chat request; ``info`` is None where nothing is known of the model.

        Raises ``InvalidRequestError`` with ``param`` for what is wrong or can't be honoured.
        """

    def build_token_count(self, request: NativeRequest, target: Target) -> UpstreamRequest | None:
        """Return the request that counts a prompt's tokens; None where the provider counts none."""

    def parse_token_count(self, body: bytes) -> int:
        """Parse its answer; raises ``UpstreamError``."""

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> EmbeddingsCall:
        """Translate an embeddings request; raises as ``build_chat`` does."""

    def build_passthrough(
        self, request: PassthroughRequest, target: Target
    ) -> UpstreamRequest | None:
        """Return a request whose answer goes to the client as it comes.

        None where the provider doesn't have the operation in OpenAI's format.
        """

    def build_model_list(self) -> UpstreamRequest:
        """Return the request for the list of models; it must not generate anything."""

    def parse_model_list(self, body: bytes) -> list[ModelInfo]:
        """Parse that list; raises ``UpstreamError`` where it is not one."""

    def build_next_models(self, body: bytes) -> UpstreamRequest | None:
        """Return the request for what follows ``body`` of that list, None where nothing does.

        Never raises.
        """

    def find_model(self, models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
        """Return the one of ``models`` that the upstream would take for ``name``."""

    def build_model_info(self, model: str) -> UpstreamRequest | None:
        """Return the request that describes one model the list said nothing of, if there is one."""

    def parse_model_info(self, model: str, body: bytes) -> ModelInfo:
        """Parse that description."""

    def build_loaded_models(self) -> UpstreamRequest | None:
        """Return the request for the models that are in memory; None where none has to be loaded.

        It must load nothing itself. None, too, where the provider can't tell.
        """

    def parse_loaded_models(self, body: bytes) -> frozenset[str]:
        """Parse that list of names; raises ``UpstreamError`` where it is not one."""

    def build_warm(self, target: Target) -> UpstreamRequest | None:
        """Return the request that loads a model and generates nothing; None as above."""

    def find_other_api(self, call: ChatCall, status: int, body: bytes) -> OtherApi | None:
        """Return by which other API the upstream can be asked, as its answer to a call tells.

        None: by no other. Only asked where the configuration names none; ``build_chat`` is
        then given a target that names it.
        """

    def read_limits(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return what an answer's headers tell of the upstream's own limits, as clients' headers.

        ``headers`` have names in lower case. Never raises. See ``gateway.providers.rate_limits``.
        """

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, target: Target
    ) -> GatewayError:
        """Map an answer that isn't a success. Never raises; the caller redacts secrets.

        The error's ``upstream_status`` is ``status``, for retries and breakers go by it.
        """


class ProviderDefaults:
    """What holds for most upstreams: a hosted service whose list says all there is to know.

    A base class for providers, each of which overrides what is different. ``rate_limits``
    has the names of the headers that tell of the upstream's limits: OpenAI's. ``model_pages``
    is how its list of models goes on, where it comes in pages.
    """

    rate_limits: RateLimits = OPENAI_LIMITS
    model_pages: Pages | None = None

    def speaks(self, dialect: str, target: Target) -> bool:
        """Tell that nothing but the provider's own API is spoken, which the gateway has not."""
        return False

    def build_signer(self, settings: ProviderSettings) -> Signer | None:
        """Return None: a key in a header is enough."""
        return None

    def has_model_list(self, settings: ProviderSettings) -> bool:
        """Tell that there is a list."""
        return True

    def lists_names(self) -> bool:
        """Tell that it has."""
        return True

    def needs_model_info(self, request: ChatRequest) -> bool:
        """Never: what a model can do is for the upstream to judge."""
        return False

    def takes_effort(self, target: Target, effort: str) -> bool:
        """Tell that nothing is known of the model."""
        return False

    def build_passthrough(
        self, request: PassthroughRequest, target: Target
    ) -> UpstreamRequest | None:
        """Return None: the provider doesn't speak OpenAI's format."""
        return None

    def build_token_count(self, request: NativeRequest, target: Target) -> UpstreamRequest | None:
        """Return None: the provider counts tokens only when it answers."""
        return None

    def parse_token_count(self, body: bytes) -> int:
        """Return 0, for there is no such answer."""
        return 0

    def takes_custom_tools(self, target: Target) -> bool:
        """Tell that there are none: only OpenAI has them."""
        return False

    def needs_fetching(self, url: str) -> bool:
        """Never: the upstream fetches images itself, or takes none."""
        return False

    def build_model_list(self) -> UpstreamRequest:
        """Return the request for the list of models, where most have it."""
        return UpstreamRequest("GET", "/models")

    def build_next_models(self, body: bytes) -> UpstreamRequest | None:
        """Return the request for the next page, as ``model_pages`` says."""
        if self.model_pages is None:
            return None
        return build_next_page(self.build_model_list(), body, self.model_pages)

    def find_model(self, models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
        """Return the model of exactly this name."""
        return next((model for model in models if model.id == name), None)

    def build_model_info(self, model: str) -> UpstreamRequest | None:
        """Return None: nothing more than the list says can be asked."""
        return None

    def parse_model_info(self, model: str, body: bytes) -> ModelInfo:
        """Return what is known without a description: the name."""
        return ModelInfo(model)

    def build_loaded_models(self) -> UpstreamRequest | None:
        """Return None: nobody has to load a model here."""
        return None

    def parse_loaded_models(self, body: bytes) -> frozenset[str]:
        """Return no name, for there is no such list."""
        return frozenset()

    def build_warm(self, target: Target) -> UpstreamRequest | None:
        """Return None: nobody has to load a model here."""
        return None

    def find_other_api(self, call: ChatCall, status: int, body: bytes) -> OtherApi | None:
        """Return None: there is but one API."""
        return None

    def read_limits(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return what headers of the names in ``rate_limits`` tell."""
        return self.rate_limits.read(headers, time.time())
