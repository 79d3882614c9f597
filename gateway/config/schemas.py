"""The structure of ``gateway.yaml``: which settings there are, and what each takes.

Knows marshmallow and the rules for one provider or model by itself. Must not
know the environment, nor where in the file a value is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError, validates_schema

from gateway.config import values
from gateway.config.document import ValuePath
from gateway.config.fields import (
    Entries,
    Settings,
    StrictSchema,
    Value,
    Values,
    read_choice,
    read_integer,
    read_seconds,
    read_switch,
    read_text,
)
from gateway.config.model_schemas import (
    CacheSchema,
    PriceSchema,
    PublicModel,
    check_model_name,
    find_stray_queue,
)
from gateway.config.settings import APIS, CAPABILITIES
from gateway.kinds import DEMO_KIND, KINDS, kinds_with

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_NOT_FOR_DEMO = (
    "base_url",
    "api_key",
    "api_keys",
    "headers",
    "timeouts",
    "proxy",
    "ca_bundle",
)


def find_structure_problems(
    content: Mapping[str, Any],
) -> tuple[dict[str, Any], list[tuple[ValuePath, str]]]:
    """Return what is right of a document's content, and (path, sentence) for what is wrong.

    ``providers`` and ``models`` are always there; a provider without ``kind``
    that is named like one has it.
    """
    named = {
        "providers": _name_kinds(content.get("providers")),
        "models": {} if content.get("models") is None else content["models"],
    }
    try:
        return GatewaySchema().load({**content, **named}), []
    except ValidationError as error:
        valid: dict[str, Any] = {"providers": {}, "models": {}}
        if isinstance(error.valid_data, dict):
            valid.update(error.valid_data)
        return valid, list(_iter_messages(error.messages, ()))


def _name_kinds(providers: Any) -> Any:
    if providers is None:
        return {}
    if not isinstance(providers, dict):
        return providers
    entries = {name: {} if entry is None else entry for name, entry in providers.items()}
    return {
        name: {"kind": name, **entry} if isinstance(entry, dict) and name in KINDS else entry
        for name, entry in entries.items()
    }


def _iter_messages(messages: Any, path: ValuePath) -> Iterator[tuple[ValuePath, str]]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _iter_messages(inner, path if key == "_schema" else (*path, key))
    else:
        for message in messages:
            yield path, message


def _check_provider_name(name: str) -> None:
    if not _PROVIDER_NAME.fullmatch(name):
        raise ValueError(
            "a provider's name is lower-case letters, digits, - and _, beginning with a letter "
            "or digit"
        )


def _find_foreign_settings(kind: str, given: Mapping[str, Any]) -> dict[str | int, Any]:
    """Return, by name, what is wrong with the settings that only other kinds of provider take."""
    problems: dict[str | int, Any] = {}
    for name in given:
        takers = kinds_with(name)
        if takers and kind not in takers:
            allowed = " or ".join(takers)
            problems[name] = [
                f"only a provider of kind {allowed} has this setting, not one of kind {kind}"
            ]
    return problems


class TimeoutsSchema(StrictSchema):
    """A provider's deadlines, in seconds."""

    connect = Value(read_seconds)
    first_byte = Value(read_seconds)
    idle = Value(read_seconds)
    request = Value(read_seconds)


class ModelSchema(StrictSchema):
    """What is said of one model of a provider."""

    num_ctx = Value(read_integer(1))
    capabilities = Values(read_choice("capability", CAPABILITIES))
    context_length = Value(read_integer(1))
    api = Value(read_choice("API", APIS))
    price = Settings(PriceSchema)


class ProviderSchema(StrictSchema):
    """One provider; which of the settings it takes depends on its kind."""

    kind = Value(read_choice("kind of provider", tuple(KINDS)), required=True)
    base_url = Value(read_text(values.parse_base_url))
    api_key = Value(read_text(values.parse_credential))
    api_keys = Values(read_text(values.parse_credential))
    ad_token = Value(read_text(values.parse_credential))
    api_version = Value(read_text(values.parse_api_version))
    headers = Entries(Value(read_text(values.parse_header_value)), values.parse_header_name)
    timeouts = Settings(TimeoutsSchema)
    proxy = Value(read_text(values.parse_proxy_url))
    ca_bundle = Value(read_text(str))
    num_ctx = Value(read_integer(1))
    allow_client_options = Value(read_switch)
    max_concurrency = Value(read_integer(1))
    max_queue = Value(read_integer(0))
    max_retries = Value(read_integer(0))
    load_timeout = Value(read_seconds)
    overflow_while_loading = Value(read_switch)
    region = Value(read_text(values.parse_region))
    access_key_id = Value(read_text(values.parse_credential))
    secret_access_key = Value(read_text(values.parse_credential))
    session_token = Value(read_text(values.parse_credential))
    project = Value(read_text(values.parse_cloud_name))
    credentials_file = Value(read_text(str))
    api = Value(read_choice("API", APIS))
    models = Entries(Settings(ModelSchema), check_model_name)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_together(self, data: Any, original_data: Any, **kwargs: Any) -> None:
        if not isinstance(original_data, Mapping):
            return
        problems: dict[str | int, Any] = find_stray_queue(original_data)
        if "api_key" in original_data and "api_keys" in original_data:
            problems["api_keys"] = ["give either api_key or api_keys, not both"]
        kind = data.get("kind")
        if kind is not None:
            problems.update(_find_foreign_settings(kind, original_data))
            models = {
                name: found
                for name, model in data.get("models", {}).items()
                if (found := _find_foreign_settings(kind, model))
            }
            if models:
                problems["models"] = models
        if kind == DEMO_KIND:
            message = ["a provider of kind demo has no upstream, and does not take this setting"]
            problems.update((name, message) for name in _NOT_FOR_DEMO if name in original_data)
        names = [name.lower() for name in data.get("headers", {})]
        repeated = [name for name in data.get("headers", {}) if names.count(name.lower()) > 1]
        if repeated:
            problems["headers"] = {repeated[-1]: ["is the same header twice (case does not count)"]}
        if problems:
            raise ValidationError(problems)


class ResponsesSchema(StrictSchema):
    """Whether answers of the Responses API are stored, and for how many days."""

    store = Value(read_switch)
    retention_days = Value(read_integer(1))


class GatewaySchema(StrictSchema):
    """The whole file."""

    providers = Entries(Settings(ProviderSchema), _check_provider_name)
    models = Entries(PublicModel(), check_model_name)
    cache = Settings(CacheSchema)
    responses = Settings(ResponsesSchema)
