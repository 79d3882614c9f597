"""Newline-delimited JSON: bytes in pieces of any size in, complete lines out.

Knows where a line ends and how long one may be. Must not know what is in it,
nor where the bytes come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.errors import UpstreamError

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Longest line accepted, in bytes. Ollama's own client allows 8 MB."""


def iter_lines(pieces: Iterable[bytes], limit: int = MAX_LINE_BYTES) -> Iterator[list[bytes]]:
    """Yield, for each piece, the list of lines it completed, without line ends.

    Only LF ends a line (a CR before it is dropped): U+2028, U+0085 and the like
    are text. Blank lines are skipped. A piece that completes no line, an empty
    one included, yields ``[]``, so that the caller may use the pause. At the end
    a rest without a line end is a line of its own.

    Raises ``UpstreamError`` once a line is longer than ``limit`` bytes.
    """
    tail = bytearray()
    for piece in pieces:
        if b"\n" not in piece:
            tail += piece
            if len(tail) > limit:
                tail.clear()  # the error may be kept for a while, and this frame with it
                raise _line_too_long(limit)
            yield []
            continue
        head, *rest = piece.split(b"\n")
        tail += head
        lines = [bytes(tail), *rest]
        tail = bytearray(lines.pop())
        if max(map(len, lines)) > limit or len(tail) > limit:
            raise _line_too_long(limit)
        yield [line for line in (line.rstrip(b"\r") for line in lines) if line.strip()]
    if tail.strip():
        yield [bytes(tail).rstrip(b"\r")]


def _line_too_long(limit: int) -> UpstreamError:
    return UpstreamError(f"The provider sent a line longer than {limit} bytes.", should_retry=False)
