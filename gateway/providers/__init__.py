"""Which class speaks for which kind of upstream (see ``gateway.kinds``).

A provider's module is imported when it is first asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from gateway.errors import ConfigurationError
from gateway.kinds import KINDS
from gateway.providers.base import Provider


@cache
def get_provider(kind: str) -> Provider:
    """Return the provider of this kind, always the same instance.

    Raises ``ConfigurationError`` for a kind there is none of.
    """
    if kind not in KINDS:
        raise ConfigurationError(
            f"There is no provider kind {kind!r}; use one of {', '.join(KINDS)}."
        )
    row = KINDS[kind]
    module, _, name = row.implementation.partition(":")
    implementation = getattr(import_module(module), name)
    made = implementation() if row.quirks is None else implementation(row.quirks)
    return cast("Provider", made)
