"""Which models a key may use.

Knows patterns and what names stand for. Must not know keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from gateway.config.names import split_model_name
from gateway.config.settings import Settings
from gateway.errors import PermissionDeniedError


def may_use(settings: Settings, patterns: Sequence[str], name: str) -> bool:
    """Tell whether one of ``patterns`` allows the model that clients call ``name``.

    No patterns allow every model. A public model is allowed by its own name alone, any
    other by the name it was asked by or by ``provider/model``; ``*`` stands for any text.
    """
    if not patterns or any(_matches(name, pattern) for pattern in patterns):
        return True
    if name in settings.models:
        return False
    provider, model = split_model_name(name, settings.providers, settings.default_provider)
    return any(_matches(f"{provider}/{model}", pattern) for pattern in patterns)


def require_model(settings: Settings, patterns: Sequence[str], name: str) -> None:
    """Raise ``PermissionDeniedError`` unless ``may_use``."""
    if not may_use(settings, patterns, name):
        raise PermissionDeniedError(
            f"This API key may not use the model {name!r}. GET /v1/models lists those it may.",
            param="model",
            code="model_not_allowed",
        )


@lru_cache(maxsize=4096)
def _matches(name: str, pattern: str) -> bool:
    # Only * is special: names of models have brackets and question marks of their own.
    literal = pattern.replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(name, literal)
