"""Files within a request: ``data:`` URIs (RFC 2397) and plain base64 of any variant.

Must not fetch anything, nor know which types of file a provider takes.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple
from urllib.parse import unquote

from gateway.validation.fields import unsupported_value, wrong_value

_TO_STANDARD_ALPHABET = str.maketrans("-_", "+/", " \t\r\n")


class File(NamedTuple):
    """A file's media type in lower case ("" if it has none), and its content."""

    media_type: str
    content: bytes

    def to_base64(self) -> str:
        """Return the content as standard base64 with padding."""
        return base64.b64encode(self.content).decode("ascii")


def parse_data_uri(url: str, param: str) -> File:
    """Read a ``data:…;base64,…`` URI; raises ``InvalidRequestError`` for anything else."""
    scheme, colon, rest = url.partition(":")
    scheme = scheme.strip().lower()
    if colon and scheme in ("http", "https"):
        raise unsupported_value(
            param, f"`{param}` is a link, which this provider can't follow: send a `data:` URI."
        )
    header, comma, data = rest.partition(",")
    if scheme != "data" or not comma:
        raise wrong_value(param, f"`{param}` must be a `data:…;base64,…` URI.")
    media_type, *parameters = (text.strip().lower() for text in header.split(";"))
    if "base64" not in parameters:
        raise wrong_value(param, f"`{param}` must be encoded in base64 (`;base64,`).")
    return File(media_type, decode_base64(unquote(data), param))


def decode_base64(data: str, param: str) -> bytes:
    """Decode base64, also URL-safe or without padding.

    Raises ``InvalidRequestError`` if it is empty or not base64.
    """
    text = data.translate(_TO_STANDARD_ALPHABET).rstrip("=")
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise wrong_value(param, f"`{param}` must hold valid base64.") from None
    if not content:
        raise wrong_value(param, f"`{param}` must not be empty.")
    return content
