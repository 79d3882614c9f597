"""AWS's event stream encoding: bytes in pieces of any size in, complete messages out.

Knows the framing of ``application/vnd.amazon.eventstream``: a prelude of two lengths
and its CRC, typed headers, a payload, and a CRC over all of it, integers big-endian
(AWS's Smithy specification, "Amazon Event Stream"). Must not know what a header or a
payload means, nor where the bytes come from.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

from gateway.errors import UpstreamError

MAX_MESSAGE_BYTES = 24 * 1024 * 1024
"""Longest message accepted, in bytes: the specification's own limit."""

MAX_HEADERS_BYTES = 128 * 1024
"""Longest headers of a message accepted, in bytes: the specification's own limit."""

HeaderValue = bool | int | str | bytes

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_FIXED_BYTES = _PRELUDE.size + _CRC.size
_NUMBERS = {
    2: struct.Struct(">b"),
    3: struct.Struct(">h"),
    4: struct.Struct(">i"),
    5: struct.Struct(">q"),
    8: struct.Struct(">q"),
}
"""Integers and the timestamp by the number of their type."""

_LENGTH = struct.Struct(">H")
_BYTES_TYPE, _STRING_TYPE, _UUID_TYPE = 6, 7, 9
_UUID_BYTES = 16


class Message(NamedTuple):
    """One message: headers by name (``:event-type`` and the like), and its payload."""

    headers: Mapping[str, HeaderValue]
    payload: bytes


def iter_messages(
    pieces: Iterable[bytes], limit: int = MAX_MESSAGE_BYTES
) -> Iterator[list[Message]]:
    """Yield, for each piece, the list of messages it completed.

    A piece that completes none, an empty one included, yields ``[]``, so that the
    caller may use the pause. Messages before a broken one are yielded first.

    Raises ``UpstreamError`` where a checksum or a length is wrong, a message is longer than
    ``limit`` bytes, or the end is in the middle of one.
    """
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        messages: list[Message] = []
        start = 0
        try:
            while length := _measure(buffer, start, limit):
                messages.append(_parse(bytes(buffer[start : start + length])))
                start += length
        except UpstreamError:
            if messages:
                yield messages
            raise
        if start:
            del buffer[:start]
        yield messages
    if buffer:
        raise UpstreamError("The provider broke off its answer in the middle of a message.")


def _measure(buffer: bytearray, start: int, limit: int) -> int:
    """Return the length of the message at ``start``, 0 where it is not complete yet.

    A wrong prelude is found as soon as it is there: nothing is collected on its word.
    """
    if len(buffer) - start < _PRELUDE.size:
        return 0
    length, headers_length, checksum = _PRELUDE.unpack_from(buffer, start)
    if crc32(buffer[start : start + 8]) != checksum:
        raise _broken("a message whose prelude has a wrong checksum")
    if length > limit or headers_length > MAX_HEADERS_BYTES:
        raise UpstreamError(
            f"The provider sent a message longer than {limit} bytes.", should_retry=False
        )
    if length < _FIXED_BYTES + headers_length:
        raise _broken("a message shorter than its own headers")
    return int(length) if len(buffer) - start >= length else 0


def _parse(message: bytes) -> Message:
    (checksum,) = _CRC.unpack_from(message, len(message) - _CRC.size)
    if crc32(message[: -_CRC.size]) != checksum:
        raise _broken("a message with a wrong checksum")
    (_, headers_length, _) = _PRELUDE.unpack_from(message)
    end = _PRELUDE.size + headers_length
    return Message(_parse_headers(message[_PRELUDE.size : end]), message[end : -_CRC.size])


def _parse_headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    position = 0
    try:
        while position < len(data):
            name_end = position + 1 + data[position]
            name = data[position + 1 : name_end].decode("utf-8")
            headers[name], position = _parse_value(data, name_end)
    except (IndexError, struct.error, UnicodeDecodeError):
        raise _broken("a message whose headers can't be read") from None
    return headers


def _parse_value(data: bytes, position: int) -> tuple[HeaderValue, int]:
    """Return the value whose type stands at ``position``, and the position after it."""
    kind = data[position]
    position += 1
    if kind in (0, 1):
        return kind == 0, position
    if kind in _NUMBERS:
        (number,) = _NUMBERS[kind].unpack_from(data, position)
        return int(number), position + _NUMBERS[kind].size
    if kind == _UUID_TYPE:
        return _take(data, position, _UUID_BYTES), position + _UUID_BYTES
    if kind not in (_BYTES_TYPE, _STRING_TYPE):
        raise _broken("a message with a header of an unknown type")
    (length,) = _LENGTH.unpack_from(data, position)
    position += _LENGTH.size
    value = _take(data, position, length)
    return value if kind == _BYTES_TYPE else value.decode("utf-8"), position + length


def _take(data: bytes, position: int, length: int) -> bytes:
    value = data[position : position + length]
    if len(value) != length:
        raise IndexError
    return value


def _broken(what: str) -> UpstreamError:
    return UpstreamError(f"The provider sent {what}.")
