"""Which targets a model's name stands for.

Knows the order in which a name is looked up. Must not know providers' formats,
nor whether a provider has the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.config.names import may_have_model, split_model_name
from gateway.config.settings import CacheSettings, Settings, Strategy, Target, TargetSettings
from gateway.errors import NotFoundError
from gateway.routing.permission import may_use, require_model


@dataclass(frozen=True)
class Route:
    """Where a request may go: ``targets`` by ``strategy``, and after all of them ``fallback``.

    There is at least one target, and none is twice in all. ``cache`` tells which
    answers are kept; None: only those the client asks to be kept.
    """

    targets: tuple[Target, ...]
    strategy: Strategy = "fallback"
    cache: CacheSettings | None = None
    fallback: Route | None = None

    @property
    def candidates(self) -> tuple[Target, ...]:
        """Return all targets as they are configured, those of the fallback last."""
        return self.targets if self.fallback is None else self.targets + self.fallback.candidates


def resolve_route(settings: Settings, name: str, allowed: Sequence[str] = ()) -> Route:
    """Return where a request for the client's model ``name`` may go.

    A name is looked up in this order: a public name; ``provider/model`` where the
    provider is configured (only the first ``/`` counts); else the default provider's
    model of that name. Where that is a single target, ``FALLBACK_MODEL`` comes after
    it. ``allowed`` are patterns of the models that who asks may use, () for all; a
    fallback they may not use is left out. Raises ``PermissionDeniedError``, and
    ``NotFoundError`` (``model_not_found``) for a name without a model in it, and for any
    model of a demo provider but its one: it never answers in another's name.
    """
    require_model(settings, allowed, name)
    route = _resolve_own(settings, name, name)
    if len(route.targets) > 1 or settings.fallback_model is None:
        return route
    if not may_use(settings, allowed, settings.fallback_model):
        return route
    fallback = _resolve_own(settings, settings.fallback_model, name)
    others = tuple(each for each in fallback.targets if each.name != route.targets[0].name)
    return replace(route, fallback=replace(fallback, targets=others)) if others else route


def resolve_target(settings: Settings, name: str) -> Target:
    """Return the first target of the client's model ``name``; raises as ``resolve_route``."""
    return _resolve_own(settings, name, name).targets[0]


def _resolve_own(settings: Settings, name: str, requested_model: str) -> Route:
    public = settings.models.get(name)
    if public is not None:
        targets = tuple(
            Target(settings.providers[each.provider], each.model, requested_model, each.settings)
            for each in public.targets
        )
        return Route(targets, public.strategy, public.cache)
    provider_name, model = split_model_name(name, settings.providers, settings.default_provider)
    provider = settings.providers[provider_name]
    if not may_have_model(provider.kind, model):
        raise NotFoundError(
            f"The model {name!r} does not exist. GET /v1/models lists those that do.",
            param="model",
            code="model_not_found",
        )
    limits = settings.limited_targets.get(f"{provider_name}/{model}", TargetSettings())
    return Route((Target(provider, model, requested_model, limits),), cache=settings.cache)
