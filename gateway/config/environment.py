"""Settings from the environment and from ``.env``: their names, defaults and readers.

The one place that reads ``os.environ``. Must not know the file ``gateway.yaml``.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dotenv.parser import parse_stream

from gateway.config import values
from gateway.errors import ConfigurationError
from gateway.kinds import KINDS

DOTENV_NAME = ".env"
BANNER_VARIABLE = "GATEWAY_BANNER"
"""Set by ``python -m gateway serve`` for the server it starts; not a setting."""

GENERATION_VARIABLE = "GATEWAY_GENERATION"
"""Set by ``gunicorn.conf.py`` for its workers: ``server:generation``; not a setting."""


class Variable(NamedTuple):
    """One setting: ``default`` is the text that stands for it when it is unset or empty."""

    name: str
    default: str
    parse: Callable[[str], Any]


class Given(NamedTuple):
    """What was given for a name, and where: ``environment`` or ``.env line 3``."""

    text: str
    origin: str


_PROVIDER_SETTINGS: dict[str, Callable[[str], Any]] = {
    "base_url": values.parse_base_url,
    "api_key": values.parse_credential,
    "ad_token": values.parse_credential,
    "api_version": values.parse_api_version,
    "region": values.parse_region,
    "access_key_id": values.parse_credential,
    "secret_access_key": values.parse_credential,
    "session_token": values.parse_credential,
    "project": values.parse_cloud_name,
    "credentials_file": str,
}
"""How the variables of ``gateway.kinds`` are read, by the setting of a provider they stand for."""

VARIABLES = (
    Variable("HOST", "127.0.0.1", values.parse_host),
    Variable("PORT", "8080", values.parse_integer(1, 65535)),
    Variable("TRUSTED_PROXY_HOPS", "0", values.parse_integer(0, 100)),
    Variable("AUTH", "on", values.parse_switch),
    Variable("CORS_ORIGINS", "", values.parse_list(values.parse_origin)),
    Variable("WEB_CONCURRENCY", "", values.parse_integer(1, 1024)),
    Variable("AI_PROVIDER", "", str),
    *(
        Variable(name, "", _PROVIDER_SETTINGS[setting])
        for kind in KINDS.values()
        for setting, name in {**kind.variables, **kind.further_variables}.items()
    ),
    Variable("MAX_RETRIES", "2", values.parse_integer(0)),
    Variable("FALLBACK_MODEL", "", str),
    Variable("GATEWAY_API_KEYS", "", values.parse_api_keys),
    Variable("ADMIN_API_KEYS", "", values.parse_api_keys),
    Variable("RATE_LIMIT", "60/minute", values.parse_rate),
    Variable("TOKEN_RATE_LIMIT", "", values.parse_rate),
    Variable("BUDGET_WEBHOOK_URL", "", values.parse_webhook_url),
    Variable("USAGE_RETENTION_DAYS", "90", values.parse_integer(1, 36500)),
    Variable("DATABASE_URL", "sqlite:///data/gateway.db", values.parse_database_url),
    Variable("REDIS_URL", "", values.parse_redis_url),
    Variable("LIMITS_WHEN_STORE_IS_DOWN", "deny", values.parse_choice("deny", "local")),
    Variable("LOG_LEVEL", "info", values.parse_choice("debug", "info", "warning", "error")),
    Variable("LOG_FORMAT", "text", values.parse_choice("text", "json")),
    Variable("LOG_CONTENT", "off", values.parse_switch),
    Variable("CONNECT_TIMEOUT", "5", values.parse_seconds),
    Variable("FIRST_BYTE_TIMEOUT", "300", values.parse_seconds),
    Variable("IDLE_TIMEOUT", "300", values.parse_seconds),
    Variable("REQUEST_TIMEOUT", "900", values.parse_seconds),
    Variable("GRACEFUL_TIMEOUT", "25", values.parse_seconds),
    Variable("PING_AFTER", "15", values.parse_seconds),
    Variable("MAX_REQUEST_BYTES", "32 MiB", values.parse_size),
    Variable("IMAGE_FETCHING", "on", values.parse_switch),
    Variable("IMAGE_NETWORKS", "", values.parse_list(values.parse_network)),
    Variable("GATEWAY_CONFIG", "", str),
)

_NAMES = frozenset(variable.name for variable in VARIABLES)
_NO_SETTINGS = frozenset({BANNER_VARIABLE, GENERATION_VARIABLE})
_PREFIX = "GATEWAY_"


def current_environment() -> dict[str, str]:
    """Return a copy of this process's environment."""
    return dict(os.environ)


def read_environment(
    environ: Mapping[str, str], directory: Path, problems: list[str]
) -> dict[str, Given]:
    """Return what ``environ`` and ``directory/.env`` give for every name; ``environ`` wins."""
    given = _read_dotenv(directory / DOTENV_NAME, problems)
    given.update((name, Given(text.strip(), "environment")) for name, text in environ.items())
    return given


def parse_environment(given: Mapping[str, Given], problems: list[str]) -> dict[str, Any]:
    """Return the parsed values of the settings that were given, and note what is wrong."""
    parsed: dict[str, Any] = {}
    for variable in VARIABLES:
        found = given.get(variable.name)
        if found is None or not found.text:
            continue
        try:
            parsed[variable.name] = variable.parse(found.text)
        except ValueError as error:
            problems.append(describe_variable(variable.name, found, str(error)))
    return parsed


def describe_variable(name: str, found: Given, message: str) -> str:
    """Return the sentence about a wrong variable, naming where it was set."""
    origin = "the environment" if found.origin == "environment" else found.origin
    return f"{name} (from {origin}): {message}"


def find_unknown(given: Mapping[str, Given], problems: list[str]) -> list[str]:
    """Return warnings about variables without effect; a misspelt one of ours is a problem.

    Only names in ``.env`` and those that begin with ``GATEWAY_`` are ours to judge, and
    even those may be meant for others: Kubernetes sets ``GATEWAY_PORT`` for a service
    named gateway, and gateway.yaml may read any name of ``.env``.
    """
    warnings: list[str] = []
    for name in sorted(given):
        is_ours = name.startswith(_PREFIX) or given[name].origin.startswith(DOTENV_NAME)
        if not is_ours or name in (*_NAMES, *_NO_SETTINGS):
            continue
        near = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.8)
        if near:
            message = f"unknown setting; did you mean {near[0]}?"
            problems.append(describe_variable(name, given[name], message))
        elif name.startswith(_PREFIX):
            warnings.append(f"{name} is set but is no setting of the gateway; it has no effect")
    return warnings


def _read_dotenv(path: Path, problems: list[str]) -> dict[str, Given]:
    """Read ``NAME=value`` lines as python-dotenv does, without its interpolation."""
    given: dict[str, Given] = {}
    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return given
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error
    for binding in bindings:
        original = binding.original.string
        blank = original[: len(original) - len(original.lstrip())]
        origin = f"{DOTENV_NAME} line {binding.original.line + blank.count(chr(10))}"
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(f"{origin}: is not NAME=value")
        elif binding.key is not None and binding.value is not None:
            if binding.key in given and binding.key in _NAMES:
                first = given[binding.key].origin
                problems.append(f"{binding.key} (from {origin}): is set twice, first in {first}")
            given[binding.key] = Given(binding.value.strip(), origin)
    return given
