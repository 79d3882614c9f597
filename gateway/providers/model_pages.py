"""Lists of models that come in pages: how the next page is asked for.

Knows that a page tells a cursor, which the next request repeats. Must not know any one
provider's names for it.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from gateway.serialization import loads_lenient
from gateway.types import UpstreamRequest

_LONGEST_CURSOR = 4096


class Pages(NamedTuple):
    """How a provider's list goes on: by the field ``cursor`` of a page, sent as ``parameter``.

    ``flag`` is the field that is true where there are more; None: the cursor alone says so.
    """

    cursor: str
    parameter: str
    flag: str | None = None


def build_next_page(first: UpstreamRequest, body: bytes, pages: Pages) -> UpstreamRequest | None:
    """Return the request for the page after ``body``; None where that is the last one.

    ``first`` is the request for the first page.
    """
    try:
        page = loads_lenient(body)
    except ValueError:
        return None
    if not isinstance(page, dict) or (pages.flag is not None and page.get(pages.flag) is not True):
        return None
    cursor = page.get(pages.cursor)
    if not isinstance(cursor, str) or not 0 < len(cursor) <= _LONGEST_CURSOR:
        return None
    joint = "&" if "?" in first.path else "?"
    given = quote(cursor.encode("utf-8", "replace"), safe="")
    return first._replace(path=f"{first.path}{joint}{pages.parameter}={given}")
