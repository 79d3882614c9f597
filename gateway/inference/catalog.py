"""What models there are: every provider's own list, cached, and never a gate.

Knows which provider to ask and for how long an answer is good. Must not know any
one provider's format.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from gateway.config.settings import ProviderSettings, Settings, Target
from gateway.errors import GatewayError, NotFoundError, UpstreamError
from gateway.providers.base import Provider
from gateway.routing import may_use, require_model, resolve_target
from gateway.transport import Upstream
from gateway.types import ModelInfo, UpstreamRequest

T = TypeVar("T")

logger = logging.getLogger("gateway.catalog")

FRESH_SECONDS = 60.0
RETRY_SECONDS = 5.0
FETCH_SECONDS = 3.0
LIST_SECONDS = 10.0
"""For all pages of a list."""

MAX_PAGES = 10
"""Of one list; a page has 1,000 models of those whose lists have pages."""

_MAX_DESCRIBED = 1000


@dataclass
class _Shelf:
    """What is known of one provider's models; times are ``time.monotonic()``."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    models: list[ModelInfo] = field(default_factory=list)
    described: dict[str, ModelInfo | None] = field(default_factory=dict)
    good_until: float = 0.0
    reachable: bool = False


class Catalog:
    """The models of all configured providers."""

    def __init__(
        self,
        settings: Settings,
        providers: Mapping[str, Provider],
        upstreams: Mapping[str, Upstream],
    ) -> None:
        self._settings = settings
        self._providers = providers
        self._upstreams = upstreams
        self._shelves = {name: _Shelf() for name in settings.providers}

    def list_models(self, allowed: Sequence[str] = ()) -> list[ModelInfo]:
        """Return public names and ``provider/model`` of every provider that answers.

        A provider that is down contributes what it last told, if anything. Of all those
        there are, the patterns ``allowed`` tell which may be used, () for all.
        """
        models = [_public(name) for name in self._settings.models]
        models += [
            model._replace(id=f"{name}/{model.id}", owned_by=model.owned_by or name)
            for name, shelf in self._stock_all().items()
            for model in shelf.models
            if model.id.isprintable()  # no other name can be asked for
        ]
        unique = {model.id: model for model in reversed(models)}
        found = list(reversed(unique.values()))
        return [model for model in found if may_use(self._settings, allowed, model.id)]

    def get_model(self, name: str, allowed: Sequence[str] = ()) -> ModelInfo:
        """Return what is known of the model a client calls ``name``.

        Raises ``NotFoundError`` where its provider lists its models, but not this one, and
        ``PermissionDeniedError`` where the patterns ``allowed`` don't allow it.
        """
        require_model(self._settings, allowed, name)
        if name in self._settings.models:
            return _public(name)
        target = resolve_target(self._settings, name)
        shelf = self._stocked(target.provider.name)
        found = self._find(shelf, target)
        if found is None and shelf.reachable and self._tells_names(target.provider):
            raise NotFoundError(
                f"The model '{name}' does not exist.", param="model", code="model_not_found"
            )
        found = found or ModelInfo(target.model)
        return found._replace(id=name, owned_by=found.owned_by or target.provider.name)

    def describe_model(self, name: str, allowed: Sequence[str] = ()) -> ModelInfo:
        """Return what is known of the model a client calls ``name``, its abilities too.

        Of several targets the first counts. Raises as ``get_model`` does.
        """
        model = self.get_model(name, allowed)
        target = resolve_target(self._settings, name)
        info = self.model_info(target)
        told = info if info is not None else model
        return told._replace(
            id=name,
            owned_by=told.owned_by or model.owned_by,
            capabilities=told.capabilities if target.capabilities is None else target.capabilities,
            context_length=target.context_length or told.context_length,
        )

    def list_loaded(self, allowed: Sequence[str] = ()) -> list[ModelInfo]:
        """Return the models that are in memory, of all providers that tell; see ``list_models``."""
        loaded = []
        for name, provider in self._providers.items():
            request = provider.build_loaded_models()
            names = request and self._fetch(name, request, provider.parse_loaded_models)
            loaded += [ModelInfo(f"{name}/{model}", owned_by=name) for model in sorted(names or ())]
        return [model for model in loaded if may_use(self._settings, allowed, model.id)]

    def model_info(self, target: Target) -> ModelInfo | None:
        """Return what the provider tells of a target's model, or None where it tells nothing."""
        name = target.provider.name
        shelf = self._stocked(name)
        found = self._find(shelf, target)
        if found is not None and found.capabilities is not None:
            return found
        if not shelf.reachable:
            return found
        with shelf.lock:
            if target.model not in shelf.described and len(shelf.described) < _MAX_DESCRIBED:
                shelf.described[target.model] = self._describe(name, target.model)
            return shelf.described.get(target.model) or found

    def check_providers(self) -> dict[str, bool]:
        """Return, for each provider, whether it answers; generates nothing."""
        return {name: shelf.reachable for name, shelf in self._stock_all().items()}

    def _stock_all(self) -> dict[str, _Shelf]:
        """Return every provider's shelf; those that have to be asked are asked at once."""
        names = list(self._settings.providers)
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            return dict(zip(names, pool.map(self._stocked, names), strict=True))

    def _stocked(self, name: str) -> _Shelf:
        """Return a provider's shelf, asked again where what is on it is old."""
        shelf = self._shelves[name]
        if time.monotonic() < shelf.good_until:
            return shelf
        with shelf.lock:
            if time.monotonic() < shelf.good_until:
                return shelf
            models = self._ask_for_models(name)
            shelf.reachable = models is not None
            if models is not None:
                shelf.models = models
                shelf.described.clear()
            shelf.good_until = time.monotonic() + (FRESH_SECONDS if models else RETRY_SECONDS)
        return shelf

    def _ask_for_models(self, name: str) -> list[ModelInfo] | None:
        """Return a provider's own list, or the models configured for one that has none to ask."""
        provider, settings = self._providers[name], self._settings.providers[name]
        if not provider.has_model_list(settings):
            return self._configured_models(name)
        models = self._fetch_pages(name, provider)
        return models if models is None or provider.lists_names() else self._configured_models(name)

    def _configured_models(self, name: str) -> list[ModelInfo]:
        """Return a provider's models that the configuration names, anywhere."""
        settings = self._settings
        named = dict.fromkeys(settings.providers[name].models)
        routes = [route.targets for route in settings.models.values()]
        named |= {each.model: None for each in chain(*routes) if each.provider == name}
        if settings.fallback_model is not None:
            last = resolve_target(settings, settings.fallback_model)
            named |= {last.model: None} if last.provider.name == name else {}
        return [ModelInfo(model) for model in named]

    def _fetch_pages(self, name: str, provider: Provider) -> list[ModelInfo] | None:
        """Return the models of all pages of a list; None where one of them could not be had."""

        def parse(body: bytes) -> tuple[list[ModelInfo], UpstreamRequest | None]:
            return provider.parse_model_list(body), provider.build_next_models(body)

        models: dict[str, ModelInfo] = {}
        request = provider.build_model_list()
        until = time.monotonic() + LIST_SECONDS
        for _ in range(MAX_PAGES):
            page = self._fetch(name, request, parse)
            if page is None or time.monotonic() >= until:
                return None
            for model in page[0]:
                models.setdefault(model.id, model)
            # A server that knows no cursor tells the same page, and so the same one, again.
            if page[1] is None or page[1] == request:
                return list(models.values())
            request = page[1]
        logger.warning("provider %s has more models than the %d listed", name, len(models))
        return list(models.values())

    def _tells_names(self, settings: ProviderSettings) -> bool:
        provider = self._providers[settings.name]
        return provider.has_model_list(settings) and provider.lists_names()

    def _find(self, shelf: _Shelf, target: Target) -> ModelInfo | None:
        return self._providers[target.provider.name].find_model(shelf.models, target.model)

    def _describe(self, name: str, model: str) -> ModelInfo | None:
        provider = self._providers[name]
        request = provider.build_model_info(model)
        if request is None:
            return None
        return self._fetch(name, request, lambda body: provider.parse_model_info(model, body))

    def _fetch(self, name: str, request: UpstreamRequest, parse: Callable[[bytes], T]) -> T | None:
        try:
            response = self._upstreams[name].fetch(request, FETCH_SECONDS)
            if response.status_code != 200:
                raise UpstreamError(f"The provider answered with status {response.status_code}.")
            return parse(response.content)
        except GatewayError as error:
            logger.warning("provider %s did not answer %s: %s", name, request.path, error.message)
            return None


def _public(name: str) -> ModelInfo:
    return ModelInfo(name, owned_by="gateway")
