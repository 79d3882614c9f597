"""Whether an answer that was to be a stream is one, and else all of it.

Knows how JSON and web pages begin. Must not know what is in them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from gateway.errors import UpstreamError
from gateway.sse import MAX_EVENT_BYTES

_NO_STREAM = (b"{", b"[", b"<")


def iter_first(pieces: Iterator[bytes]) -> Generator[list[Any], None, bytes]:
    """Return the first piece that is more than white space, b"" if there is none.

    Yields ``[]`` for each piece before it.
    """
    for piece in pieces:
        if piece.strip():
            return piece
        yield []
    return b""


def is_whole_body(first: bytes) -> bool:
    """Tell whether a body that begins with ``first`` is no stream (of a server that has none)."""
    return first.lstrip()[:1] in _NO_STREAM


def iter_whole_body(first: bytes, pieces: Iterator[bytes]) -> Generator[list[Any], None, bytes]:
    """Return a body that begins with ``first``; yields ``[]`` for each piece until it is complete.

    Raises ``UpstreamError`` for a web page, and for one that is too long.
    """
    if first.lstrip().startswith(b"<"):
        raise UpstreamError("The provider answered with a web page.", should_retry=False)
    body = [first]
    length = len(first)
    for piece in pieces:
        yield []
        body.append(piece)
        length += len(piece)
        if length > MAX_EVENT_BYTES:
            raise UpstreamError(f"The provider's answer is longer than {MAX_EVENT_BYTES} bytes.")
    return b"".join(body)
