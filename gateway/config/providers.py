"""Which providers there are: those of ``gateway.yaml``, and those the environment implies.

Knows the defaults of each kind and how file and environment add up. Must not
know how either is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.config.document import Document
from gateway.config.environment import Given, describe_variable
from gateway.config.local_ollama import OLLAMA_PORT
from gateway.config.settings import ModelSettings, Price, ProviderSettings, Timeouts
from gateway.kinds import DEMO_KIND, KINDS

TIMEOUT_VARIABLES = {
    "connect": "CONNECT_TIMEOUT",
    "first_byte": "FIRST_BYTE_TIMEOUT",
    "idle": "IDLE_TIMEOUT",
    "request": "REQUEST_TIMEOUT",
}

_PLAIN = (
    "proxy",
    "api_version",
    "num_ctx",
    "allow_client_options",
    "headers",
    "max_concurrency",
    "max_queue",
    "max_retries",
    "load_timeout",
    "overflow_while_loading",
    "region",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "project",
    "api",
)
"""Settings that are taken as they were read."""


class ProviderBuilder:
    """Builds providers, noting where each of their values came from, and what is wrong.

    ``entries`` are the checked providers of ``document``; ``parsed`` and ``given``
    are the settings of the environment and their origins.
    """

    def __init__(
        self,
        document: Document,
        directory: Path,
        parsed: Mapping[str, Any],
        given: Mapping[str, Given],
    ) -> None:
        self.document = document
        self.directory = directory
        self.parsed = parsed
        self.given = given
        self.origins: dict[str, str] = {}
        self.warnings: list[str] = []
        self.problems: list[str] = []

    def build_all(
        self, entries: Mapping[str, dict[str, Any]], is_listening: Callable[[], bool]
    ) -> dict[str, ProviderSettings]:
        """Return all providers by name: the file's first, then those the environment implies.

        ``AI_PROVIDER`` may imply ``ollama`` or ``demo``, which need nothing else.
        With none at all, an Ollama on this machine, else the demo provider.
        """
        providers = {
            name: self._build(name, entry) for name, entry in entries.items() if "kind" in entry
        }
        for name, kind in KINDS.items():
            if name not in entries and any(v in self.parsed for v in kind.variables.values()):
                providers[name] = self._build(name, {"kind": name})
        asked = self.parsed.get("AI_PROVIDER")
        if asked in ("ollama", DEMO_KIND) and asked not in entries and asked not in providers:
            providers[asked] = self._build(asked, {"kind": asked})
        if not providers and not entries:
            name = "ollama" if is_listening() else DEMO_KIND
            providers[name] = self._build(name, {"kind": name})
            found = (
                "answers" if name == "ollama" else "no provider is configured and no Ollama answers"
            )
            self.origins[f"providers.{name}.kind"] = f"{found} on port {OLLAMA_PORT}"
        return providers

    def build_timeouts(self) -> Timeouts:
        """Return the deadlines that hold where a provider says nothing."""
        given = {
            name: self.parsed[variable]
            for name, variable in TIMEOUT_VARIABLES.items()
            if variable in self.parsed
        }
        return replace(Timeouts(), **given)

    def _build(self, name: str, entry: dict[str, Any]) -> ProviderSettings:
        kind = entry["kind"]
        filled = self._fill_in(name, entry)
        for setting in filled:
            self._note_origin(name, setting)
        base_url = self._complete_base_url(name, kind, filled)
        keys = filled.get("api_keys") or ((filled["api_key"],) if "api_key" in filled else ())
        if "ad_token" in filled:
            token = {"Authorization": f"Bearer {filled['ad_token']}"}
            keys, filled["headers"] = (), {**token, **filled.get("headers", {})}
        has_others = "headers" in filled or "project" in filled
        if not keys and _wants_key(kind, base_url) and not has_others:
            self.warnings.append(f"provider {name} has no API key; {base_url} will refuse it")
        if "max_retries" not in filled:
            filled["max_retries"] = self._retries_elsewhere(name)
        return ProviderSettings(
            name=name,
            kind=kind,
            base_url=base_url,
            api_keys=tuple(keys),
            timeouts=self._build_provider_timeouts(name, filled.get("timeouts", {})),
            ca_bundle=self._find_file(name, "ca_bundle", filled),
            credentials_file=self._find_file(name, "credentials_file", filled),
            models={
                model: _build_model(settings)
                for model, settings in filled.get("models", {}).items()
            },
            **{setting: filled[setting] for setting in _PLAIN if setting in filled},
        )

    def _fill_in(self, name: str, entry: dict[str, Any]) -> dict[str, Any]:
        """Add what the environment says of a provider that has its kind's own name."""
        filled = dict(entry)
        if entry["kind"] != name:
            return filled
        row = KINDS[name]
        for setting, variable in {**row.variables, **row.further_variables}.items():
            known = setting in entry or (setting == "api_key" and "api_keys" in entry)
            if variable in self.parsed and not known:
                filled[setting] = self.parsed[variable]
                self.origins[f"providers.{name}.{setting}"] = self._origin_of(variable)
        return filled

    def _complete_base_url(self, name: str, kind: str, filled: dict[str, Any]) -> str:
        row = KINDS[kind]
        base_url: str | None = filled.get("base_url")
        if base_url is None:
            if row.regional_url and filled.get("region", "global") != "global":
                return row.regional_url.format(region=filled["region"])
            if row.base_url is None:
                self._note_missing_address(name, kind)
            return row.base_url or ""
        path = urlsplit(base_url).path
        whole = row.versioned_path if "api_version" in filled else row.default_path
        if not path or whole.startswith(f"{path}/"):
            return base_url + whole[len(path) :]
        if kind == "ollama" and path.endswith(("/v1", "/api")):
            message = f"leave out {path}; the gateway speaks Ollama's own API under /api"
            self._note_problem(name, "base_url", message)
        return base_url

    def _find_file(self, name: str, setting: str, filled: dict[str, Any]) -> str | None:
        if setting not in filled:
            return None
        path = self.directory / filled[setting]
        if not path.is_file():
            self._note_problem(name, setting, f"there is no file {str(path)!r}")
        return str(path)

    def _build_provider_timeouts(self, name: str, given: dict[str, float]) -> Timeouts:
        for field in fields(Timeouts):
            variable = TIMEOUT_VARIABLES[field.name]
            if field.name in given:
                self._note_origin(name, "timeouts", field.name)
            elif variable in self.parsed:
                where = f"providers.{name}.timeouts.{field.name}"
                self.origins[where] = self._origin_of(variable)
        return replace(self.build_timeouts(), **given)

    def _retries_elsewhere(self, name: str) -> int:
        """Return how often a provider is asked again where its entry says nothing."""
        if "MAX_RETRIES" in self.parsed:
            self.origins[f"providers.{name}.max_retries"] = self._origin_of("MAX_RETRIES")
        return int(self.parsed.get("MAX_RETRIES", ProviderSettings.max_retries))

    def _note_origin(self, name: str, *setting: str) -> None:
        where = ".".join(("providers", name, *setting))
        if ("providers", name, *setting) in self.document.lines:
            self.origins[where] = self.document.origin(("providers", name, *setting))

    def _note_missing_address(self, name: str, kind: str) -> None:
        if ("providers", name) in self.document.lines or name != kind:
            self._note_problem(name, "base_url", f"a provider of kind {kind} needs one")
        else:
            variable = KINDS[kind].variables["base_url"]
            message = f"is missing: a provider of kind {kind} needs an address of its own"
            self.problems.append(f"{variable} {message}")

    def _note_problem(self, name: str, setting: str, message: str) -> None:
        variable = KINDS[name].variables.get(setting, "") if name in KINDS else ""
        path = ("providers", name, setting)
        if path not in self.document.lines and variable in self.given:
            self.problems.append(describe_variable(variable, self.given[variable], message))
        else:
            self.problems.append(self.document.describe(path, message))

    def _origin_of(self, variable: str) -> str:
        return self.given[variable].origin


def _build_model(settings: dict[str, Any]) -> ModelSettings:
    capabilities = settings.get("capabilities")
    return ModelSettings(
        num_ctx=settings.get("num_ctx"),
        capabilities=None if capabilities is None else frozenset(capabilities),
        context_length=settings.get("context_length"),
        api=settings.get("api"),
        price=Price(**settings["price"]) if "price" in settings else None,
    )


def choose_default(providers: Mapping[str, ProviderSettings]) -> str:
    """Return the provider of names without a prefix where ``AI_PROVIDER`` says nothing."""
    return "ollama" if "ollama" in providers else next(iter(providers), DEMO_KIND)


def _wants_key(kind: str, base_url: str) -> bool:
    """Tell whether requests without a key are sure to be refused there."""
    row = KINDS[kind]
    can_sign = "secret_access_key" in row.own_settings
    is_usual = base_url == row.base_url and base_url.startswith("https:")
    return "api_key" in row.variables and is_usual and not can_sign
