"""Google's models as ``ModelInfo``.

Knows the lists of both doors (google-genai 3.6). Must not know requests of clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.gemini.generations import generation_of
from gateway.providers.gemini.paths import Door
from gateway.providers.model_pages import Pages
from gateway.serialization import loads_lenient
from gateway.types import ModelInfo, UpstreamRequest

MODEL_PAGES = Pages("nextPageToken", "pageToken")
OWNER = "google"
_SEES_AND_HEARS = frozenset({"completion", "tools", "vision", "audio", "json_schema"})
_NOT_CHATTING = ("-image", "-tts", "-audio", "-live", "-computer-use", "-robotics", "embedding")
"""In the names of models that do less than the others, or something else."""


def build_model_list(door: Door) -> UpstreamRequest:
    """Return the request for the first page of the list of models."""
    if door.is_vertex:
        return UpstreamRequest("GET", "/publishers/google/models?pageSize=1000")
    return UpstreamRequest("GET", "/models?pageSize=1000")


def parse_model_list(body: bytes, door: Door) -> list[ModelInfo]:
    """Parse that list; raises ``UpstreamError`` where it is not one."""
    try:
        parsed = loads_lenient(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise UpstreamError("The provider's list of models is not JSON.")
    models = parsed.get("publisherModels" if door.is_vertex else "models") or []
    if not isinstance(models, list):
        raise UpstreamError("The provider sent a list of models that is none.")
    return [
        _build_model(model, door)
        for model in models
        if isinstance(model, dict) and isinstance(model.get("name"), str) and model["name"]
    ]


def find_model(models: Sequence[ModelInfo], name: str, door: Door) -> ModelInfo | None:
    """Return the model that ``name`` stands for, with its collection's name or without."""
    wanted = door.short_name(name)
    return next((model for model in models if door.short_name(model.id) == wanted), None)


def _build_model(model: dict[str, Any], door: Door) -> ModelInfo:
    name: str = model["name"]
    if not name.startswith("tunedModels/"):
        name = door.short_name(name)
    limit = model.get("inputTokenLimit")
    return ModelInfo(
        id=name,
        owned_by=OWNER,
        capabilities=_read_capabilities(name, model),
        context_length=limit if isinstance(limit, int) and limit > 0 else None,
    )


def _read_capabilities(name: str, model: dict[str, Any]) -> frozenset[str] | None:
    """Return what a model is known to do; None where its methods and name don't tell.

    Vertex AI tells no methods, but names its models alike.
    """
    methods = model.get("supportedGenerationMethods")
    if isinstance(methods, list) and "generateContent" not in methods:
        return frozenset({"embedding"} if "embedContent" in methods else ())
    if not name.startswith("gemini-") or any(part in name for part in _NOT_CHATTING):
        return None
    thinks = model.get("thinking", generation_of(name).thinks)
    return _SEES_AND_HEARS | {"thinking"} if thinks is True else _SEES_AND_HEARS
