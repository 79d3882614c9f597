"""Fetching what a client names by its address, from the internet and from nowhere else.

Whoever may name an address could make the gateway look where only the gateway can:
at its own machine, its network, the metadata of its cloud. So every address that a
name stands for is looked at, and connected to is the very one that was looked at.
Knows HTTP and addresses. Must not know what is fetched for.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests

from gateway.config.settings import Timeouts
from gateway.errors import ClientDisconnectedError, GatewayError, RestartingError
from gateway.transport.adapter import encode_head
from gateway.transport.connection import ForbiddenAddressError, Origin, Pool
from gateway.transport.exchange import UnexpectedStatusError
from gateway.transport.http_exchange import HttpExchange
from gateway.transport.watch import Watch

MAX_BYTES = 20 * 1024 * 1024
MAX_SECONDS = 30.0
"""For one address and all that it redirects to, besides the silence of a last wait."""

MAX_REDIRECTS = 3

_TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, idle=10.0, request=MAX_SECONDS)
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "ai-gateway", "Accept": "*/*", "Accept-Encoding": "identity"}
_NAT64 = IPv6Network("64:ff9b::/96")


class FetchError(Exception):
    """What was named can't be fetched; the message is what is to be said of it, without address."""


class Fetched(NamedTuple):
    """``media_type`` is in lower case and without parameters, "" where none was told."""

    content: bytes
    media_type: str


class Fetcher:
    """Fetches by HTTP. ``networks`` are networks of our own that may be fetched from as well."""

    def __init__(self, networks: Sequence[str] = (), max_bytes: int = MAX_BYTES) -> None:
        self._networks = tuple(ip_network(each, strict=False) for each in networks)
        self._max_bytes = max_bytes

    def iter_fetch(
        self, url: str, kinds: Sequence[str], watch: Watch
    ) -> Generator[None, None, Fetched]:
        """Return what is at ``url``; yields now and then, for a client that waits.

        ``kinds`` are what the media type may begin with. Raises ``FetchError``, and
        ``GatewayError`` where the client leaves or the whole request is out of time.
        """
        until = time.monotonic() + MAX_SECONDS
        for _ in range(MAX_REDIRECTS + 1):
            try:
                return (yield from self._iter_get(url, kinds, watch, until))
            except UnexpectedStatusError as answer:
                location = answer.headers.get("location")
                if answer.status not in _REDIRECTS or not location:
                    raise FetchError(f"was answered with status {answer.status}") from None
                url = _join(url, location)
        raise FetchError("is redirected too often")

    def _iter_get(
        self, url: str, kinds: Sequence[str], watch: Watch, until: float
    ) -> Generator[None, None, Fetched]:
        origin, request = self._prepare(url)
        pool = Pool(origin)
        exchange: HttpExchange | None = None
        try:
            exchange = HttpExchange(pool, (request,), watch, _TIMEOUTS)
            return (yield from self._iter_read(exchange, kinds, until))
        except ForbiddenAddressError:
            raise FetchError("is not on the internet") from None
        except GatewayError as error:
            is_ours = isinstance(error, ClientDisconnectedError | RestartingError)
            if is_ours or error.code == "request_timeout":
                raise
            raise FetchError("can't be fetched") from error
        finally:
            if exchange is not None:
                exchange.close()
            pool.close()

    def _iter_read(
        self, exchange: HttpExchange, kinds: Sequence[str], until: float
    ) -> Generator[None, None, Fetched]:
        content = bytearray()
        for piece in exchange.iter_pieces():
            if piece and not content:
                _check_head(exchange, kinds)
            content += piece
            if len(content) > self._max_bytes:
                raise FetchError(f"is larger than {self._max_bytes} bytes")
            if time.monotonic() > until:
                raise FetchError("takes too long to fetch")
            yield
        if not content:
            raise FetchError("is empty")
        return Fetched(bytes(content), _media_type(exchange))

    def _prepare(self, url: str) -> tuple[Origin, bytes]:
        """Return where to connect to and the request to send; raises ``FetchError``."""
        try:
            prepared = requests.Request("GET", url.strip(), headers=_HEADERS).prepare()
            parts = urlsplit(prepared.url or "")
            port = parts.port
        except (requests.RequestException, ValueError):
            raise FetchError("has no valid address") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise FetchError("has no address that begins with http:// or https://")
        if "@" in parts.netloc:
            raise FetchError("has an address with credentials, which are not sent")
        origin = Origin(
            parts.scheme, parts.hostname, port or _PORTS[parts.scheme], allows=self._allows
        )
        return origin, encode_head(prepared) + b"\r\n"

    def _allows(self, address: str) -> bool:
        ip = ip_address(address.partition("%")[0])
        return any(ip in network for network in self._networks) or is_public(ip)


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is one of the internet, also where it stands for another one."""
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if ip.teredo is not None or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _check_head(exchange: HttpExchange, kinds: Sequence[str]) -> None:
    media_type = _media_type(exchange)
    if not media_type.startswith(tuple(kinds)):
        raise FetchError("is of another type")


def _media_type(exchange: HttpExchange) -> str:
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


def _join(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise FetchError("has no valid address") from None
