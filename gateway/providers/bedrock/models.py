"""Bedrock's list of models (``ListFoundationModels``, botocore 1.44's service model of bedrock).

It is at another host than the models themselves, so that it can only be asked where
``base_url`` names a server that has both.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from gateway.config.settings import ProviderSettings
from gateway.errors import UpstreamError
from gateway.serialization import loads_lenient
from gateway.types import ModelInfo, UpstreamRequest

_RUNTIME_HOST = "bedrock-runtime"


def has_model_list(settings: ProviderSettings) -> bool:
    """Tell whether ``base_url`` is another server than AWS's own for running models."""
    labels = (urlsplit(settings.base_url).hostname or "").split(".")
    return not any(label.startswith(_RUNTIME_HOST) for label in labels)


def build_model_list() -> UpstreamRequest:
    """Return the request for the models of the region."""
    return UpstreamRequest("GET", "/foundation-models")


def parse_model_list(body: bytes) -> list[ModelInfo]:
    """Parse ``{"modelSummaries": [{"modelId", "providerName", "outputModalities"}]}``.

    Models that give neither text nor embeddings, or can't be asked by their id, are left out.
    Raises ``UpstreamError`` where there is no list.
    """
    try:
        value = loads_lenient(body)
    except ValueError:
        raise UpstreamError("The provider's list of models is not JSON.") from None
    summaries = value.get("modelSummaries") if isinstance(value, dict) else None
    if not isinstance(summaries, list):
        raise UpstreamError("The provider's list of models is not a list.")
    read = (_read_model(entry) for entry in summaries if isinstance(entry, dict))
    return [model for model in read if model is not None]


def _read_model(entry: dict[str, Any]) -> ModelInfo | None:
    model, owner = entry.get("modelId"), entry.get("providerName")
    outputs = entry.get("outputModalities")
    kinds = entry.get("inferenceTypesSupported")
    if not isinstance(model, str) or not model:
        return None
    if isinstance(kinds, list) and kinds and "ON_DEMAND" not in kinds:
        return None
    embeds = isinstance(outputs, list) and "EMBEDDING" in outputs
    if isinstance(outputs, list) and outputs and "TEXT" not in outputs and not embeds:
        return None
    return ModelInfo(
        model,
        owned_by=owner if isinstance(owner, str) else "",
        capabilities=frozenset({"embedding"}) if embeds else None,
    )
