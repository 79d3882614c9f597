"""Cohere's list of models (``GET /v1/models``, cohere-python 7.3.1)."""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.model_pages import Pages
from gateway.serialization import loads_lenient
from gateway.types import ModelInfo, UpstreamRequest

MODELS_PATH = "/v1/models?page_size=1000"
MODEL_PAGES = Pages("next_page_token", "page_token")

_USED_ENDPOINTS = frozenset({"chat", "embed"})


def build_model_list() -> UpstreamRequest:
    """Return the request for the first page of the models."""
    return UpstreamRequest("GET", MODELS_PATH)


def parse_model_list(body: bytes) -> list[ModelInfo]:
    """Parse ``{"models": [{"name", "endpoints", "context_length"}]}``.

    Models that can neither chat nor embed are left out: nothing here could ask them. Raises
    ``UpstreamError`` where there is no list.
    """
    try:
        value = loads_lenient(body)
    except ValueError:
        raise UpstreamError("The provider's list of models is not JSON.") from None
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, list):
        raise UpstreamError("The provider's list of models is not a list.")
    read = (_read_model(entry) for entry in models if isinstance(entry, dict))
    return [model for model in read if model is not None]


def _read_model(entry: dict[str, Any]) -> ModelInfo | None:
    name, endpoints, length = (entry.get(key) for key in ("name", "endpoints", "context_length"))
    if not isinstance(name, str) or not name:
        return None
    if isinstance(endpoints, list) and _USED_ENDPOINTS.isdisjoint(map(str, endpoints)):
        return None
    only_embeds = isinstance(endpoints, list) and "chat" not in endpoints
    return ModelInfo(
        name,
        owned_by="cohere",
        capabilities=frozenset({"embedding"}) if only_embeds else None,
        context_length=int(length) if isinstance(length, int | float) and length > 0 else None,
    )
