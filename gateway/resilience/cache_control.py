"""A client's ``Cache-Control`` header (RFC 9111, section 5.2).

Knows its grammar and the three directives that are obeyed. Must not know what is
cached.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_SECONDS = 2**31
"""What a number too large to be kept counts as (RFC 9111, section 1.2.2)."""

_DIRECTIVE = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)
        (?: = (?: "(?P<quoted>(?:[^"\\]|\\.)*+)" | (?P<token>[^\s,"]*) ) )?
        [^,]*""",  # up to the next comma: what doesn't belong there
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SECONDS = re.compile(r"[0-9]+")


class CacheControl(NamedTuple):
    """What a client asks of a cache. ``max_age`` is in seconds; None: it doesn't say."""

    no_store: bool = False
    no_cache: bool = False
    max_age: int | None = None


NOTHING_ASKED = CacheControl()


def parse_cache_control(header: str) -> CacheControl:
    """Parse the header's value ("" where there is none); unknown directives are passed over.

    A ``max-age`` that is no number of seconds counts as ``no-cache``: what the client
    wanted isn't known, and a new answer is never wrong. Of several the first holds.
    """
    if not header:
        return NOTHING_ASKED
    directives: dict[str, str] = {}
    for match in _DIRECTIVE.finditer(header):
        quoted = match["quoted"]
        value = match["token"] or "" if quoted is None else _ESCAPED.sub(r"\1", quoted)
        directives.setdefault(match["name"].lower(), value)
    age = directives.get("max-age")
    is_broken = age is not None and not _SECONDS.fullmatch(age)
    return CacheControl(
        no_store="no-store" in directives,
        no_cache="no-cache" in directives or is_broken,
        max_age=None if age is None or is_broken else _seconds(age),
    )


def _seconds(digits: str) -> int:
    return min(int(digits), MOST_SECONDS) if len(digits) <= 10 else MOST_SECONDS
