"""Server-sent events: bytes in pieces of any size in, complete events out.

Knows the framing of https://html.spec.whatwg.org/multipage/server-sent-events.html
(LF, CR and CRLF line ends, comments, ``data`` over several lines). Must not know
what the data means, nor where the bytes come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.errors import UpstreamError

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Longest event accepted, in bytes."""

PING = b": ping\n\n"
"""A comment that keeps proxies from hanging up on a silent stream."""

# The group is atomic: without it a CRLF could match as two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r){2}")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLANK_LINE_BYTES = 4
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BEGINNINGS = (b"data:", b"event:", b"id:", b"retry:", b":")


class Event(NamedTuple):
    """One event: its name ("" if it has none) and data (None if it is only comments)."""

    name: str
    data: bytes | None


def iter_events(pieces: Iterable[bytes], limit: int = MAX_EVENT_BYTES) -> Iterator[list[bytes]]:
    """Yield, for each piece, the raw events it completed, blank line included.

    A piece that completes no event, an empty one included, yields ``[]``. At the
    end a rest without its blank line is an event of its own, as it came.

    Raises ``UpstreamError`` once an event is longer than ``limit`` bytes.
    """
    pending: list[bytes] = []
    pending_bytes = 0
    edge = b""
    for piece in pieces:
        if not piece:
            yield []
            continue
        if pending and not _has_blank_line(window := edge + piece):
            pending.append(piece)
            pending_bytes += len(piece)
            edge = window[-_BLANK_LINE_BYTES:]
            if pending_bytes > limit:
                raise _event_too_long(limit)
            yield []
            continue
        buffer = b"".join((*pending, piece)) if pending else piece
        events, tail = _cut(buffer)
        pending = [tail] if tail else []
        pending_bytes = len(tail)
        edge = tail[-_BLANK_LINE_BYTES:]
        if len(buffer) > limit and max(pending_bytes, *map(len, events), 0) > limit:
            raise _event_too_long(limit)
        yield events
    rest = b"".join(pending)
    if rest.strip(b"\r\n"):
        yield [rest]


def parse_event(raw: bytes) -> Event:
    """Parse one raw event, as yielded by ``iter_events``."""
    plain = parse_plain_event(raw)
    if plain is not None:
        return Event("", plain)
    name = ""
    data: list[bytes] = []
    for line in _LINE_END.split(raw.removeprefix(_BYTE_ORDER_MARK)):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return Event(name, b"\n".join(data) if data else None)


def parse_plain_event(raw: bytes) -> bytes | None:
    """Return the data of an event framed as ``encode_event`` does it, None for any other."""
    # On the hot path: ``find`` is quicker than ``in``, a slice than ``startswith``.
    if raw[:6] != b"data: " or raw.find(b"\n") != len(raw) - 2 or raw.find(b"\r") != -1:
        return None
    return raw[6:-2] if raw[-1:] == b"\n" else None


def is_event_stream(body: bytes) -> bool:
    """Tell whether a whole body is a stream of events, by how it begins."""
    if body[:1] == b"{":
        return False
    return body[:64].removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(_BEGINNINGS)


def encode_comment(text: str) -> bytes:
    """Frame one line of text as a comment, which clients pass over."""
    return b": %b\n\n" % text.encode("ascii", "replace")


def encode_event(data: bytes) -> bytes:
    """Frame one line of data as an unnamed event."""
    return b"data: %b\n\n" % data


def _has_blank_line(window: bytes) -> bool:
    if b"\r" not in window:
        return b"\n\n" in window
    return _BLANK_LINE.search(window) is not None


def _cut(buffer: bytes) -> tuple[list[bytes], bytes]:
    if b"\r" not in buffer:
        return _split(buffer, b"\n\n")
    if buffer.count(b"\r\n") == buffer.count(b"\r") == buffer.count(b"\n"):
        return _split(buffer, b"\r\n\r\n")
    raw = []
    start = 0
    for match in _BLANK_LINE.finditer(buffer):
        if match.end() == len(buffer) and match[0] == b"\r\n\r":
            break  # its LF is still to come
        event = buffer[start : match.end()].lstrip(b"\r\n")
        if event:
            raw.append(event)
        start = match.end()
    return raw, buffer[start:]


def _split(buffer: bytes, blank_line: bytes) -> tuple[list[bytes], bytes]:
    """Cut where all lines end alike, which is ten times as quick as looking for any end."""
    *events, tail = buffer.split(blank_line)
    raw = [text + blank_line for event in events if (text := event.lstrip(b"\r\n"))]
    return raw, tail.lstrip(b"\r\n") if events else tail


def _event_too_long(limit: int) -> UpstreamError:
    message = f"The provider sent an event longer than {limit} bytes."
    return UpstreamError(message, should_retry=False)
