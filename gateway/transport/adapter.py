"""requests' transport adapter over llhttp: whole reads in, no thread, no retry, no redirect.

Knows requests' adapter interface (https://requests.readthedocs.io, "Transport
Adapters") and turns it into exchanges. ``http.client``, which lies under
requests' own adapter, yields one HTTP chunk a call; this one yields all that a
read of the socket gave.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from gateway.config.settings import Timeouts
from gateway.transport.connection import Origin, Pool
from gateway.transport.exchange import Exchange, UnexpectedStatusError
from gateway.transport.http_exchange import HttpExchange
from gateway.transport.watch import Watch, open_watch

MAX_BODY_BYTES = 64 * 1024 * 1024
_DEFAULT_SECONDS = 60.0
_JOINED_BYTES = 64 * 1024
"""A longer body is not copied to be sent in one piece with the head."""


class ExchangeAdapter(BaseAdapter):
    """A transport adapter whose exchanges can also be begun and read step by step."""

    @abstractmethod
    def begin(
        self, head: bytes, body: bytes | None, watch: Watch, first_byte: float | None = None
    ) -> Exchange:
        """Send a request and return without waiting for its answer.

        ``head`` is what ``encode_head`` returned; ``first_byte`` replaces the adapter's own
        deadline for it, in seconds. Raises ``GatewayError`` where the
        upstream can't be reached.
        """

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a prepared request and read its whole answer, as requests' interface asks.

        ``timeout`` is for the whole request, in seconds; TLS, proxy and deadlines
        are those the adapter was made with.
        """
        body = request.body.encode() if isinstance(request.body, str) else request.body
        watch = open_watch(timeout if isinstance(timeout, int | float) else _DEFAULT_SECONDS)
        try:
            exchange = self.begin(encode_head(request), body, watch)
            try:
                status, headers, content = 200, {}, exchange.read(MAX_BODY_BYTES)
            except UnexpectedStatusError as error:
                status, headers, content = error.status, dict(error.headers), error.body
            finally:
                exchange.close()
        finally:
            watch.close()
        response = Response()
        response.status_code = status
        response.headers = CaseInsensitiveDict(headers)
        response.url = request.url or ""
        response.request = request
        response.raw = io.BytesIO(content)
        return response

    def close(self) -> None:
        """Close what is kept open between requests."""


class LlhttpAdapter(ExchangeAdapter):
    """An adapter for one origin over HTTP/1.1, with its own pool of connections."""

    def __init__(self, origin: Origin, timeouts: Timeouts) -> None:
        super().__init__()
        self._pool = Pool(origin)
        self._timeouts = timeouts

    def begin(
        self, head: bytes, body: bytes | None, watch: Watch, first_byte: float | None = None
    ) -> Exchange:
        request: tuple[bytes, ...]
        if body is None:
            request = (head + b"\r\n",)
        elif len(body) <= _JOINED_BYTES:
            request = (b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body),)
        else:
            request = (b"%bcontent-length: %d\r\n\r\n" % (head, len(body)), body)
        timeouts = self._timeouts
        if first_byte is not None and first_byte != timeouts.first_byte:
            timeouts = replace(timeouts, first_byte=first_byte)
        return HttpExchange(self._pool, request, watch, timeouts)

    def close(self) -> None:
        self._pool.close()


def encode_head(request: PreparedRequest) -> bytes:
    """Encode request line and headers, without the length and the blank line."""
    url = urlsplit(request.url or "")
    path = url.path or "/"
    if url.query:
        path += f"?{url.query}"
    headers = CaseInsensitiveDict[Any]({"Host": url.netloc.rpartition("@")[2]})
    headers.update(request.headers)
    headers.pop("Content-Length", None)
    lines = [f"{request.method} {path} HTTP/1.1"]
    lines += [f"{name}: {_text(value)}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
