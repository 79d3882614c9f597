"""``POST /api/embed`` and its older form ``/api/embeddings``.

Knows both and OpenAI's list of embeddings. Must not know Flask, sockets or providers.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

from gateway.dialects.envelope import parse_object
from gateway.dialects.ollama.fields import read_name, read_object
from gateway.errors import UpstreamError
from gateway.types import EmbeddingsRequest
from gateway.validation.fields import missing


def parse_embed_request(body: bytes) -> tuple[EmbeddingsRequest, tuple[str, ...]]:
    """Parse a request for some inputs; return it in OpenAI's form, and what that can't say.

    Raises ``InvalidRequestError``.
    """
    return _parse(body, "input", ("model", "input", "dimensions"))


def parse_old_request(body: bytes) -> tuple[EmbeddingsRequest, tuple[str, ...]]:
    """Parse a request for one ``prompt``; as ``parse_embed_request``."""
    return _parse(body, "prompt", ("model", "prompt"))


def encode_embed(embeddings: dict[str, Any], model: str, elapsed: int) -> dict[str, Any]:
    """Return the answer of ``/api/embed``; ``elapsed`` is in nanoseconds."""
    answer = {"model": model, "embeddings": _vectors(embeddings), "total_duration": elapsed}
    count = (embeddings.get("usage") or {}).get("prompt_tokens")
    return answer | ({"prompt_eval_count": count} if count else {})


def encode_old(embeddings: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of ``/api/embeddings``: the one vector."""
    return {"embedding": _vectors(embeddings)[0]}


def _parse(
    body: bytes, name: str, translated: tuple[str, ...]
) -> tuple[EmbeddingsRequest, tuple[str, ...]]:
    request = parse_object(body)
    read_name(request)
    if request.get(name) is None:
        raise missing(name)
    canonical = {
        "model": request["model"],
        "input": request[name],
        "encoding_format": "float",
    }
    if "dimensions" in translated and request.get("dimensions") is not None:
        canonical["dimensions"] = request["dimensions"]
    given = [each for each in request if each not in translated and request[each] is not None]
    options = [f"options.{each}" for each in read_object(request, "options")]
    return canonical, (*(each for each in given if each != "options"), *options)


def _vectors(embeddings: dict[str, Any]) -> list[list[float]]:
    """Return the vectors in the order of the inputs; raises ``UpstreamError`` where there is none.

    Some providers send base64 whatever was asked for.
    """
    items = sorted(embeddings["data"], key=lambda item: item.get("index", 0))
    if not items:
        raise UpstreamError("The provider sent no embedding.")
    return [_read_vector(item.get("embedding")) for item in items]


def _read_vector(value: Any) -> list[float]:
    if isinstance(value, list):
        return value
    try:
        data = base64.b64decode(value, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except (TypeError, ValueError, struct.error):
        raise UpstreamError("The provider sent an embedding that is not a vector.") from None
