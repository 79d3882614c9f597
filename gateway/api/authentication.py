"""Who asks: the key of a request, however its client sends it.

Knows Flask and where keys lie in a request. Must not know where they are kept.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from flask import g, request

from gateway.accounts.keys import KeyRing, Principal
from gateway.api.services import services
from gateway.errors import AuthenticationError

_ANYONE = Principal("anonymous", "admin", "anonymous")


def authenticate() -> None:
    """Set ``g.principal``; raises ``AuthenticationError``. A ``before_request`` of blueprints."""
    environ = request.environ
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return
    known = services()
    principal = _principal_of(environ, known.key_ring) if known.settings.auth else _ANYONE
    g.principal = principal
    g.record.key = principal.name
    g.record.tenant = principal.tenant


def _principal_of(environ: Mapping[str, Any], key_ring: KeyRing) -> Principal:
    key = _key_of(environ)
    if key is None:
        raise AuthenticationError(
            "You didn't provide an API key. Send it in the Authorization header, as "
            "'Authorization: Bearer YOUR_KEY'.",
        )
    principal = key_ring.authenticate(key)
    if principal is None:
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
