"""What is in force, for people to read: every value with its origin, secrets masked.

Knows which settings hold secrets. Must not know how settings are loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from gateway.config.document import InterpolatedText
from gateway.config.environment import VARIABLES
from gateway.config.providers import TIMEOUT_VARIABLES
from gateway.config.settings import (
    CacheSettings,
    Price,
    ProviderSettings,
    RouteSettings,
    RouteTarget,
    Settings,
    TargetSettings,
    Timeouts,
)
from gateway.kinds import KINDS

MASK = "…"

_OLLAMA_SETTINGS = (
    "num_ctx",
    "allow_client_options",
    "load_timeout",
    "overflow_while_loading",
)
_CLOUD_SETTINGS = ("project", "credentials_file", "allow_client_options")
_SHOWN_CHARACTERS = 4
_LENGTH_TO_SHOW_ANY = 24
_KEY_PREFIX = re.compile(r"(?:sk|gw)[-_]")
_SECRET_SETTINGS = ("access_key_id", "secret_access_key", "session_token")
_ELSEWHERE = frozenset(
    variable
    for kind in KINDS.values()
    for variable in (*kind.variables.values(), *kind.further_variables.values())
)
"""Variables that are shown as settings of a provider."""


def mask_secret(secret: str) -> str:
    """Return ``sk-…abcd``: the kind of key and its last four characters; nothing of a short one."""
    if len(secret) < _LENGTH_TO_SHOW_ANY:
        return MASK
    prefix = _KEY_PREFIX.match(secret)
    return f"{prefix[0] if prefix else ''}{MASK}{secret[-_SHOWN_CHARACTERS:]}"


def mask_url(url: str) -> str:
    """Return the URL without its user and password."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{MASK}@{host}").geturl() if at and credentials else url


def describe_settings(settings: Settings) -> dict[str, Any]:
    """Return what is in force, ready for JSON.

    ``{"settings": {NAME: leaf}, "providers": {name: {setting: leaf}}, "models":
    {...}, "cache": {setting: leaf}, "responses": {setting: leaf}, "warnings": [...]}`` where
    a leaf is ``{"value", "origin"}`` and settings within settings (timeouts, headers,
    models) are mappings of leaves. A public model that is but another name is a leaf,
    others are mappings.
    """
    origins = settings.origins
    return {
        "settings": {
            variable.name: _leaf(_own_value(settings, variable.name), origins, variable.name)
            for variable in VARIABLES
            if variable.name not in _ELSEWHERE
        },
        "providers": {
            name: _describe_provider(provider, origins)
            for name, provider in settings.providers.items()
        },
        "models": {
            name: _describe_route(name, route, settings) for name, route in settings.models.items()
        },
        "cache": {
            **_describe_cache(settings.cache, "cache", origins),
            "max_bytes": _leaf(settings.cache_max_bytes, origins, "cache.max_bytes"),
        },
        "responses": {
            field.name: _leaf(
                getattr(settings.responses, field.name), origins, f"responses.{field.name}"
            )
            for field in fields(settings.responses)
        },
        "warnings": list(settings.warnings),
    }


def iter_lines(description: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a description as lines that read like YAML, with origins as comments."""
    for name, entry in description.items():
        if _is_leaf(entry):
            value = entry["value"]
            yield f"{indent}{name}: {_as_text(value)}".ljust(52) + f"  # {entry['origin']}"
        elif isinstance(entry, Mapping) and entry:
            yield f"{indent}{name}:"
            yield from iter_lines(entry, indent + "  ")
        elif entry:
            yield f"{indent}{name}:"
            yield from (f"{indent}  - {item}" for item in entry)


def _own_value(settings: Settings, variable: str) -> Any:
    if variable == "AI_PROVIDER":
        return settings.default_provider
    for name, timeout_variable in TIMEOUT_VARIABLES.items():
        if variable == timeout_variable:
            return getattr(settings.timeouts, name)
    value = getattr(settings, variable.lower())
    if variable in ("GATEWAY_API_KEYS", "ADMIN_API_KEYS"):
        return [mask_secret(key) for key in value]
    if variable in ("REDIS_URL", "DATABASE_URL") and value is not None:
        return mask_url(value)
    if variable == "BUDGET_WEBHOOK_URL" and value is not None:
        return MASK
    return list(value) if isinstance(value, tuple) else value


def _describe_provider(provider: ProviderSettings, origins: Mapping[str, str]) -> dict[str, Any]:
    where = f"providers.{provider.name}"
    shown: dict[str, Any] = {"kind": provider.kind, "base_url": provider.base_url}
    if provider.api_keys:
        name = "api_keys" if f"{where}.api_keys" in origins else "api_key"
        masked = [mask_secret(key) for key in provider.api_keys]
        shown[name] = masked if name == "api_keys" else masked[0]
    if provider.proxy:
        shown["proxy"] = mask_url(provider.proxy)
    if provider.ca_bundle:
        shown["ca_bundle"] = provider.ca_bundle
    shown["max_retries"] = provider.max_retries
    shown["max_concurrency"] = provider.max_concurrency
    if provider.max_concurrency is not None:
        shown["max_queue"] = provider.max_queue
    if provider.api_version:
        shown["api_version"] = provider.api_version
    shown.update((name, value) for name in _CLOUD_SETTINGS if (value := getattr(provider, name)))
    if provider.api is not None:
        shown["api"] = provider.api
    if provider.kind == "ollama":
        shown.update((name, getattr(provider, name)) for name in _OLLAMA_SETTINGS)
    if provider.region:
        shown["region"] = provider.region
    for name in _SECRET_SETTINGS:
        if getattr(provider, name):
            shown[name] = mask_secret(getattr(provider, name))
    described = {name: _leaf(value, origins, f"{where}.{name}") for name, value in shown.items()}
    described["timeouts"] = {
        field.name: _leaf(
            getattr(provider.timeouts, field.name), origins, f"{where}.timeouts.{field.name}"
        )
        for field in fields(Timeouts)
    }
    described["headers"] = {
        name: _leaf(MASK, origins, f"{where}.headers") for name in provider.headers
    }
    described["models"] = {
        model: {
            field.name: _leaf(getattr(model_settings, field.name), origins, f"{where}.models")
            for field in fields(model_settings)
            if getattr(model_settings, field.name) is not None
        }
        for model, model_settings in provider.models.items()
    }
    return described


def _describe_route(name: str, route: RouteSettings, settings: Settings) -> dict[str, Any]:
    where = f"models.{name}"
    origins = settings.origins
    first = route.targets[0]
    if route == RouteSettings((RouteTarget(first.provider, first.model),), cache=settings.cache):
        return _leaf(first.name, origins, where)
    return {
        "strategy": _leaf(route.strategy, origins, f"{where}.strategy"),
        "targets": _leaf(
            [target.name for target in route.targets], origins, f"{where}.targets", where
        ),
        "target_settings": {
            target.name: {
                setting: _leaf(value, origins, *_places(where, position, setting))
                for setting, value in _given(target.settings)
            }
            for position, target in enumerate(route.targets)
        },
        "cache": _describe_cache(route.cache, f"{where}.cache", origins),
        **{
            setting: _leaf(getattr(route, setting), origins, f"{where}.{setting}")
            for setting in ("rate_limit", "token_rate_limit")
            if getattr(route, setting) is not None
        },
    }


def _places(where: str, position: int, setting: str) -> tuple[str, ...]:
    """Return where a target's setting may have been given, the nearest first."""
    target = f"{where}.targets[{position}]"
    weights = (f"{where}.weights[{position}]",) if setting == "weight" else ()
    return (f"{target}.{setting}", *weights, target, where)


def _given(settings: TargetSettings) -> Iterator[tuple[str, Any]]:
    """Yield what a public model says of a target; the rest is as the provider has it."""
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if value != getattr(TargetSettings(), setting.name):
            yield setting.name, value


def _describe_cache(
    cache: CacheSettings | None, where: str, origins: Mapping[str, str]
) -> dict[str, Any]:
    if cache is None:
        return {"when": _leaf("asked", origins, where)}
    return {
        "when": _leaf(cache.when, origins, f"{where}.when", where),
        "ttl": _leaf(cache.ttl, origins, f"{where}.ttl"),
    }


def _leaf(value: Any, origins: Mapping[str, str], *wheres: str) -> dict[str, Any]:
    """Return a value with the origin of the first of ``wheres`` that has one."""
    known = (origins[where] for where in wheres if where in origins)
    return {"value": _plain(value), "origin": next(known, "default")}


def _is_leaf(entry: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(entry, dict) and set(entry) == {"value", "origin"}


def _plain(value: Any) -> Any:
    """Return a value for JSON; of text, that from the environment may be a secret."""
    if isinstance(value, InterpolatedText):
        return MASK
    if isinstance(value, Price):
        return {name: each for name, each in value._asdict().items() if each is not None}
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return sorted(value) if isinstance(value, frozenset) else value


def _as_text(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
