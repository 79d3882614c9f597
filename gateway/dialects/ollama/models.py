"""Lists and descriptions of models as Ollama writes them.

Knows ``/api/tags``, ``/api/show`` and ``/api/ps`` (Ollama v0.33 source). Must not know where the
models are from: what Ollama tells of files (sizes, digests) is not known of most of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from gateway.types import ModelInfo

API_VERSION = "0.33.0"
"""The version of Ollama whose API this is."""

UNKNOWN_CAPABILITIES = ("completion", "tools", "vision")
"""What a model is said to have whose provider tells nothing: clients leave out what isn't listed,
and the provider itself refuses what it can't do."""


def build_tags(models: Iterable[ModelInfo]) -> dict[str, Any]:
    """Return the answer of ``/api/tags``."""
    return {"models": [_build_entry(model) for model in models]}


def build_loaded(models: Iterable[ModelInfo]) -> dict[str, Any]:
    """Return the answer of ``/api/ps``."""
    return {"models": [{**_build_entry(model), "size_vram": 0} for model in models]}


def build_show(model: ModelInfo) -> dict[str, Any]:
    """Return the answer of ``/api/show``."""
    architecture = model.owned_by or "unknown"
    facts: dict[str, Any] = {"general.architecture": architecture}
    if model.context_length is not None:
        facts[f"{architecture}.context_length"] = model.context_length
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": _build_details(model),
        "model_info": facts,
        "capabilities": _list_capabilities(model),
        "modified_at": _format_time(model.created),
    }


def _build_entry(model: ModelInfo) -> dict[str, Any]:
    return {
        "name": model.id,
        "model": model.id,
        "modified_at": _format_time(model.created),
        "size": 0,
        # Clients show the first letters of it to tell models apart.
        "digest": hashlib.sha256(model.id.encode()).hexdigest(),
        "details": _build_details(model),
        "capabilities": _list_capabilities(model),
    }


def _build_details(model: ModelInfo) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "",
        "family": model.owned_by,
        "families": [model.owned_by] if model.owned_by else [],
        "parameter_size": "",
        "quantization_level": "",
    }


def _list_capabilities(model: ModelInfo) -> list[str]:
    return sorted(UNKNOWN_CAPABILITIES if model.capabilities is None else model.capabilities)


def _format_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
