"""A multipart body (RFC 7578) of which one field is to be read and replaced.

Knows where parts begin and end, and copies none of them: bodies may be large. Must not know
what the fields are for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from werkzeug.http import parse_options_header

from gateway.errors import InvalidRequestError

MAX_PARTS = 1000
_MAX_HEAD_BYTES = 64 * 1024
_REST_OF_LINE = re.compile(rb"(?P<closes>--)?[ \t]*(?:\r\n|\n|\Z)")
_END_OF_HEAD = re.compile(rb"(?:\A|\r\n|\n)(?:\r\n|\n)")
_DISPOSITION = re.compile(rb"(?:\A|\n)content-disposition:([^\r\n]*)", re.IGNORECASE)


class _Part(NamedTuple):
    """Places in the body: of the boundary before a part, of its content, and of its end."""

    begin: int
    content: int
    end: int
    name: str


def read_field(
    body: bytes, content_type: str, name: str
) -> tuple[str | None, Callable[[str], bytes]]:
    """Return the text of the field ``name``, and what builds the body with another one.

    None where there is no such field; the body then gets one. Raises ``InvalidRequestError``.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "").encode("latin-1", "replace")
    if kind != "multipart/form-data" or not boundary:
        raise InvalidRequestError("The request body must be multipart/form-data with a boundary.")
    try:
        parts = list(_iter_parts(body, boundary))
    except ValueError as error:
        raise InvalidRequestError(
            f"The request body is not valid multipart/form-data: {error}.", code="invalid_multipart"
        ) from error
    fields = [part for part in parts if part.name == name]
    value = body[fields[0].content : fields[0].end].decode("utf-8", "replace") if fields else None
    whole = memoryview(body)

    def build(text: str) -> bytes:
        head = f'\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        kept = (whole[part.begin : part.end] for part in parts if part.name != name)
        lines = (line for part in kept for line in (part, b"\r\n"))
        return b"".join((b"--", boundary, head.encode(), *lines, b"--", boundary, b"--\r\n"))

    return value, build


def _iter_parts(body: bytes, boundary: bytes) -> Iterator[_Part]:
    """Yield the parts in their order; raises ``ValueError`` where that is no form."""
    count = 0
    begin, head = -1, -1
    for place, after, closes in _iter_boundaries(body, b"--" + boundary):
        if begin >= 0:
            end = place - (2 if body[place - 2 : place] == b"\r\n" else 1)
            content, name = _read_head(body, head, end)
            yield _Part(begin, content, end, name)
        if closes:
            return
        count += 1
        if count > MAX_PARTS:
            raise ValueError(f"it has more than {MAX_PARTS} parts")
        begin, head = place, after
    raise ValueError("the body ends too early" if count else "it has no part")


def _iter_boundaries(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield where each line that is a boundary begins, where the next one does, if it is last."""
    place = body.find(delimiter)
    while place >= 0:
        after = place + len(delimiter)
        if place == 0 or body[place - 1] == 0x0A:
            rest = _REST_OF_LINE.match(body, after)
            if rest is not None:
                yield place, rest.end(), rest["closes"] is not None
        place = body.find(delimiter, after)


def _read_head(body: bytes, head: int, end: int) -> tuple[int, str]:
    """Return where a part's content begins, and the part's name."""
    found = _END_OF_HEAD.search(body[head : min(end, head + _MAX_HEAD_BYTES)])
    disposition = found and _DISPOSITION.search(body[head : head + found.start()])
    if found is None or disposition is None:
        raise ValueError("a part has no headers that name it")
    kind, options = parse_options_header(disposition[1].decode("utf-8", "replace").strip())
    if kind != "form-data" or "name" not in options:
        raise ValueError("a part has no name")
    return head + found.end(), options["name"]
