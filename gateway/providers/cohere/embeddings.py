"""Embeddings over Cohere's ``/v2/embed``.

Knows both forms. Must not know how vectors are encoded for the client: they are
lists of numbers here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.errors import InvalidRequestError
from gateway.providers.answer import read_count
from gateway.providers.embeddings import build_list, read_texts
from gateway.providers.request_body import dump_body
from gateway.serialization import loads_lenient
from gateway.types import EmbeddingsRequest, UpstreamRequest
from gateway.validation import check_embeddings_request

MAX_TEXTS = 96
"""Texts a request may hold (cohere-python 7.3.1)."""

DEFAULT_INPUT_TYPE = "search_document"
"""What a text is for, where the client doesn't say; Cohere demands it."""

_STRUCTURED = frozenset({"model", "input", "dimensions", "encoding_format", "user"})


@dataclass(frozen=True)
class CohereEmbeddings:
    """A ``gateway.types.EmbeddingsCall``; ``inputs`` is how many vectors are expected."""

    request: UpstreamRequest
    model: str
    inputs: int
    dropped_params: Sequence[str] = ()

    def parse_response(self, body: bytes) -> dict[str, Any]:
        """Translate the answer; raises ``UpstreamError`` where it is not one."""
        vectors, tokens = _parse(body)
        return build_list(vectors, inputs=self.inputs, model=self.model, tokens=tokens)


def build_embeddings(request: EmbeddingsRequest, target: Target) -> CohereEmbeddings:
    """Translate a request; raises ``InvalidRequestError`` with ``param``.

    A text that is too long is refused, unless the client asks for ``truncate``.
    """
    check_embeddings_request(request)
    texts = _read_texts(request["input"])
    body: dict[str, Any] = {
        "truncate": "NONE",
        "input_type": DEFAULT_INPUT_TYPE,
        **{name: value for name, value in request.items() if name not in _STRUCTURED},
        "model": target.model,
        "texts": texts,
        "embedding_types": ["float"],
    }
    if request.get("dimensions") is not None:
        body["output_dimension"] = request["dimensions"]
    return CohereEmbeddings(
        UpstreamRequest("POST", "/v2/embed", dump_body(body)), target.requested_model, len(texts)
    )


def _read_texts(value: str | list[Any]) -> list[str]:
    texts = read_texts(value)
    if len(texts) > MAX_TEXTS:
        raise InvalidRequestError(
            f"`input` may hold at most {MAX_TEXTS} texts here, but holds {len(texts)}.",
            param="input",
            code="array_above_max_length",
        )
    return texts


def _parse(body: bytes) -> tuple[Any, int]:
    """Return the vectors, and the count of tokens: only billed units tell it (recorded)."""
    try:
        value = loads_lenient(body)
    except ValueError:
        value = None
    value = value if isinstance(value, dict) else {}
    embeddings = value.get("embeddings")
    vectors = embeddings.get("float") if isinstance(embeddings, dict) else embeddings
    meta = value.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    counted = read_count(meta.get("tokens"), "input_tokens")
    return vectors, counted or read_count(meta.get("billed_units"), "input_tokens")
