"""Ollama's models: which there are, as ``ModelInfo``, which are loaded, and loading one.

Knows ``/api/tags``, ``/api/show``, ``/api/ps`` (Ollama v0.25 source, recorded) and
how models are named. Must not know requests of clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.config.settings import Target
from gateway.errors import UpstreamError
from gateway.serialization import dumps, loads_lenient
from gateway.types import ModelInfo, UpstreamRequest

DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"


def build_model_list() -> UpstreamRequest:
    """Return the request for all installed models."""
    return UpstreamRequest("GET", "/api/tags")


def parse_model_list(body: bytes) -> list[ModelInfo]:
    """Parse the answer of ``/api/tags``; raises ``UpstreamError``.

    Its ``models`` may be null where there are none.
    """
    models = _parse_object(body).get("models") or []
    if not isinstance(models, list):
        raise UpstreamError("The provider sent a list of models that is none.")
    return [_build_listed(model) for model in models if _is_named(model)]


def build_model_info(model: str) -> UpstreamRequest:
    """Return the request that describes one model."""
    return UpstreamRequest("POST", "/api/show", dumps({"model": model}))


def parse_model_info(model: str, body: bytes) -> ModelInfo:
    """Parse the answer of ``/api/show``; raises ``UpstreamError``."""
    shown = _parse_object(body)
    facts = _object(shown.get("model_info"))
    architecture = facts.get("general.architecture")
    return ModelInfo(
        id=model,
        created=_parse_time(shown.get("modified_at")),
        owned_by=_read_namespace(model),
        capabilities=_read_capabilities(shown),
        context_length=_read_length(facts.get(f"{architecture}.context_length")),
    )


def build_loaded_models() -> UpstreamRequest:
    """Return the request for the models that are in memory; it loads none."""
    return UpstreamRequest("GET", "/api/ps")


def parse_loaded_models(body: bytes) -> frozenset[str]:
    """Parse the answer of ``/api/ps``: the names of the loaded models; raises ``UpstreamError``.

    Its ``models`` may be null where there are none.
    """
    models = _parse_object(body).get("models") or []
    if not isinstance(models, list):
        raise UpstreamError("The provider sent a list of loaded models that is none.")
    return frozenset(model["name"] for model in models if _is_named(model))


def build_warm(target: Target) -> UpstreamRequest:
    """Return the request that loads a model and generates nothing (recorded).

    It is answered once the model is loaded, with status 200. The size of the context
    is the one that later requests ask for: another would have it loaded again.
    """
    body: dict[str, Any] = {"model": target.model, "messages": [], "stream": False}
    num_ctx = target.provider.model_settings(target.model).num_ctx
    if num_ctx is not None:
        body["options"] = {"num_ctx": num_ctx}
    return UpstreamRequest("POST", "/api/chat", dumps(body))


def find_model(models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
    """Return the model Ollama would take for ``name``.

    Case and spaces around it don't matter, and a missing tag means ``latest``.
    """
    wanted = _canonical(name)
    return next((model for model in models if _canonical(model.id) == wanted), None)


def _canonical(name: str) -> str:
    name = name.strip().lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:{DEFAULT_TAG}"


def _build_listed(model: dict[str, Any]) -> ModelInfo:
    name: str = model["name"]
    return ModelInfo(
        id=name,
        created=_parse_time(model.get("modified_at")),
        owned_by=_read_namespace(name),
        capabilities=_read_capabilities(model),
        context_length=_read_length(_object(model.get("details")).get("context_length")),
    )


def _is_named(model: Any) -> bool:
    return isinstance(model, dict) and isinstance(model.get("name"), str) and bool(model["name"])


def _read_namespace(name: str) -> str:
    """Return the namespace of ``[[host/]namespace/]name``."""
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 and parts[-2] else DEFAULT_NAMESPACE


def _read_capabilities(model: dict[str, Any]) -> frozenset[str] | None:
    capabilities = model.get("capabilities")
    if not isinstance(capabilities, list):
        return None
    return frozenset(name for name in capabilities if isinstance(name, str))


def _read_length(length: Any) -> int | None:
    return length if isinstance(length, int) and length > 0 else None


def _parse_time(text: Any) -> int:
    """Return an RFC 3339 time in Unix seconds, 0 where there is none or it is the year 1."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp()))


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = loads_lenient(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise UpstreamError("The provider described its models in something that is not JSON.")
    return parsed


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
