"""Public models as values, from the checked entries of ``gateway.yaml``.

Knows what holds between public models, their targets and the providers. Must not
know how the file is read, nor what a route is used for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.config.document import Document, ValuePath
from gateway.config.fields import suggest
from gateway.config.names import may_have_model, split_model_name
from gateway.config.settings import (
    CacheSettings,
    Price,
    ProviderSettings,
    RouteSettings,
    RouteTarget,
    TargetSettings,
)
from gateway.kinds import DEMO_MODEL, KINDS


class RouteBuilder:
    """Builds public models, noting what is wrong.

    ``providers`` are those that could be built and ``names`` all that were meant.
    """

    def __init__(
        self, document: Document, providers: Mapping[str, ProviderSettings], names: list[str]
    ) -> None:
        self.document = document
        self.providers = providers
        self.names = names
        self.limits: dict[str, TargetSettings] = {}
        """``provider/model`` to its own limits, filled by ``build_all``."""

        self.problems: list[str] = []
        self._limited_at: dict[str, ValuePath] = {}

    def build_all(
        self, entries: Mapping[str, Any], cache: CacheSettings | None
    ) -> dict[str, RouteSettings]:
        """Return the public models by name; ``cache`` holds where one says nothing."""
        routes = {name: self._build(name, entry, cache) for name, entry in entries.items()}
        return {
            name: replace(route, targets=tuple(map(self._limit, route.targets)))
            for name, route in routes.items()
        }

    def find_wrong_name(
        self, name: str, public_names: Collection[str], default_provider: str
    ) -> str | None:
        """Return what is wrong with a model's name that has to lead somewhere, None if it does.

        What a client asks for may be any model of the default provider; here a prefix
        that is nearly a provider's name, or a kind's, is taken for a mistake.
        """
        if name in public_names:
            return None
        prefix, slash, _ = name.partition("/")
        if slash and prefix not in self.names:
            near = suggest(prefix, self.names)
            if near or prefix in KINDS:
                return f"no provider {prefix!r} is configured{near}"
        provider, model = split_model_name(name, self.names, default_provider)
        if not model:
            return f"{name!r} names no model"
        wrong = provider in self.providers and self._find_wrong_model(provider, model)
        return f"{wrong}{suggest(name, public_names)}" if wrong else None

    def _find_wrong_model(self, provider: str, model: str) -> str | None:
        kind = self.providers[provider].kind
        if may_have_model(kind, model):
            return None
        return f"a provider of kind {kind} has only the model {DEMO_MODEL}, not {model!r}"

    def _build(self, name: str, entry: Any, cache: CacheSettings | None) -> RouteSettings:
        settings: dict[str, Any] = entry if isinstance(entry, dict) else {}
        found: dict[str, RouteTarget] = {}
        for path, given in _iter_targets(name, entry):
            target = _build_target(given)
            self._check(path, target)
            if target.name in found:
                self._note(path, f"{target.name} is a target of this model already")
            found[target.name] = target
            self._note_limits(path, target)
        targets = tuple(found.values())
        if "weights" in settings:
            targets = tuple(
                replace(target, settings=replace(target.settings, weight=weight))
                for target, weight in zip(targets, settings["weights"], strict=False)
            )
        return RouteSettings(
            targets=targets,
            strategy=settings.get("strategy", "fallback"),
            cache=build_cache(settings["cache"], cache) if "cache" in settings else cache,
            rate_limit=settings.get("rate_limit"),
            token_rate_limit=settings.get("token_rate_limit"),
        )

    def _check(self, path: ValuePath, target: RouteTarget) -> None:
        if target.provider not in self.names:
            near = suggest(target.provider, self.names)
            self._note(path, f"no provider {target.provider!r} is configured{near}")
        elif target.provider in self.providers:
            message = self._find_wrong_model(target.provider, target.model)
            if message:
                self._note(path, message)

    def _note_limits(self, path: ValuePath, target: RouteTarget) -> None:
        """Keep the limits of a target, which hold in all public models that have it."""
        if target.settings.max_concurrency is None:
            return
        limits = TargetSettings(
            max_concurrency=target.settings.max_concurrency, max_queue=target.settings.max_queue
        )
        if self.limits.setdefault(target.name, limits) != limits:
            first = self.document.origin(self._limited_at[target.name])
            self._note(path, f"{target.name} has other limits in {first}; a target has one")
        self._limited_at.setdefault(target.name, path)

    def _limit(self, target: RouteTarget) -> RouteTarget:
        limits = self.limits.get(target.name)
        if limits is None:
            return target
        settings = replace(
            target.settings, max_concurrency=limits.max_concurrency, max_queue=limits.max_queue
        )
        return replace(target, settings=settings)

    def _note(self, path: ValuePath, message: str) -> None:
        self.problems.append(self.document.describe(path, message))


def build_cache(entry: Any, default: CacheSettings | None) -> CacheSettings | None:
    """Return what a checked ``cache`` says, over ``default``; None for ``false``."""
    if entry is False:
        return None
    given = {name: entry[name] for name in ("ttl", "when") if name in entry}
    return replace(default or CacheSettings(), **given)


def _iter_targets(name: str, entry: Any) -> Iterator[tuple[ValuePath, dict[str, Any]]]:
    """Yield where each target of a public model is, and its settings."""
    path: ValuePath = ("models", name)
    if not isinstance(entry, dict):
        yield path, {"target": entry}
    elif "target" in entry:
        yield (*path, "target"), {"target": entry["target"]}
    else:
        for position, target in enumerate(entry["targets"]):
            yield (*path, "targets", position), target


def _build_target(given: Mapping[str, Any]) -> RouteTarget:
    settings = {name: value for name, value in given.items() if name != "target"}
    if "drop" in settings:
        settings["drop"] = tuple(settings["drop"])
    if "capabilities" in settings:
        settings["capabilities"] = frozenset(settings["capabilities"])
    if "price" in settings:
        settings["price"] = Price(**settings["price"])
    provider, _, model = given["target"].partition("/")
    return RouteTarget(provider, model, TargetSettings(**settings))
