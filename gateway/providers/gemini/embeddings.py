"""Embeddings over ``:batchEmbedContents``, and over Vertex AI's ``:predict``.

Knows OpenAI's form and both of Google's. Must not know how vectors are encoded for
the client: they are lists of numbers here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.providers.embeddings import build_list, not_embeddings, read_texts
from gateway.providers.gemini.paths import Door
from gateway.serialization import dumps, loads_lenient
from gateway.types import EmbeddingsRequest, UpstreamRequest
from gateway.validation import check_embeddings_request
from gateway.validation.fields import check_string

_HONOURED = frozenset(
    {"model", "input", "dimensions", "encoding_format", "user", "task_type", "title"}
)


@dataclass(frozen=True)
class GeminiEmbeddings:
    """A ``gateway.types.EmbeddingsCall``; ``inputs`` is how many vectors are expected."""

    request: UpstreamRequest
    dropped_params: Sequence[str]
    model: str
    inputs: int
    is_vertex: bool

    def parse_response(self, body: bytes) -> dict[str, Any]:
        """Translate the answer; raises ``UpstreamError``.

        Where Google counts no tokens, none are told.
        """
        try:
            parsed = loads_lenient(body)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise not_embeddings()
        vectors, tokens = _read_predictions(parsed) if self.is_vertex else _read_batch(parsed)
        return build_list(vectors, inputs=self.inputs, model=self.model, tokens=tokens)


def build_embeddings(request: EmbeddingsRequest, target: Target, door: Door) -> GeminiEmbeddings:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    check_embeddings_request(request)
    check_string(request, "task_type")
    check_string(request, "title")
    texts = read_texts(request["input"])
    path = door.model_path(target)
    if door.is_vertex:
        upstream = UpstreamRequest("POST", f"{path}:predict", _build_instances(request, texts))
    else:
        model = f"models/{door.short_name(target.model)}"
        body = _build_batch(request, texts, model)
        upstream = UpstreamRequest("POST", f"{path}:batchEmbedContents", body)
    return GeminiEmbeddings(
        request=upstream,
        dropped_params=[
            name for name, value in request.items() if value is not None and name not in _HONOURED
        ],
        model=target.requested_model,
        inputs=len(texts),
        is_vertex=door.is_vertex,
    )


def _build_batch(request: EmbeddingsRequest, texts: list[str], model: str) -> bytes:
    settings = _given(
        taskType=request.get("task_type"),
        title=request.get("title"),
        outputDimensionality=request.get("dimensions"),
    )
    return dumps(
        {
            "requests": [
                {"model": model, "content": {"parts": [{"text": text}]}, **settings}
                for text in texts
            ]
        }
    )


def _build_instances(request: EmbeddingsRequest, texts: list[str]) -> bytes:
    settings = _given(task_type=request.get("task_type"), title=request.get("title"))
    body: dict[str, Any] = {"instances": [{"content": text, **settings} for text in texts]}
    # Cutting an input short would be a success that it was not.
    body["parameters"] = {
        "autoTruncate": False,
        **_given(outputDimensionality=request.get("dimensions")),
    }
    return dumps(body)


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _read_batch(parsed: dict[str, Any]) -> tuple[list[Any], int]:
    embeddings = parsed.get("embeddings")
    if not isinstance(embeddings, list):
        raise not_embeddings()
    usage = parsed.get("usageMetadata")
    count = usage.get("promptTokenCount") if isinstance(usage, dict) else None
    vectors = [each.get("values") if isinstance(each, dict) else None for each in embeddings]
    return vectors, count if isinstance(count, int) else 0


def _read_predictions(parsed: dict[str, Any]) -> tuple[list[Any], int]:
    predictions = parsed.get("predictions")
    if not isinstance(predictions, list):
        raise not_embeddings()
    found = [_object(_object(each).get("embeddings")) for each in predictions]
    counts = (_object(each.get("statistics")).get("token_count") for each in found)
    tokens = sum(count for count in counts if isinstance(count, int | float))
    return [each.get("values") for each in found], int(tokens)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
