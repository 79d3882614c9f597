"""Flask, without what no request here uses and every request would pay for.

Knows where Flask may be extended. Must not know what requests are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.datastructures import Headers
from werkzeug.routing import MapAdapter, Rule

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


_WITHOUT_BODY = frozenset({204, 304})


class GatewayResponse(Response):
    """A response of bytes that is written once: nothing of it has to be copied or encoded.

    What HTTP has rules for is Werkzeug's work: answers without a body, a Location.
    """

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Return the headers as they are."""
        if self.status_code in _WITHOUT_BODY or "Location" in self.headers:
            return super().get_wsgi_headers(environ)
        return self.headers

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Return the body as it is, with a ``close`` for its end."""
        if self.status_code in _WITHOUT_BODY or environ["REQUEST_METHOD"] == "HEAD":
            return super().get_app_iter(environ)
        return _Body(self)


class _Body:
    def __init__(self, response: Response) -> None:
        self._pieces = response.response
        self.close = response.close

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pieces)


class GatewayFlask(Flask):
    """Flask without sessions, without views that are coroutines, with routes by path alone."""

    response_class = GatewayResponse

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None)
        self.session_interface = _NoSessions()
        self.url_map.merge_slashes = False
        self.url_map.redirect_defaults = False
        self._fixed_routes: dict[tuple[str, str], Rule] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``func``, which is no coroutine; Flask would look for each call."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of ``request`` by its path and method."""
        if request is None:
            return None
        environ = request.environ
        return _Adapter(
            self._fixed_routes,
            self.url_map,
            server_name="",
            script_name=environ.get("SCRIPT_NAME", ""),
            subdomain="",
            url_scheme=environ["wsgi.url_scheme"],
            path_info=request.path if environ.get("PATH_INFO") else "",
            default_method=environ["REQUEST_METHOD"],
        )


class _Adapter(MapAdapter):
    """What finds a view; a path that is a rule, without variables, is looked for only once.

    ``known`` are the rules found so, by method and path; more are added.
    """

    def __init__(self, known: dict[tuple[str, str], Rule], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known = known

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """See Werkzeug; Flask asks for the rule and the variables of the request's own path."""
        asked = self.default_method, self.path_info
        rule = self._known.get(asked)
        if rule is not None:
            return rule, {}
        rule, variables = super().match(*args, **kwargs)
        if rule.rule == self.path_info:
            self._known[asked] = rule
        return rule, variables


class _NoSessions(SessionInterface):
    """The one session that all requests have, which keeps nothing."""

    _session = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._session
