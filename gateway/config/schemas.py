"""The structure of ``gateway.yaml``: which settings there are, and what each takes.

Knows marshmallow and the rules for one provider or model by itself. Must not
know the environment, nor where in the file a value is.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

from gateway.config import values
from gateway.config.document import InterpolatedText, ValuePath
from gateway.config.settings import DEMO_KIND

KINDS = ("ollama", "openai", DEMO_KIND)

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_ONLY_FOR_OLLAMA = ("num_ctx", "allow_client_options")
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
    that is named like one has it, and a model is its target's text.
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


def suggest(name: str, known: list[str]) -> str:
    """Return ``; did you mean NAME?`` if one of ``known`` is near, else nothing."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


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


def _shown(value: Any) -> str:
    """Return how a wrong value is told to people; what came from the environment is not."""
    if isinstance(value, InterpolatedText):
        return repr(value.written)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _read_text(parse: Callable[[str], str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text; put it in quotes")
        return parse(value)

    return read


def _read_count(value: Any) -> int:
    if isinstance(value, InterpolatedText) and re.fullmatch("[0-9]{1,18}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{_shown(value)} is not a whole number of 1 or more")
    return value


def _read_seconds(value: Any) -> float:
    if isinstance(value, InterpolatedText):
        return values.parse_seconds(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{_shown(value)} is not a number of seconds")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{value!r} is not a number of seconds above 0")
    return float(value)


def _read_switch(value: Any) -> bool:
    if isinstance(value, InterpolatedText):
        return values.parse_switch(value)
    if not isinstance(value, bool):
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return value


def _read_kind(value: Any) -> str:
    if value not in KINDS:
        near = suggest(value, list(KINDS)) if isinstance(value, str) else ""
        raise ValueError(f"{_shown(value)} is no kind of provider ({', '.join(KINDS)}){near}")
    return str(value)


def _check_provider_name(name: str) -> None:
    if not _PROVIDER_NAME.fullmatch(name):
        raise ValueError(
            "a provider's name is lower-case letters, digits, - and _, beginning with a letter "
            "or digit"
        )


def _check_model_name(name: str) -> None:
    if not name or not name.isprintable() or any(character.isspace() for character in name):
        raise ValueError("a model's name is text without spaces or control characters")


def _check_target(text: str) -> str:
    provider, _, model = text.partition("/")
    if not provider or not model:
        raise ValueError(f"{_shown(text)} is not provider/model, e.g. ollama/llama3.2")
    return text


_NULL = "is empty; give a value or leave it out"


class Settings(fields.Nested):
    """Settings that belong together, checked by a schema of their own."""

    default_error_messages = {"null": _NULL}  # noqa: RUF012 - marshmallow's own class attribute


class Value(fields.Field[Any]):
    """One value, read by a function that raises ``ValueError``."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own class attribute
        "null": _NULL,
        "required": "is missing",
    }

    def __init__(self, read: Callable[[Any], Any], *, required: bool = False) -> None:
        super().__init__(required=required)
        self.read = read

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        try:
            return self.read(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class Values(fields.List[Any]):
    """A list with at least one item."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own class attribute
        "null": _NULL,
        "invalid": "must be a list",
    }

    def __init__(self, read: Callable[[Any], Any]) -> None:
        super().__init__(Value(read), validate=self._check_length)

    def _check_length(self, items: list[Any]) -> None:
        if not items:
            raise ValidationError("must have at least one item")


class Entries(fields.Field[dict[str, Any]]):
    """A mapping of free names to values of one shape; errors are keyed by the names alone."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own class attribute
        "null": _NULL,
        "invalid": "must be a mapping (name: value)",
    }

    def __init__(self, entry: fields.Field[Any], check_name: Callable[[str], object]) -> None:
        super().__init__()
        self.entry = entry
        self.check_name = check_name

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        valid: dict[str, Any] = {}
        problems: dict[str | int, Any] = {}
        for name, entry in value.items():
            try:
                self.check_name(name)
                valid[name] = self.entry.deserialize(entry)
            except ValidationError as error:
                problems[name] = error.messages
                if error.valid_data is not None:
                    valid[name] = error.valid_data
            except ValueError as error:
                problems[name] = [str(error)]
        if problems:
            raise ValidationError(problems, valid_data=valid)
        return valid


class StrictSchema(Schema):
    """A mapping of known settings; an unknown one is told together with the one that was meant."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {"type": "must be a mapping (setting: value)"}  # noqa: RUF012 - as above

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_unknown(self, data: Any, original_data: Any, **kwargs: Any) -> None:
        if not isinstance(original_data, Mapping):
            return
        problems: dict[str | int, Any] = {
            name: [f"unknown setting{suggest(name, list(self.fields))}"]
            for name in original_data
            if name not in self.fields
        }
        if problems:
            raise ValidationError(problems)


class TimeoutsSchema(StrictSchema):
    connect = Value(_read_seconds)
    first_byte = Value(_read_seconds)
    idle = Value(_read_seconds)
    request = Value(_read_seconds)


class ModelSchema(StrictSchema):
    num_ctx = Value(_read_count)
    capabilities = Values(_read_text(str))
    context_length = Value(_read_count)


class ProviderSchema(StrictSchema):
    kind = Value(_read_kind, required=True)
    base_url = Value(_read_text(values.parse_base_url))
    api_key = Value(_read_text(values.parse_credential))
    api_keys = Values(_read_text(values.parse_credential))
    headers = Entries(Value(_read_text(values.parse_header_value)), values.parse_header_name)
    timeouts = Settings(TimeoutsSchema)
    proxy = Value(_read_text(values.parse_proxy_url))
    ca_bundle = Value(_read_text(str))
    num_ctx = Value(_read_count)
    allow_client_options = Value(_read_switch)
    models = Entries(Settings(ModelSchema), _check_model_name)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_together(self, data: Any, original_data: Any, **kwargs: Any) -> None:
        if not isinstance(original_data, Mapping):
            return
        problems: dict[str | int, Any] = {}
        if "api_key" in original_data and "api_keys" in original_data:
            problems["api_keys"] = ["give either api_key or api_keys, not both"]
        kind = data.get("kind")
        if kind in ("openai", DEMO_KIND):
            message = [f"only a provider of kind ollama has this setting, not one of kind {kind}"]
            problems.update((name, message) for name in _ONLY_FOR_OLLAMA if name in original_data)
            models = {
                name: {"num_ctx": message}
                for name, model in data.get("models", {}).items()
                if "num_ctx" in model
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


class PublicModelSchema(StrictSchema):
    target = Value(_read_text(_check_target))
    targets = Values(_read_text(_check_target))

    @validates_schema(skip_on_field_errors=True)
    def _check_single(self, data: Any, **kwargs: Any) -> None:
        if len(data) != 1:
            raise ValidationError("give either target or targets, e.g. target: ollama/llama3.2")
        if len(data.get("targets", ())) > 1:
            raise ValidationError("one target for now: this version takes no list", "targets")


class PublicModel(fields.Field[str]):
    """``ollama/llama3.2``, ``{target: ...}`` or ``{targets: [...]}``; becomes the target's text."""

    default_error_messages = Value.default_error_messages

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if isinstance(value, dict):
            try:
                loaded = PublicModelSchema().load(value)
            except ValidationError as error:
                raise ValidationError(error.messages) from error
            return str(loaded["target"] if "target" in loaded else loaded["targets"][0])
        return str(Value(_read_text(_check_target)).deserialize(value))


class GatewaySchema(StrictSchema):
    providers = Entries(Settings(ProviderSchema), _check_provider_name)
    models = Entries(PublicModel(), _check_model_name)
