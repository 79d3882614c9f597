"""Anthropic's models: which there are, as ``ModelInfo``.

Knows ``GET /v1/models`` (anthropic-python 2.14) and how models are named. Must not know requests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.model_pages import Pages
from gateway.serialization import loads_lenient
from gateway.types import ModelInfo, UpstreamRequest

PAGE = 1000
"""The most models of one page; Anthropic has some twenty."""

MODEL_PAGES = Pages("last_id", "after_id", "has_more")

_NAMES = {"image_input": "vision", "thinking": "thinking", "structured_outputs": "json_schema"}
"""Ollama's name of each capability."""

_DATE = re.compile(r"-(20\d{6}|latest)$")


def build_model_list() -> UpstreamRequest:
    """Return the request for the models the key may use, a page of them."""
    return UpstreamRequest("GET", f"/v1/models?limit={PAGE}")


def parse_model_list(body: bytes) -> list[ModelInfo]:
    """Parse that list; raises ``UpstreamError``. Retired models are left out: they are gone."""
    try:
        parsed = loads_lenient(body)
    except ValueError:
        parsed = None
    models = parsed.get("data") if isinstance(parsed, dict) else None
    if not isinstance(models, list):
        raise UpstreamError("The provider sent a list of models that is none.")
    named = (model for model in models if isinstance(model, dict))
    return [
        _build_listed(model)
        for model in named
        if isinstance(model.get("id"), str) and model["id"] and model.get("lifecycle") != "retired"
    ]


def find_model(models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
    """Return the model of this name, else the newest of those that differ in their date alone."""
    exact = next((model for model in models if model.id == name), None)
    if exact is not None:
        return exact
    alike = [model for model in models if _without_date(model.id) == _without_date(name)]
    if _without_date(name) == name or name.endswith("-latest"):
        return max(alike, key=lambda model: model.created, default=None)
    return next((model for model in alike if model.id == _without_date(name)), None)


def _without_date(name: str) -> str:
    return _DATE.sub("", name)


def _build_listed(model: dict[str, Any]) -> ModelInfo:
    length = model.get("max_input_tokens")
    return ModelInfo(
        id=model["id"],
        created=_parse_time(model.get("created_at")),
        owned_by="anthropic",
        capabilities=_read_capabilities(model.get("capabilities")),
        context_length=length if isinstance(length, int) and length > 0 else None,
    )


def _read_capabilities(told: Any) -> frozenset[str] | None:
    """Return Ollama's names of what a model can; all of them chat and call tools."""
    if not isinstance(told, dict):
        return None
    supported = {
        ours
        for name, ours in _NAMES.items()
        if isinstance(told.get(name), dict) and told[name].get("supported") is True
    }
    return frozenset({"completion", "tools", *supported})


def _parse_time(text: Any) -> int:
    """Return an RFC 3339 time in Unix seconds, 0 where there is none."""
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return 0
