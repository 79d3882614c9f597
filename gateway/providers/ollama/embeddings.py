"""Embeddings over Ollama's ``/api/embed``.

Knows both forms. Must not know how vectors are encoded for the client: they are
lists of numbers here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.errors import UpstreamError
from gateway.serialization import dumps, loads_lenient
from gateway.types import EmbeddingsRequest, UpstreamRequest
from gateway.validation import check_embeddings_request
from gateway.validation.embeddings import is_vector
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
        vectors, prompt_tokens = _parse(body)
        if len(vectors) != self.inputs:
            raise UpstreamError(
                f"The provider sent {len(vectors)} embeddings for {self.inputs} inputs."
            )
        if self.dimensions is not None and len(vectors[0]) < self.dimensions:
            raise unsupported_value(
                "dimensions",
                f"The model `{self.model}` has no more than {len(vectors[0])} dimensions.",
            )
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(vectors)
            ],
            "model": self.model,
            "usage": {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens},
        }


def build_embeddings(request: EmbeddingsRequest, target: Target) -> OllamaEmbeddings:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    check_embeddings_request(request)
    texts = _read_texts(request["input"])
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


def _read_texts(value: str | list[Any]) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not all(isinstance(text, str) for text in texts):
        raise unsupported_value(
            "input", "`input` must be text: token ids differ from model to model."
        )
    return texts


def _parse(body: bytes) -> tuple[list[list[float]], int]:
    """Return the vectors and the count of tokens, which is left out when it is 0."""
    try:
        parsed = loads_lenient(body)
    except ValueError:
        parsed = None
    vectors = parsed.get("embeddings") if isinstance(parsed, dict) else None
    if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
        raise UpstreamError("The provider sent something that is not a list of embeddings.")
    if not all(map(is_vector, vectors)):
        raise UpstreamError("The provider sent an embedding that is not made of numbers.")
    count = parsed.get("prompt_eval_count")
    return vectors, count if isinstance(count, int) else 0
