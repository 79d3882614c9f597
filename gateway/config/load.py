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

from gateway.config.document import Document, read_document
from gateway.config.environment import (
    VARIABLES,
    Given,
    current_environment,
    describe_variable,
    find_unknown,
    parse_environment,
    read_environment,
)
from gateway.config.local_ollama import is_ollama_listening
from gateway.config.providers import ProviderBuilder, choose_default
from gateway.config.schemas import find_structure_problems, suggest
from gateway.config.settings import (
    DEMO_KIND,
    DEMO_MODEL,
    SQLITE_PREFIX,
    ProviderSettings,
    Settings,
)
from gateway.config.values import is_loopback
from gateway.errors import ConfigurationError

CONFIG_NAME = "gateway.yaml"


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
    directory = Path.cwd() if directory is None else directory
    problems: list[str] = []
    environ = current_environment() if environ is None else environ
    given = read_environment(environ, directory, problems)
    parsed = parse_environment(given, problems)
    warnings = find_unknown(given, problems)
    document, document_path = _find_document(parsed, given, directory, problems)
    content, wrong = find_structure_problems(document.content)
    problems += [document.describe(path, message) for path, message in wrong]

    builder = ProviderBuilder(document, document_path.parent, parsed, given)
    providers = builder.build_all(content["providers"], is_listening)
    problems += builder.problems
    # A provider with a mistake in it was still meant to be there.
    meant = document.content.get("providers")
    names = [*providers, *(meant if isinstance(meant, dict) else ())]
    default_provider = parsed.get("AI_PROVIDER", choose_default(providers))
    if "AI_PROVIDER" in parsed and default_provider not in names:
        problems.append(_describe_default(default_provider, names, given))
    models = _resolve_models(content["models"], providers, names, document, problems)
    _check_together(parsed, given, problems)
    if problems:
        raise ConfigurationError("\n".join(problems))

    own = {field: parsed[name] for name, field in _own_fields() if name in parsed}
    own.setdefault("web_concurrency", _count_cores())
    own["database_url"] = _anchor(own.get("database_url", Settings.database_url), directory)
    origins = {name: given[name].origin for name in parsed}
    origins.update((f"models.{name}", document.origin(("models", name))) for name in models)
    return Settings(
        providers=providers,
        default_provider=default_provider,
        models=models,
        timeouts=builder.build_timeouts(),
        gateway_config=document.name or None,
        warnings=(*warnings, *builder.warnings),
        origins={**origins, **builder.origins},
        **own,
    )


def _own_fields() -> list[tuple[str, str]]:
    """Return (variable, field of ``Settings``) for those that are the same thing."""
    known = set(Settings.__dataclass_fields__) - {"gateway_config"}
    return [(v.name, v.name.lower()) for v in VARIABLES if v.name.lower() in known]


def _find_document(
    parsed: Mapping[str, Any], given: Mapping[str, Given], directory: Path, problems: list[str]
) -> tuple[Document, Path]:
    """Read the file that ``GATEWAY_CONFIG`` names, or ``gateway.yaml`` if there is one."""
    name = parsed.get("GATEWAY_CONFIG", CONFIG_NAME)
    path = directory / name
    if "GATEWAY_CONFIG" not in parsed and not path.exists():
        return Document(""), path
    variables = {variable: found.text for variable, found in given.items()}
    return read_document(path, name, variables, problems), path


def _describe_default(name: str, names: list[str], given: Mapping[str, Given]) -> str:
    message = f"no provider {name!r} is configured{suggest(name, names)}"
    if name == "openai":
        message += "; set OPENAI_API_KEY or OPENAI_BASE_URL"
    return describe_variable("AI_PROVIDER", given["AI_PROVIDER"], message)


def _resolve_models(
    targets: Mapping[str, str],
    providers: Mapping[str, ProviderSettings],
    names: list[str],
    document: Document,
    problems: list[str],
) -> dict[str, tuple[str, str]]:
    models: dict[str, tuple[str, str]] = {}
    for public_name, target in targets.items():
        provider, _, model = target.partition("/")
        models[public_name] = (provider, model)
        message = None
        if provider not in names:
            message = f"no provider {provider!r} is configured{suggest(provider, names)}"
        elif (
            provider in providers and providers[provider].kind == DEMO_KIND and model != DEMO_MODEL
        ):
            message = f"a provider of kind demo has only the model {DEMO_MODEL}, not {model!r}"
        if message:
            problems.append(document.describe(("models", public_name), message))
    return models


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
    """Return the URL with an absolute path, so that it means the same file from anywhere."""
    return SQLITE_PREFIX + str((directory / database_url.removeprefix(SQLITE_PREFIX)).absolute())
