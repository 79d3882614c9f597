"""One connection to an upstream: opening it, with TLS and through a proxy, and its pool.

Knows sockets and TLS. Must not know what is sent over them.
"""

from __future__ import annotations

import base64
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

import certifi

from gateway.errors import GatewayError, UpstreamConnectionError, UpstreamError
from gateway.transport.watch import READ, WRITE, Wake, Watch

_MAX_IDLE_CONNECTIONS = 256
_MAX_IDLE_SECONDS = 50.0
_MAX_PROXY_HEAD_BYTES = 16 * 1024


@dataclass(frozen=True)
class Origin:
    """Where to connect to, and through what.

    ``allows`` tells which addresses may be connected to; None: whichever there are.
    """

    scheme: str
    host: str
    port: int
    proxy: str | None = None
    ca_bundle: str | None = None
    allows: Callable[[str], bool] | None = None


class ForbiddenAddressError(Exception):
    """A host's name stands for an address that may not be connected to; none was."""


class ConnectTimeoutError(UpstreamConnectionError):
    """504: the upstream did not accept a connection in time."""

    status = 504
    default_code = "upstream_connect_timeout"


class Pool:
    """Idle connections to one origin, the most recently used first."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._idle: deque[tuple[float, socket.socket]] = deque()

    def take(self) -> socket.socket | None:
        """Return an idle connection that is still open, or None."""
        while self._idle:
            try:
                since, connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if time.monotonic() - since < _MAX_IDLE_SECONDS and _is_quiet(connection):
                return connection
            connection.close()
        return None

    def put(self, connection: socket.socket) -> None:
        """Keep a connection whose last answer was read to its end."""
        self._idle.append((time.monotonic(), connection))
        if len(self._idle) > _MAX_IDLE_CONNECTIONS:
            self._idle.popleft()[1].close()

    def close(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop()[1].close()


def open_connection(origin: Origin, watch: Watch, seconds: float) -> socket.socket:
    """Connect within ``seconds``; the socket returned does not block.

    Raises ``ConnectTimeoutError``, ``UpstreamConnectionError``, or ``UpstreamError``
    where TLS fails.
    """
    until = time.monotonic() + seconds
    host, port = _first_hop(origin)
    connection = _connect(host, port, watch, until, origin.allows)
    try:
        if origin.proxy is not None:
            _open_tunnel(connection, origin, watch, until)
        if origin.scheme == "https":
            watch.forget(connection)  # its descriptor is handed on
            return _start_tls(connection, origin, watch, until)
    except BaseException:
        watch.forget(connection)
        connection.close()
        raise
    return connection


def _first_hop(origin: Origin) -> tuple[str, int]:
    if origin.proxy is None:
        return origin.host, origin.port
    proxy = urlsplit(origin.proxy)
    return proxy.hostname or "", proxy.port or 8080


def _connect(
    host: str,
    port: int,
    watch: Watch,
    until: float,
    allows: Callable[[str], bool] | None,
) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UpstreamConnectionError("The provider's host name can't be resolved.") from error
    if allows is not None and not all(allows(str(each[4][0])) for each in addresses):
        raise ForbiddenAddressError
    failure: GatewayError = UpstreamConnectionError("The provider can't be reached.")
    for family, kind, protocol, _, address in addresses:
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError:  # no IPv6 here, or no descriptor left
            continue
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(BlockingIOError):
                connection.connect(address)
            if not _wait(connection, WRITE, watch, until):
                raise ConnectTimeoutError("The provider did not accept a connection in time.")
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                return connection
        except ConnectTimeoutError as error:
            failure = error
        except OSError:
            pass
        except BaseException:
            watch.forget(connection)
            connection.close()
            raise
        watch.forget(connection)
        connection.close()
    raise failure


def _wait(connection: socket.socket, events: int, watch: Watch, until: float) -> bool:
    return watch.wait_without_pings([(connection, events)], until) is Wake.READY


def _open_tunnel(connection: socket.socket, origin: Origin, watch: Watch, until: float) -> None:
    proxy = urlsplit(origin.proxy or "")
    authority = f"[{origin.host}]" if ":" in origin.host else origin.host
    head = f"CONNECT {authority}:{origin.port} HTTP/1.1\r\nHost: {authority}:{origin.port}\r\n"
    if proxy.username is not None:
        credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        encoded = base64.b64encode(credentials.encode()).decode()
        head += f"Proxy-Authorization: Basic {encoded}\r\n"
    try:
        connection.send(f"{head}\r\n".encode("latin-1"))
        answer = b""
        while b"\r\n\r\n" not in answer:
            if not _wait(connection, READ, watch, until):
                raise ConnectTimeoutError("The proxy did not open a connection in time.")
            data = connection.recv(1)
            answer += data
            if not data or len(answer) > _MAX_PROXY_HEAD_BYTES:
                raise UpstreamConnectionError("The proxy closed the connection.")
    except OSError as error:
        raise UpstreamConnectionError("The proxy broke the connection.") from error
    if answer.split(None, 2)[1:2] != [b"200"]:
        raise UpstreamConnectionError("The proxy refused to connect to the provider.")


def _start_tls(
    connection: socket.socket, origin: Origin, watch: Watch, until: float
) -> socket.socket:
    try:
        secured = _tls_context(origin.ca_bundle).wrap_socket(
            connection, server_hostname=origin.host, do_handshake_on_connect=False
        )
    except (OSError, ValueError) as error:
        raise UpstreamError("TLS can't be started: look at ca_bundle and base_url.") from error
    try:
        while (events := _shake_hands(secured)) is not None:
            if not _wait(secured, events, watch, until):
                raise ConnectTimeoutError("The provider did not finish the TLS handshake in time.")
    except BaseException:
        watch.forget(secured)
        secured.close()
        raise
    return secured


def _shake_hands(connection: ssl.SSLSocket) -> int | None:
    """Go on with a TLS handshake; returns what it waits for, None when it is done."""
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return READ
    except ssl.SSLWantWriteError:
        return WRITE
    except ssl.SSLCertVerificationError as error:
        raise UpstreamError(
            "The provider's TLS certificate can't be verified.", should_retry=False
        ) from error
    except (OSError, ValueError) as error:
        raise UpstreamConnectionError("The TLS handshake with the provider failed.") from error
    return None


@lru_cache(maxsize=32)
def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return one context a bundle: loading the certificates takes 10 ms and more."""
    return ssl.create_default_context(cafile=ca_bundle or certifi.where())


def _is_quiet(connection: socket.socket) -> bool:
    """Tell whether an idle connection is open and silent, as it must be to be used again."""
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
