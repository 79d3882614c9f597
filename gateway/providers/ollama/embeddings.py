"""Embeddings over Ollama's ``/api/embed``.

Knows both forms. Must not know how vectors are encoded for the client: they are
lists of numbers here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.providers.answer import read_count
from gateway.providers.embeddings import build_list, read_texts
from gateway.serialization import dumps, loads_lenient
from gateway.types import EmbeddingsRequest, UpstreamRequest
from gateway.validation import check_embeddings_request
from gateway.validation.fields import unsupported_value

_HONOURED = frozenset({"model", "input", "dimensions", "encoding_format", "user"})


@dataclass(frozen=True)
class OllamaEmbeddings:
    """A ``gateway.types.EmbeddingsCall``; ``inputs`` is how many vectors are expected."""

    request: UpstreamRequest
    dropped_params: Sequence[str]
    model: str
    inputs: int
    dimensions: int | None

    def parse_response(self, body: bytes) -> dict[str, Any]:
        """Translate the answer; raises ``UpstreamError``, or ``InvalidRequestError`` where the
        model's vectors are shorter than the ``dimensions`` asked for, which Ollama ignores.
        """
        vectors, tokens = _parse(body)
        built = build_list(vectors, inputs=self.inputs, model=self.model, tokens=tokens)
        if self.dimensions is not None and len(vectors[0]) < self.dimensions:
            raise unsupported_value(
                "dimensions",
                f"The model `{self.model}` has no more than {len(vectors[0])} dimensions.",
            )
        return built


def build_embeddings(request: EmbeddingsRequest, target: Target) -> OllamaEmbeddings:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    check_embeddings_request(request)
    texts = read_texts(request["input"])
    dimensions = request.get("dimensions")
    body: dict[str, Any] = {"model": target.model, "input": texts, "truncate": False}
    if dimensions is not None:
        body["dimensions"] = dimensions
    num_ctx = target.provider.model_settings(target.model).num_ctx
    if num_ctx is not None:
        body["options"] = {"num_ctx": num_ctx}
    return OllamaEmbeddings(
        request=UpstreamRequest("POST", "/api/embed", dumps(body)),
        dropped_params=[
            name for name, value in request.items() if value is not None and name not in _HONOURED
        ],
        model=target.requested_model,
        inputs=len(texts),
        dimensions=dimensions,
    )


def _parse(body: bytes) -> tuple[Any, int]:
    """Return the vectors and the count of tokens, which is left out when it is 0."""
    try:
        parsed = loads_lenient(body)
    except ValueError:
        parsed = None
    parsed = parsed if isinstance(parsed, dict) else {}
    return parsed.get("embeddings"), read_count(parsed, "prompt_eval_count")
