"""Messages in AWS's event stream encoding, as a server writes them.

Knows the framing from the writing side, independent of the gateway's reader.
"""

from __future__ import annotations

import json
import struct
from typing import Any
from zlib import crc32


def encode_message(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one message with headers that are strings."""
    encoded = b"".join(
        struct.pack(">B", len(name.encode())) + name.encode() + b"\7" + _with_length(value.encode())
        for name, value in headers.items()
    )
    return encode_raw(encoded, payload)


def encode_raw(headers: bytes, payload: bytes) -> bytes:
    """Return one message with headers that are encoded already, with right checksums."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def encode_event(name: str, payload: dict[str, Any]) -> bytes:
    """Return an event as Bedrock sends it."""
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return encode_message(headers, json.dumps(payload).encode())


def encode_exception(name: str, message: str) -> bytes:
    """Return an exception that ends a stream, as Bedrock sends it."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode_message(headers, json.dumps({"message": message}).encode())


def _with_length(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value
