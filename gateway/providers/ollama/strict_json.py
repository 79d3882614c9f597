"""The promise of ``strict``: an answer that ended by itself is JSON.

Ollama leaves the constraint out without a word for some models when thinking is
off, and for others always. Knows chunks, and must not know Ollama's lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import UpstreamError
from gateway.serialization import loads_strict
from gateway.types import Chunk


def require_json(chunk_lists: Iterator[list[Chunk]]) -> Iterator[list[Chunk]]:
    """Pass chunks on; raises ``UpstreamError`` in place of a ``stop`` after what is not JSON."""
    texts: list[str] = []
    for chunks in chunk_lists:
        for position, chunk in enumerate(chunks):
            for choice in chunk["choices"]:
                texts.append(choice["delta"].get("content") or "")
                if choice["finish_reason"] == "stop" and not _is_json("".join(texts)):
                    yield chunks[:position]
                    raise UpstreamError("The model did not keep to the JSON schema it was given.")
        yield chunks


def _is_json(text: str) -> bool:
    try:
        loads_strict(text.encode("utf-8", "replace"))
    except ValueError:
        return False
    return True
