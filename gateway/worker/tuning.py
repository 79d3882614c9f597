"""What gunicorn works out anew for each request, worked out once.

Knows gunicorn's inside, of the one version that is pinned. Must not change what it does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache, partial
from typing import Any, ClassVar

from gunicorn import util
from gunicorn.config import PreRequest
from gunicorn.http import wsgi
from gunicorn.http.message import HeaderPolicy, _ip_in_allow_list
from gunicorn.http.wsgi import HEADER_VALUE_RE, Response

_PEERS = 1024
_MOST_NAMES = 256
_SPECIAL = frozenset({"content-length", "connection", "upgrade"})
"""Headers that gunicorn does something about."""


def tune(config: Any, log: Any) -> None:
    """Prepare this worker's process for the requests to come."""
    if not log.access_log_enabled:
        # gunicorn looks that up again for each request, for a tenth of its whole cost.
        log.access = _do_nothing
    util.http_date = _http_date
    # Its settings are looked up some forty times a request, by a chain of calls each.
    config.__dict__.update({name: each.get() for name, each in config.settings.items()})
    # By default they look whether the log wants to know of each request at level DEBUG.
    if config.pre_request is PreRequest.default:
        config.__dict__["pre_request"] = _do_nothing
    wsgi.Response = QuickResponse
    wsgi.base_environ = _copied(wsgi.base_environ(config))
    HeaderPolicy._peer_is_trusted_proxy = _trusting(config)


class QuickResponse(Response):  # type: ignore[misc]
    """gunicorn's response, which remembers the names of headers that it has looked at.

    It looks at each name three times: whether it is one, whether it is of this connection alone,
    and whether it is one of a few. They are the same few dozen for all answers.
    """

    _plain: ClassVar[set[str]] = set()

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            if name in self._plain and HEADER_VALUE_RE.fullmatch(value):
                self.headers.append((name, value.strip(" \t")))
                continue
            known = len(self.headers)
            super().process_headers([(name, value)])
            is_plain = len(self.headers) > known and name.lower() not in _SPECIAL
            if is_plain and len(self._plain) < _MOST_NAMES:
                self._plain.add(name)


def _copied(environ: dict[str, Any]) -> Any:
    """Return what makes ``environ`` for each request of what is the same for all."""

    def base_environ(config: Any) -> dict[str, Any]:
        return environ.copy()

    return base_environ


def _trusting(config: Any) -> Any:
    """Return the method that tells whether a request comes from a proxy that may name its client.

    gunicorn reads the address and compares it with the networks for each request.
    """

    @lru_cache(maxsize=_PEERS)
    def is_allowed(address: str) -> bool:
        allowed = config.forwarded_allow_ips
        return bool(_ip_in_allow_list(address, allowed, config.forwarded_allow_networks()))

    def is_trusted(request: HeaderPolicy) -> bool:
        peer = request.peer_addr
        return is_allowed(peer[0]) if isinstance(peer, tuple) else True

    return is_trusted


def _http_date(timestamp: float | None = None) -> str:
    """Return a time, now if None is given, as HTTP's ``Date``; gunicorn's own makes each anew."""
    return _http_date_of(int(time.time() if timestamp is None else timestamp))


_http_date_of = lru_cache(maxsize=1)(partial(formatdate, usegmt=True))


def _do_nothing(*args: Any) -> None:
    """Stand in for gunicorn's access log where that is off, and for a hook that nobody has set."""
