"""The format of the gateway's own keys.

Knows nothing else. A key is ``gw_``, 32 random base62 characters, and 6 more that are
the CRC-32 of all before them as a big-endian base62 number. The checksum tells a mistyped
or cut key from a wrong one, and lets secret scanners know ours.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PREFIX = "gw_"
_RANDOM_LENGTH = 32
_CHECKSUM_LENGTH = 6
_KEY = re.compile(f"{_PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")


def build_key() -> str:
    """Return a new random key (190 bits), with its checksum."""
    body = _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _build_checksum(body)


def is_key(text: str) -> bool:
    """Tell whether ``text`` has the format of a key, checksum included."""
    body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    return bool(_KEY.fullmatch(text)) and checksum == _build_checksum(body)


def _build_checksum(body: str) -> str:
    number = zlib.crc32(body.encode("ascii", "replace"))
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
