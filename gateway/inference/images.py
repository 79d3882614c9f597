"""Images and files that a message only links to, put in their place for providers without links.

Knows where OpenAI's messages hold them. Must not know any one provider's format,
nor how anything is fetched.
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any, NamedTuple

from gateway.errors import InvalidRequestError
from gateway.providers.base import Provider
from gateway.transport import Fetcher, FetchError, Watch
from gateway.types import ChatRequest, Chunk, NativeRequest

MAX_LINKS = 32
MAX_BYTES_OF_ALL = 40 * 1024 * 1024

_UNTOLD_TYPES = ("", "application/octet-stream", "binary/octet-stream")
"""Where a server doesn't know what it has, the bytes tell."""

_PLACES = {
    "image_url": ("url", ("image/", *_UNTOLD_TYPES[1:])),
    "file": ("file_data", ("application/pdf", "text/plain", *_UNTOLD_TYPES[1:])),
}
"""By a part's type: the field that may be a link, and of what types what it leads to may be."""


class _Link(NamedTuple):
    """A link in the ``field`` of a part's ``kind``, and the types of what it may lead to."""

    kind: str
    field: str
    media_types: tuple[str, ...]
    url: str


class LinkedImages:
    """What one request links to, each fetched once however often it is tried.

    Without a ``fetcher`` links are left as they are.
    """

    def __init__(self, fetcher: Fetcher | None) -> None:
        self._fetcher = fetcher
        self._known: dict[str, str] = {}
        self._size = 0

    def iter_put_in(
        self, request: ChatRequest, provider: Provider, watch: Watch
    ) -> Generator[list[Chunk], None, ChatRequest]:
        """Return the request with data URIs in place of links; yields ``[]`` meanwhile.

        What is wrong in its messages is left for others to find. Raises
        ``InvalidRequestError`` for an image that can't be had.
        """
        messages = request.get("messages")
        if self._fetcher is None or not isinstance(messages, list):
            return request
        if isinstance(request, NativeRequest):  # in a format that the provider speaks itself
            return request
        changed = list(messages)
        for place, message in enumerate(messages):
            content = message.get("content") if isinstance(message, dict) else None
            if not isinstance(content, list):
                continue
            for position, part in enumerate(content):
                link = _find_link(part)
                if link is None or not provider.needs_fetching(link.url):
                    continue
                param = f"messages[{place}].content[{position}].{link.kind}.{link.field}"
                data_uri = yield from self._iter_get(link, param, watch)
                if changed[place] is message:
                    changed[place] = {**message, "content": list(content)}
                held = {**part[link.kind], link.field: data_uri}
                changed[place]["content"][position] = {**part, link.kind: held}
        return {**request, "messages": changed} if changed != messages else request

    def _iter_get(self, link: _Link, param: str, watch: Watch) -> Generator[list[Chunk], None, str]:
        if link.url in self._known:
            return self._known[link.url]
        if len(self._known) >= MAX_LINKS:
            raise _refused(param, f"is one of more than {MAX_LINKS} that are only linked to")
        assert self._fetcher is not None
        fetching = self._fetcher.iter_fetch(link.url, link.media_types, watch)
        try:
            while True:
                try:
                    next(fetching)
                except StopIteration as end:
                    fetched = end.value
                    break
                yield []
        except FetchError as error:
            raise _refused(param, str(error)) from error
        finally:
            fetching.close()
        self._size += len(fetched.content)
        if self._size > MAX_BYTES_OF_ALL:
            raise _refused(
                param, f"makes all that is linked to larger than {MAX_BYTES_OF_ALL} bytes"
            )
        media_type = "" if fetched.media_type in _UNTOLD_TYPES else fetched.media_type
        data = base64.b64encode(fetched.content).decode("ascii")
        self._known[link.url] = f"data:{media_type};base64,{data}"
        return self._known[link.url]


def _find_link(part: Any) -> _Link | None:
    """Return what a part may link to; it may be wrong yet."""
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in _PLACES or not isinstance(part.get(kind), dict):
        return None
    field, media_types = _PLACES[kind]
    url = part[kind].get(field)
    return _Link(kind, field, media_types, url) if isinstance(url, str) else None


def _refused(param: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"What `{param}` links to {reason}.", param=param, code="invalid_image_url"
    )
