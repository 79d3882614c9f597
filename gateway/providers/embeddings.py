"""Embeddings in OpenAI's form, for providers whose own have to be translated.

Knows OpenAI's list of embeddings. Must not know any provider's format, nor how vectors
are encoded for the client: they are lists of numbers here.
"""

from __future__ import annotations

import math
from typing import Any

from gateway.errors import UpstreamError
from gateway.validation.fields import unsupported_value


def read_texts(value: str | list[Any]) -> list[str]:
    """Return the texts of a checked ``input``; raises ``InvalidRequestError`` for token ids."""
    texts = [value] if isinstance(value, str) else value
    if not all(isinstance(text, str) for text in texts):
        raise unsupported_value(
            "input", "`input` must be text: token ids differ from model to model."
        )
    return texts


def build_list(vectors: Any, *, inputs: int, model: str, tokens: int) -> dict[str, Any]:
    """Return OpenAI's list of what an upstream sent as vectors, in the order of the inputs.

    ``inputs`` is how many there are, ``tokens`` what they count. Raises ``UpstreamError``
    for what is no list of vectors, or not one an input.
    """
    if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
        raise not_embeddings()
    if not all(map(is_vector, vectors)):
        raise UpstreamError("The provider sent an embedding that is not made of numbers.")
    if len(vectors) != inputs:
        raise UpstreamError(f"The provider sent {len(vectors)} embeddings for {inputs} inputs.")
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def is_vector(values: list[Any]) -> bool:
    """Tell whether all values are finite numbers, as fast as a long list of them asks for."""
    try:
        return math.isfinite(math.fsum(values))
    except (TypeError, ValueError, OverflowError):
        return False


def not_embeddings() -> UpstreamError:
    """Return the error for an answer that holds no list of vectors."""
    return UpstreamError("The provider sent something that is not a list of embeddings.")
