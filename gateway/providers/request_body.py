"""The body of a request to an upstream, made of what a client sent.

Knows what of a checked request can't be sent all the same: it is nested too deeply, or too
large once it is sent for every choice. Must not know any provider's format.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import InvalidRequestError, RequestTooLargeError
from gateway.serialization import dumps

MAX_BYTES_OF_ALL_CHOICES = 64 * 1024 * 1024
"""Where a provider gives one choice a request, ``n`` multiplies what has to be sent."""


def dump_body(body: Any) -> bytes:
    """Return a body as JSON; raises ``InvalidRequestError`` for one that is nested too deeply."""
    try:
        return dumps(body)
    except TypeError:
        raise InvalidRequestError(
            "The request is nested too deeply, in a schema or the arguments of a tool call.",
            code="invalid_value",
        ) from None


def check_choices(body: bytes, n: int) -> None:
    """Raise ``RequestTooLargeError`` where ``n`` requests with this body are too much to send."""
    if n > 1 and n * len(body) > MAX_BYTES_OF_ALL_CHOICES:
        raise RequestTooLargeError(
            f"{n} choices of this request are over {MAX_BYTES_OF_ALL_CHOICES} bytes: "
            "ask for fewer.",
            param="n",
        )
