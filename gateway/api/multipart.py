"""A multipart body (RFC 7578) of which one field is to be read and replaced.

Knows werkzeug's parser. Must not know what the fields are for.
"""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    MultipartEncoder,
    NeedData,
    Preamble,
)

from gateway.errors import InvalidRequestError

MAX_PARTS = 1000


def read_field(
    body: bytes, content_type: str, name: str
) -> tuple[str | None, Callable[[str], bytes]]:
    """Return the text of the field ``name``, and what builds the body with another one.

    None where there is no such field; the body then gets one. Raises ``InvalidRequestError``.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary:
        raise InvalidRequestError("The request body must be multipart/form-data with a boundary.")
    events = _decode(body, boundary.encode("latin-1", "replace"))
    value = _find(events, name)

    def build(text: str) -> bytes:
        return _encode(events, boundary.encode("latin-1", "replace"), name, text)

    return value, build


def _decode(body: bytes, boundary: bytes) -> list[Event]:
    decoder = MultipartDecoder(boundary, max_parts=MAX_PARTS)
    decoder.receive_data(body)
    decoder.receive_data(None)
    events: list[Event] = []
    try:
        while not events or not isinstance(events[-1], Epilogue):
            event = decoder.next_event()
            if isinstance(event, NeedData):
                raise ValueError("the body ends too early")
            events.append(event)
    except Exception as error:
        raise InvalidRequestError(
            f"The request body is not valid multipart/form-data: {error}.", code="invalid_multipart"
        ) from error
    return events


def _find(events: list[Event], name: str) -> str | None:
    value: list[bytes] = []
    is_inside = False
    for event in events:
        if isinstance(event, Field | File):
            if is_inside:
                break
            is_inside = isinstance(event, Field) and event.name == name
        elif isinstance(event, Data) and is_inside:
            value.append(event.data)
    return b"".join(value).decode("utf-8", "replace") if is_inside or value else None


def _encode(events: list[Event], boundary: bytes, name: str, text: str) -> bytes:
    """Return the body with ``text`` as the one field ``name``, which comes first."""
    encoder = MultipartEncoder(boundary)
    replaced: list[Event] = [
        Preamble(b""),
        Field(name=name, headers=Headers()),
        Data(text.encode(), more_data=False),
    ]
    is_inside = False
    for event in events:
        if isinstance(event, Field | File):
            is_inside = event.name == name
        if not is_inside and not isinstance(event, Preamble | Epilogue):
            replaced.append(event)
    replaced.append(Epilogue(b""))
    return b"".join(map(encoder.send_event, replaced))
