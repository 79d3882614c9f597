"""The structure of public models in ``gateway.yaml``: targets, strategies, and the cache.

Knows marshmallow and the rules for one public model by itself. Must not know
which providers there are, nor where in the file a value is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from gateway.config.fields import (
    Entries,
    Settings,
    StrictSchema,
    Value,
    Values,
    read_choice,
    read_integer,
    read_number,
    read_seconds,
    read_size,
    read_text,
    shown,
)
from gateway.config.settings import CACHE_RULES, CAPABILITIES, STRATEGIES
from gateway.config.values import parse_rate

EXAMPLE = "ollama/llama3.2"
FIXED_PARAMS = ("model", "messages", "input", "stream", "stream_options")
"""What a target can't change: whom the client asks, what it asks, and how it is answered."""


def check_model_name(name: str) -> None:
    """Check the name of a model, public or a provider's own."""
    if not name or not name.isprintable() or any(character.isspace() for character in name):
        raise ValueError("a model's name is text without spaces or control characters")


def find_stray_queue(entry: Mapping[str, Any]) -> dict[str | int, Any]:
    """Return the problem of a ``max_queue`` that nothing ever fills, if that is what it is."""
    if "max_queue" in entry and "max_concurrency" not in entry:
        return {"max_queue": ["has no effect without max_concurrency"]}
    return {}


def _check_target(text: str) -> str:
    provider, _, model = text.partition("/")
    if not provider or not model:
        raise ValueError(f"{shown(text)} is not provider/model, e.g. {EXAMPLE}")
    return text


def _check_param(name: str) -> str:
    if name in FIXED_PARAMS:
        raise ValueError(f"a target can't change {name}")
    if not name:
        raise ValueError("a parameter has a name")
    return name


def _read_json(value: Any) -> Any:
    """Check the value of a parameter: YAML has dates and infinities, JSON has not."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number JSON has")
    if isinstance(value, dict):
        return {name: _read_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_read_json(inner) for inner in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{value} is of a kind JSON hasn't; put it in quotes")


class PriceSchema(StrictSchema):
    """What tokens cost, in US dollars per million."""

    input = Value(read_number("a price", or_zero=True), required=True)
    output = Value(read_number("a price", or_zero=True), required=True)
    cached_input = Value(read_number("a price", or_zero=True))


class TargetSchema(StrictSchema):
    """One target of a public model, and what it has of its own."""

    target = Value(read_text(_check_target), required=True)
    weight = Value(read_number("a weight"))
    set = Entries(Value(_read_json), _check_param)
    drop = Values(read_text(_check_param))
    capabilities = Values(read_choice("capability", CAPABILITIES))
    context_length = Value(read_integer(1))
    first_byte_timeout = Value(read_seconds)
    max_concurrency = Value(read_integer(1))
    max_queue = Value(read_integer(0))
    price = Settings(PriceSchema)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_together(self, data: Any, original_data: Any, **kwargs: Any) -> None:
        if not isinstance(original_data, Mapping):
            return
        problems = find_stray_queue(original_data)
        both = [name for name in data.get("drop", ()) if name in data.get("set", {})]
        if both:
            problems["drop"] = [f"{both[0]} is also in set; give it in one of them"]
        if problems:
            raise ValidationError(problems)


class Target(fields.Field[Any]):
    """``ollama/llama3.2`` or ``{target: ollama/llama3.2, ...}``; becomes the latter."""

    default_error_messages = Value.default_error_messages

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict):
            return TargetSchema().load(value)
        return {"target": Value(read_text(_check_target)).deserialize(value)}


class ModelCacheSchema(StrictSchema):
    """Which answers of one public model are kept, and for how long."""

    ttl = Value(read_seconds)
    when = Value(read_choice("rule of the cache", CACHE_RULES))


class CacheSchema(ModelCacheSchema):
    """Which answers of all models are kept, for how long, and in how much room."""

    max_bytes = Value(read_size)


class ModelCache(fields.Field[Any]):
    """``false``, or settings that go before those of the cache as a whole."""

    default_error_messages = Value.default_error_messages

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return False if value is False else ModelCacheSchema().load(value)


class PublicModelSchema(StrictSchema):
    """A public model that is written as a mapping."""

    target = Value(read_text(_check_target))
    targets = Values(Target())
    strategy = Value(read_choice("strategy", STRATEGIES))
    weights = Values(read_number("a weight"))
    cache = ModelCache()
    rate_limit = Value(read_text(parse_rate))
    token_rate_limit = Value(read_text(parse_rate))

    def describe_unknown(self, name: str) -> str:
        """Return what is wrong with a setting that there is not, or not here."""
        if name in TargetSchema().fields:
            return f"belongs to a target: targets: [{{target: {EXAMPLE}, {name}: …}}]"
        return super().describe_unknown(name)

    @validates_schema(pass_original=True, skip_on_field_errors=True)
    def _check_together(self, data: Any, original_data: Any, **kwargs: Any) -> None:
        if ("target" in data) == ("targets" in data):
            raise ValidationError(f"give either target or targets, e.g. target: {EXAMPLE}")
        targets = data.get("targets", [{}])
        weights = data.get("weights")
        weighted = [position for position, target in enumerate(targets) if "weight" in target]
        strategy = data.get("strategy", STRATEGIES[0])
        problems: dict[str, Any] = {}
        without_effect = f"has no effect with strategy {strategy}; set strategy: weighted"
        if weights is not None and strategy != "weighted":
            problems["weights"] = [without_effect]
        elif weights is not None and weighted:
            problems["weights"] = ["give either weights or the weight of each target, not both"]
        elif weights is not None and len(weights) != len(targets):
            problems["weights"] = [f"must be as many as targets: {len(targets)}"]
        elif weighted and strategy != "weighted":
            problems["targets"] = {weighted[0]: {"weight": [without_effect]}}
        if problems:
            raise ValidationError(problems)


class PublicModel(fields.Field[Any]):
    """``ollama/llama3.2``, or a mapping with ``target`` or ``targets``."""

    default_error_messages = Value.default_error_messages

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            return Value(read_text(_check_target)).deserialize(value)
        try:
            return PublicModelSchema().load(value)
        except ValidationError as error:
            # What is left of the list would be counted wrongly.
            raise ValidationError(error.messages) from error
