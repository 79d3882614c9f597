"""Images and audio of a message, as the plain base64 Ollama takes.

Knows data URIs (RFC 2397). Must not fetch anything.
"""

from __future__ import annotations

from urllib.parse import unquote

from gateway.providers.data_uri import File, decode_base64
from gateway.validation.fields import unsupported_value, wrong_value


def is_link(url: str) -> bool:
    """Tell whether an image's address is one to fetch it from."""
    return url.partition(":")[0].strip().lower() in ("http", "https")


def read_image_url(url: str, param: str) -> str:
    """Return the image in a ``data:`` URI as standard base64.

    Accepts any ``image/…`` type in any case, or none, further parameters, percent-encoding,
    the URL-safe alphabet and missing padding. Raises ``InvalidRequestError`` for
    anything else: images are not fetched.
    """
    scheme, _, rest = url.partition(":")
    if is_link(url):
        raise unsupported_value(
            param,
            f"`{param}` is a link, and images are not fetched: "
            "send the image itself as a `data:image/…;base64,…` URI.",
        )
    header, comma, data = rest.partition(",")
    if scheme.strip().lower() != "data" or not comma:
        raise wrong_value(param, f"`{param}` must be a `data:image/…;base64,…` URI.")
    media_type, *parameters = (text.strip().lower() for text in header.split(";"))
    if media_type and not media_type.startswith("image/"):
        raise wrong_value(param, f"`{param}` must hold an image, not another type of data.")
    if "base64" not in parameters:
        raise wrong_value(param, f"`{param}` must be encoded in base64 (`;base64,`).")
    return read_base64(unquote(data), param)


def read_base64(data: str, param: str) -> str:
    """Return base64 of any variant in the standard alphabet with padding.

    Raises ``InvalidRequestError`` if it is empty or not base64.
    """
    return File("", decode_base64(data, param)).to_base64()
