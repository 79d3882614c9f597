"""Lists of models as Anthropic writes them.

Knows ``GET /v1/models`` (anthropic-python 2.14). Must not know where the models are from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.types import ModelInfo


def build_model_list(models: Sequence[ModelInfo]) -> dict[str, Any]:
    """Return the list, all on one page."""
    return {
        "data": [build_model(model) for model in models],
        "has_more": False,
        "first_id": models[0].id if models else None,
        "last_id": models[-1].id if models else None,
    }


def build_model(model: ModelInfo) -> dict[str, Any]:
    """Return one model."""
    created = datetime.fromtimestamp(model.created, UTC).isoformat().replace("+00:00", "Z")
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": created,
        "max_input_tokens": model.context_length,
        "lifecycle": "active",
    }
