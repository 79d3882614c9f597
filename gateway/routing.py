"""Which provider and model a name stands for.

Knows the order in which a name is looked up. Must not know providers' formats,
nor whether a provider has the model.
"""

from __future__ import annotations

from gateway.config.settings import DEMO_KIND, DEMO_MODEL, ProviderSettings, Settings, Target
from gateway.errors import NotFoundError


def resolve_target(settings: Settings, name: str) -> Target:
    """Return what the client's model ``name`` stands for.

    In this order: a public name of the configuration; ``provider/model`` where
    the provider is configured (only the first ``/`` counts); else the default
    provider's model of that name. Raises ``NotFoundError`` (``model_not_found``)
    for a name without a model in it, and for any model of a demo provider but
    its one: it never answers in another's name.
    """
    provider, model = _split_name(settings, name)
    if not model or (provider.kind == DEMO_KIND and model != DEMO_MODEL):
        raise NotFoundError(
            f"The model {name!r} does not exist. GET /v1/models lists those that do.",
            param="model",
            code="model_not_found",
        )
    return Target(provider=provider, model=model, requested_model=name)


def _split_name(settings: Settings, name: str) -> tuple[ProviderSettings, str]:
    if name in settings.models:
        provider_name, model = settings.models[name]
        return settings.providers[provider_name], model
    prefix, slash, model = name.partition("/")
    if slash and prefix in settings.providers:
        return settings.providers[prefix], model
    return settings.providers[settings.default_provider], name
