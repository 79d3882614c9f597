"""What a model's name without a public model of that name means.

Knows the rules that configuration and routing share. Must not know settings.
"""

from __future__ import annotations

from collections.abc import Container

from gateway.kinds import DEMO_KIND, DEMO_MODEL


def split_model_name(
    name: str, providers: Container[str], default_provider: str
) -> tuple[str, str]:
    """Return (provider, its model): of ``provider/model`` if there is one, else of the default.

    Only the first ``/`` counts, for models' names may have some of their own.
    """
    prefix, slash, model = name.partition("/")
    return (prefix, model) if slash and prefix in providers else (default_provider, name)


def may_have_model(kind: str, model: str) -> bool:
    """Tell whether a provider of ``kind`` may have ``model``: the demo never has another's name."""
    return bool(model) and (kind != DEMO_KIND or model == DEMO_MODEL)
