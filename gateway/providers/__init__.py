"""The registry: which class speaks for which kind of upstream.

Knows names only: a provider's module is imported when it is first asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from gateway.errors import ConfigurationError
from gateway.providers.base import Provider

KINDS = {
    "demo": "gateway.providers.demo:Demo",
    "ollama": "gateway.providers.ollama:Ollama",
    "openai": "gateway.providers.openai:OpenAI",
}
"""Kind of provider to ``module:class``."""


@cache
def get_provider(kind: str) -> Provider:
    """Return the provider of this kind, always the same instance.

    Raises ``ConfigurationError`` for a kind there is none of.
    """
    if kind not in KINDS:
        raise ConfigurationError(
            f"There is no provider kind {kind!r}; use one of {', '.join(KINDS)}."
        )
    module, _, name = KINDS[kind].partition(":")
    return cast("Provider", getattr(import_module(module), name)())
