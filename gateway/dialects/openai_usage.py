"""Hiding a stream's usage from a client of OpenAI's API that did not ask for it.

The gateway always asks upstreams for usage, to count it. Knows how OpenAI's
chunks carry it: ``"usage": null`` in each, and one with the numbers and no
choices (recorded). Must not know any provider.
"""

from __future__ import annotations

from gateway.serialization import dumps_ascii
from gateway.sse import encode_event
from gateway.types import RawChunk

_USAGE = b'"usage"'
_NULL_USAGE = b',"usage":null'

# Beside these a chunk without choices has something the client wants (moderation, filters).
_ENVELOPE = frozenset(
    {
        "id",
        "object",
        "created",
        "model",
        "service_tier",
        "system_fingerprint",
        "choices",
        "usage",
        "obfuscation",
    }
)


def without_usage(chunk: RawChunk) -> RawChunk | None:
    """Return the chunk as it would be had nobody asked for usage, None if it would not be.

    The chunk itself is left as it is. Its bytes are cut where that is sure to
    remove nothing but the top-level ``"usage":null``, otherwise encoded anew.
    """
    if "usage" not in chunk:
        return chunk
    if not chunk.get("choices") and chunk["usage"] and not _has_more_than_usage(chunk):
        return None
    bare = RawChunk(chunk)
    del bare["usage"]
    bare.raw = _cut_null_usage(chunk) or encode_event(dumps_ascii(bare))
    return bare


def _cut_null_usage(chunk: RawChunk) -> bytes | None:
    raw = chunk.raw
    start = raw.find(_USAGE) - 1
    end = start + len(_NULL_USAGE)
    # The only key of that name in all the bytes is the one the parser saw at the top: in
    # text, the quotes around it would be escaped.
    is_only_one = raw.rfind(_USAGE) == start + 1
    if chunk["usage"] is None and is_only_one and raw[start:end] == _NULL_USAGE:
        return raw[:start] + raw[end:]
    return None


def _has_more_than_usage(chunk: RawChunk) -> bool:
    return any(chunk[key] is not None for key in chunk.keys() - _ENVELOPE)
