"""One configured upstream as the layers above see it: send a request, get an exchange.

Knows requests' sessions and the provider's settings. Must not know any provider's format.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests

from gateway.config.settings import ProviderSettings
from gateway.errors import UpstreamError
from gateway.transport.adapter import ExchangeAdapter, LlhttpAdapter, encode_head
from gateway.transport.connection import Origin
from gateway.transport.exchange import Exchange
from gateway.transport.watch import Watch
from gateway.types import Signer, UpstreamRequest

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_HEADS = 256
_SIGNED = ("Content-Type",)
"""Headers a signature is to cover, besides its own and the host."""


class Upstream:
    """A provider's server, its credentials, and the connections to it.

    ``build_headers`` gives the headers for an API key (or None); keys are used in turn.
    ``adapter`` replaces the one for HTTP, ``keys`` the keys of the settings. ``sign``, where
    there is one, signs every request.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        build_headers: Callable[[str | None], Mapping[str, str]],
        adapter: ExchangeAdapter | None = None,
        sign: Signer | None = None,
        keys: Iterator[str] | None = None,
    ) -> None:
        self.settings = settings
        self._adapter = adapter or LlhttpAdapter(_origin_of(settings), settings.timeouts)
        self._session = _build_session(settings.base_url, self._adapter)
        self._build_headers = build_headers
        self._sign = sign
        self._api_keys: Iterator[str | None] = keys or itertools.cycle(settings.api_keys or (None,))
        self._heads: dict[tuple[object, ...], bytes] = {}

    def send(
        self, request: UpstreamRequest, watch: Watch, first_byte: float | None = None
    ) -> Exchange:
        """Send ``request``; returns as soon as it is sent, before anything has come back.

        Raises ``GatewayError`` where the upstream can't be reached, or the client leaves.
        """
        return self._adapter.begin(self._head(request), request.body, watch, first_byte)

    def fetch(self, request: UpstreamRequest, seconds: float) -> requests.Response:
        """Send a small request and return its whole answer, whatever its status.

        For lists and descriptions, which nobody waits for on a stream. Raises
        ``GatewayError`` where there is no answer within ``seconds``.
        """
        prepared = self._prepare(request, next(self._api_keys))
        return self._session.send(prepared, timeout=seconds, allow_redirects=False)

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def _head(self, request: UpstreamRequest) -> bytes:
        """Encode the head once for each path and key: nothing in it is of one request.

        Unless it is signed: a signature is of one body and one moment.
        """
        key = next(self._api_keys)
        if self._sign is not None:
            return encode_head(self._prepare(request, key))
        cache_key = (
            request.method,
            request.path,
            key,
            request.body is not None,
            *request.headers.items(),
        )
        head = self._heads.get(cache_key)
        if head is None:
            head = encode_head(self._prepare(request, key))
            if len(self._heads) < _MAX_HEADS:
                self._heads[cache_key] = head
        return head

    def _prepare(self, request: UpstreamRequest, api_key: str | None) -> requests.PreparedRequest:
        headers = dict(self._build_headers(api_key))
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        headers |= self.settings.headers
        headers |= request.headers
        url = self.settings.base_url + request.path
        if self.settings.query:
            url += ("&" if "?" in request.path else "?") + self.settings.query
        try:
            prepared = self._session.prepare_request(
                requests.Request(request.method, url, headers=headers)
            )
        except requests.RequestException as error:
            message = "The provider's base_url or headers can't be used."
            raise UpstreamError(message, should_retry=False) from error
        if self._sign is not None:
            kind = {name: headers[name] for name in _SIGNED if name in headers}
            prepared.headers.update(
                self._sign(request.method, prepared.url or url, kind, request.body)
            )
        prepared.body = request.body
        return prepared


def _build_session(base_url: str, adapter: ExchangeAdapter) -> requests.Session:
    """Return a session that takes nothing from its surroundings and keeps nothing of an answer."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers["User-Agent"] = "ai-gateway"
    session.headers["Accept-Encoding"] = "identity"
    session.adapters.clear()
    # By scheme alone: requests may spell the rest of a URL differently than the configuration.
    session.mount(f"{urlsplit(base_url).scheme}:", adapter)
    return session


def _origin_of(settings: ProviderSettings) -> Origin:
    url = urlsplit(settings.base_url)
    port = url.port or _DEFAULT_PORTS[url.scheme]
    return Origin(url.scheme, url.hostname or "", port, settings.proxy, settings.ca_bundle)
