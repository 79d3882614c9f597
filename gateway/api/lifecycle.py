"""From a request's first byte to its log line: id, record, watch, headers.

Knows Flask, and the few things that WSGI servers tell of a client's connection.
Must not know what a request is for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from gateway.accounts.keys.keys import Principal
from gateway.api.services import hold_services, services
from gateway.errors import InvalidRequestError, RestartingError
from gateway.inference import Asked
from gateway.telemetry import RequestRecord, log_request
from gateway.transport import Watch, is_restarting, open_watch

_MAX_NAMES = 20
_MAX_NAME = 60
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def init_lifecycle(app: Flask) -> None:
    """Give every request a record, an id in its answer, and a line in the log."""
    app.before_request(_begin)
    app.after_request(_finish)


def open_client_watch() -> Watch:
    """Watch the client of the current request; it must have been read to its end."""
    known = services()
    environ = request.environ
    client = environ.get("gunicorn.socket")
    has_left = environ.get("waitress.client_disconnected")
    seconds = _seconds_allowed(environ, known.settings.timeouts.request)
    watch = open_watch(seconds, client, has_left)
    g.watch = watch
    principal: Principal = g.principal
    watch.label = principal.key_id
    known.accounts.live.raise_if_ended(principal.key_id)
    return watch


def _seconds_allowed(environ: Mapping[str, Any], allowed: float) -> float:
    """Return what the whole request may take: what we allow, or less if the client says so."""
    asked = environ.get("HTTP_X_REQUEST_TIMEOUT")
    if asked is None:
        return allowed
    if not _SECONDS.fullmatch(asked) or float(asked) == 0:
        raise InvalidRequestError(
            "The x-request-timeout header must be a positive number of seconds, such as 30 or 2.5.",
            param="x-request-timeout",
            code="invalid_value",
        )
    return min(allowed, float(asked))


def cache_control() -> str:
    """Return the client's ``Cache-Control``."""
    given: str = request.environ.get("HTTP_CACHE_CONTROL", "")
    return given


def answer_headers(asked: Asked, record: RequestRecord) -> dict[str, str]:
    """Return the headers that tell who answered, as far as is known yet."""
    headers = {}
    if asked.provider:
        headers["x-gateway-provider"] = asked.provider
        headers["x-gateway-model"] = _header_text(asked.model)
        headers["x-gateway-attempts"] = str(len(record.attempts))
    if record.cache:
        headers["x-gateway-cache"] = record.cache
    if asked.age is not None:
        headers["Age"] = str(asked.age)
    if record.queued:
        headers["x-gateway-queued-ms"] = str(round(record.queued * 1000))
    if asked.dropped_params:
        headers["x-gateway-dropped-params"] = _header_list(asked.dropped_params)
    headers |= asked.limits
    return headers


def _begin() -> None:
    environ = request.environ
    given = environ.get("HTTP_X_REQUEST_ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{os.urandom(16).hex()}"
    g.watch = None
    g.record = RequestRecord(request_id, environ["REQUEST_METHOD"], request.path)
    hold_services()
    _check_host(environ)
    if is_restarting() and not _was_connected_before(environ):
        raise RestartingError


def _was_connected_before(environ: dict[str, Any]) -> bool:
    """Tell whether a client could not know that we restart: gateway.worker's sockets can tell."""
    return bool(getattr(environ.get("gunicorn.socket"), "is_fresh", False))


def _check_host(environ: dict[str, Any]) -> None:
    """Refuse what proxies and we could understand differently (RFC 9112, 3.2)."""
    host = environ.get("HTTP_HOST")
    if not host and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        raise InvalidRequestError("The request has no Host header.")
    uri = environ.get("RAW_URI", "/")
    if not uri.startswith("/") and "://" in uri and urlsplit(uri).netloc != host:
        raise InvalidRequestError("The request's URI names another host than its Host header.")


def _finish(response: Response) -> Response:
    record: RequestRecord = g.record
    watch: Watch | None = g.watch
    response.headers.add("x-request-id", record.request_id)
    if not record.status:
        record.status = response.status_code

    def close() -> None:
        if watch is not None:
            watch.close()
            record.waited += watch.waited
        log_request(record)

    response.call_on_close(close)
    return response


def _header_list(names: Sequence[str]) -> str:
    """Join names that clients made up: with none of them too long, and not too many."""
    shown = [_header_text(name[:_MAX_NAME]).replace(",", "%2C") for name in names[:_MAX_NAMES]]
    if len(names) > _MAX_NAMES:
        shown.append(f"and {len(names) - _MAX_NAMES} more")
    return ", ".join(shown)


def _header_text(text: str) -> str:
    """Make text safe for a header: percent-encode all but visible ASCII."""
    return "".join(
        character
        if " " <= character <= "~"
        else "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))
        for character in text
    )
