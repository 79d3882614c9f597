"""What admins see of providers and targets, and the breakers they may force.

Knows what is configured, breakers, lines and the catalog. Must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.config.settings import Settings
from gateway.errors import NotFoundError
from gateway.inference.catalog import Catalog
from gateway.resilience.breaker import Breakers
from gateway.resilience.line import Lines
from gateway.routing import resolve_route


class Targets:
    """All that is configured, as it is now over all processes that share the state.

    ``counted`` are the targets whose open requests are counted without a limit of their own.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        breakers: Breakers,
        lines: Lines,
        counted: frozenset[str],
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._breakers = breakers
        self._lines = lines
        self._counted = counted

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        """Return ``{"providers": [...], "targets": [...]}``; raises StateUnavailableError.

        ``open`` and ``queued`` count requests; they are None where nothing is counted,
        for there is no limit. A target is here if a public model or ``FALLBACK_MODEL``
        has it; clients can name others by ``provider/model``.
        """
        reachable = self._catalog.check_providers()
        providers = [
            {
                "name": name,
                "kind": provider.kind,
                "reachable": reachable[name],
                **self._count(f"provider:{name}", provider.max_concurrency),
            }
            for name, provider in self._settings.providers.items()
        ]
        return {"providers": providers, "targets": self.describe_targets()}

    def describe_targets(self) -> list[dict[str, Any]]:
        """Return the targets of ``describe``; asks no provider. Raises StateUnavailableError."""
        models: dict[str, list[str]] = {}
        for name, model in self._iter_names():
            models.setdefault(name, []).append(model)
        return [self.describe_one(name, models[name]) for name in models]

    def describe_one(self, name: str, models: list[str]) -> dict[str, Any]:
        """Return one target; ``models`` are the public names that lead to it."""
        limits = self._settings.limited_targets.get(name)
        return {
            "name": name,
            "models": models,
            "breaker": self._breakers.describe(name),
            **self._count(
                f"target:{name}",
                limits.max_concurrency if limits else None,
                is_counted=name in self._counted,
            ),
        }

    def override(self, name: str, override: str | None) -> None:
        """Force the breaker of ``provider/model`` ``open`` or ``closed``; None: let it decide.

        Raises ``NotFoundError`` where the provider isn't configured, and StateUnavailableError.
        """
        provider, _, model = name.partition("/")
        if provider not in self._settings.providers or not model:
            raise NotFoundError(
                f"There is no target {name!r}: name it provider/model, with a configured provider.",
                code="target_not_found",
            )
        self._breakers.override(name, override)

    def _iter_names(self) -> Iterator[tuple[str, str]]:
        for model, route in self._settings.models.items():
            for target in route.targets:
                yield target.name, model
        fallback = self._settings.fallback_model
        if fallback is not None and fallback not in self._settings.models:
            for candidate in resolve_route(self._settings, fallback).targets:
                yield candidate.name, fallback

    def _count(
        self, line: str, limit: int | None, *, is_counted: bool = False
    ) -> dict[str, int | None]:
        if limit is None and not is_counted:
            return {"max_concurrency": None, "open": None, "queued": None}
        held, waiting = self._lines.counts(line)
        return {"max_concurrency": limit, "open": held, "queued": waiting}
