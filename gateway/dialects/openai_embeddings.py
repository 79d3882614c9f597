"""OpenAI's embeddings as spoken to clients.

Knows OpenAI's wire format. Must not know Flask, sockets or providers.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any

from gateway.dialects.envelope import check_model, parse_object
from gateway.errors import InvalidRequestError, UpstreamError
from gateway.serialization import dumps_ascii
from gateway.types import EmbeddingsRequest, RawCompletion


def parse_embeddings_request(body: bytes) -> EmbeddingsRequest:
    """Parse the envelope of an embeddings request; raises ``InvalidRequestError``."""
    request = parse_object(body)
    check_model(request)
    if request.get("input") is None:
        raise InvalidRequestError(
            "Missing required parameter: 'input'.",
            param="input",
            code="missing_required_parameter",
        )
    return request


def encode_embeddings(embeddings: Mapping[str, Any], request: EmbeddingsRequest) -> bytes:
    """Encode an answer in the ``encoding_format`` asked for.

    An answer in OpenAI's own format goes on as it came: its provider saw the format.
    """
    if isinstance(embeddings, RawCompletion):
        return embeddings.raw
    if request.get("encoding_format") == "base64":
        data = [{**item, "embedding": _to_base64(item["embedding"])} for item in embeddings["data"]]
        embeddings = {**embeddings, "data": data}
    return dumps_ascii(embeddings)


def _to_base64(vector: list[float]) -> str:
    """Encode as OpenAI does: little-endian 32-bit floats."""
    try:
        packed = struct.pack(f"<{len(vector)}f", *vector)
    except (struct.error, OverflowError) as error:
        raise UpstreamError("The provider sent an embedding that can't be encoded.") from error
    return base64.b64encode(packed).decode("ascii")
