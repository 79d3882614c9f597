"""Loading what is in force: environment over ``.env`` over defaults, and ``gateway.yaml``.

Knows the order of sources and the rules between settings. Must not know how any
one source is read. Imports neither ``ssl`` nor gevent, so that gunicorn's master
may load it before its workers patch the standard library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.config.document import Document, dotted, parse_document
from gateway.config.environment import (
    VARIABLES,
    Given,
    describe_variable,
    find_unknown,
    parse_environment,
)
from gateway.config.fields import suggest
from gateway.config.local_ollama import is_ollama_listening
from gateway.config.providers import ProviderBuilder, choose_default
from gateway.config.routes import RouteBuilder, build_cache
from gateway.config.schemas import find_structure_problems
from gateway.config.settings import SQLITE_PREFIX, ResponsesSettings, Settings
from gateway.config.sources import Sources, read_sources
from gateway.config.values import is_loopback
from gateway.errors import ConfigurationError
from gateway.kinds import KINDS


def load_settings(
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    *,
    is_listening: Callable[[], bool] = is_ollama_listening,
) -> Settings:
    """Return the settings in force, from ``environ``, ``directory/.env`` and ``gateway.yaml``.

    ``environ`` is the process's environment and ``directory`` the working
    directory unless given. ``is_listening`` is asked whether Ollama is there, and
    only when no provider is configured. Raises one ``ConfigurationError`` that
    lists everything that is wrong, a line each.
    """
    sources = read_sources(environ, directory, is_listening=is_listening)
    return load_from(sources, sources.read_text())


def load_from(sources: Sources, text: str | None) -> Settings:
    """Return the settings that ``sources`` make with ``text`` as ``gateway.yaml`` (None: no file).

    Raises one ``ConfigurationError`` that lists everything that is wrong, a line each.
    """
    given = sources.given
    problems = list(sources.problems)
    parsed = parse_environment(given, problems)
    warnings = find_unknown(given, problems)
    document = Document("")
    if text is not None:
        variables = {variable: found.text for variable, found in given.items()}
        document = parse_document(text, sources.config_name, variables, problems)
    content, wrong = find_structure_problems(document.content)
    problems += [document.describe(path, message) for path, message in wrong]

    builder = ProviderBuilder(document, sources.config_path.parent, parsed, given)
    providers = builder.build_all(content["providers"], sources.is_listening)
    problems += builder.problems
    # A provider with a mistake in it was still meant to be there.
    names = [*providers, *_meant(document, "providers")]
    default_provider = parsed.get("AI_PROVIDER", choose_default(providers))
    if "AI_PROVIDER" in parsed and default_provider not in names:
        problems.append(_describe_default(default_provider, names, given))
    router = RouteBuilder(document, providers, names)
    cache = build_cache(content["cache"], None) if "cache" in content else None
    models = router.build_all(content["models"], cache)
    problems += router.problems
    fallback = parsed.get("FALLBACK_MODEL")
    wrong_name = fallback and router.find_wrong_name(
        fallback, _meant(document, "models"), default_provider
    )
    if wrong_name:
        problems.append(describe_variable("FALLBACK_MODEL", given["FALLBACK_MODEL"], wrong_name))
    _check_together(parsed, given, problems)
    if problems:
        raise ConfigurationError("\n".join(problems))

    own = _build_own(parsed, sources.directory)
    origins = {name: given[name].origin for name in parsed}
    origins.update(
        (dotted(path), document.origin(path)) for path in document.lines if path[0] != "providers"
    )
    if "max_bytes" in content.get("cache", {}):
        own["cache_max_bytes"] = content["cache"]["max_bytes"]
    return Settings(
        providers=providers,
        default_provider=default_provider,
        models=models,
        limited_targets=router.limits,
        cache=cache,
        responses=ResponsesSettings(**content.get("responses", {})),
        timeouts=builder.build_timeouts(),
        gateway_config=document.name or None,
        warnings=(*warnings, *builder.warnings),
        origins={**origins, **builder.origins},
        **own,
    )


def load_environment(sources: Sources) -> Settings:
    """Return the settings of the environment alone, without any provider, whatever the file says.

    Raises ``ConfigurationError`` as ``load_from`` does.
    """
    problems = list(sources.problems)
    parsed = parse_environment(sources.given, problems)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return Settings({}, "", **_build_own(parsed, sources.directory))


def _build_own(parsed: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Return the fields of ``Settings`` that are each one variable."""
    own = {field: parsed[name] for name, field in _own_fields() if name in parsed}
    own.setdefault("web_concurrency", _count_cores())
    own["directory"] = directory
    own["database_url"] = _anchor(own.get("database_url", Settings.database_url), directory)
    return own


def _meant(document: Document, section: str) -> list[str]:
    """Return the names in a section as they are written, also of entries with a mistake."""
    entries = document.content.get(section)
    return list(entries) if isinstance(entries, dict) else []


def _own_fields() -> list[tuple[str, str]]:
    """Return (variable, field of ``Settings``) for those that are the same thing."""
    known = set(Settings.__dataclass_fields__) - {"gateway_config"}
    return [(v.name, v.name.lower()) for v in VARIABLES if v.name.lower() in known]


def _describe_default(name: str, names: list[str], given: Mapping[str, Given]) -> str:
    message = f"no provider {name!r} is configured{suggest(name, names)}"
    if name in KINDS and KINDS[name].variables:
        message += f"; set {' or '.join(sorted(KINDS[name].variables.values()))}"
    return describe_variable("AI_PROVIDER", given["AI_PROVIDER"], message)


def _check_together(
    parsed: Mapping[str, Any], given: Mapping[str, Given], problems: list[str]
) -> None:
    """Note what is wrong between two settings that are each right by themselves."""
    host = parsed.get("HOST", Settings.host)
    if parsed.get("AUTH") is False and not is_loopback(host):
        message = f"off needs HOST to be a loopback address such as 127.0.0.1, not {host}"
        problems.append(describe_variable("AUTH", given["AUTH"], message))
    user_keys = parsed.get("GATEWAY_API_KEYS", ())
    for position, key in enumerate(parsed.get("ADMIN_API_KEYS", ()), start=1):
        if key in user_keys:
            message = f"key {position} is also one of GATEWAY_API_KEYS; a key has one role"
            problems.append(describe_variable("ADMIN_API_KEYS", given["ADMIN_API_KEYS"], message))


def _count_cores() -> int:
    """Return how many CPU cores this process may use; not every system tells of that."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _anchor(database_url: str, directory: Path) -> str:
    """Return SQLite's URL with an absolute path: it means the same file from anywhere."""
    if not database_url.startswith(SQLITE_PREFIX):
        return database_url
    return SQLITE_PREFIX + str((directory / database_url.removeprefix(SQLITE_PREFIX)).absolute())
