"""Who asks: the key of a request, however its client sends it.

Knows Flask and where keys lie in a request. Must not know where they are kept.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from flask import g, request

from gateway.accounts.keys.addresses import is_allowed
from gateway.accounts.keys.keys import Principal
from gateway.accounts.keys.service import Accounts
from gateway.api.services import services
from gateway.errors import AuthenticationError, PermissionDeniedError
from gateway.telemetry import RequestRecord

_ANYONE = Principal("anonymous", "admin", "anonymous", key_id="anonymous")


def authenticate() -> None:
    """Set ``g.principal``. A ``before_request`` of blueprints.

    Raises ``AuthenticationError``, ``PermissionDeniedError`` for a key that may not be used
    from the client's address, ``RateLimitError`` where wrong ones come too often.
    """
    environ = request.environ
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return
    known = services()
    principal = _principal_of(environ, known.accounts) if known.settings.auth else _ANYONE
    g.principal = principal
    record: RequestRecord = g.record
    record.key = principal.name
    record.tenant = principal.tenant
    record.models = principal.models
    record.priority = principal.priority
    record.principal = principal
    address: str = environ.get("REMOTE_ADDR", "")
    if principal.allowed_ips and not is_allowed(address, principal.allowed_ips):
        raise PermissionDeniedError(
            "This API key may not be used from your address.", code="address_not_allowed"
        )


def require_admin() -> None:
    """``authenticate``, and raise ``PermissionDeniedError`` for a user's key."""
    authenticate()
    principal = g.get("principal")  # there is none for OPTIONS, which tells nothing
    if principal is not None and principal.role != "admin":
        raise PermissionDeniedError("This needs an admin's key.")


def _principal_of(environ: Mapping[str, Any], accounts: Accounts) -> Principal:
    key = _key_of(environ)
    if key is None:
        raise AuthenticationError(
            "You didn't provide an API key. Send it in the Authorization header, as "
            "'Authorization: Bearer YOUR_KEY'.",
        )
    accounts.live.follow()
    principal = accounts.authenticate(key)
    if principal is None:
        accounts.wrong_keys.note(environ.get("REMOTE_ADDR", ""))
        raise AuthenticationError("Incorrect API key provided.")
    return principal


def _key_of(environ: Mapping[str, Any]) -> str | None:
    """Return the key sent as Bearer, as Basic's password, ``x-api-key`` or ``api-key``."""
    scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "basic":
        return _password_of(credentials)
    if scheme.lower() != "bearer":
        credentials = environ.get("HTTP_X_API_KEY") or environ.get("HTTP_API_KEY") or ""
    # WSGI hands headers over as Latin-1, whatever they are.
    return credentials.strip().encode("latin-1", "replace").decode("utf-8", "replace") or None


def _password_of(credentials: str) -> str | None:
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except ValueError:  # neither base64 nor UTF-8
        return None
    return text.partition(":")[2] or None
