"""Who asks: the key of a request, however its client sends it.

Knows Flask and where keys lie in a request. Must not know where they are kept.
"""

from __future__ import annotations

import base64
import binascii

from flask import Request, g, request

from gateway.accounts.keys import Principal
from gateway.api.services import services
from gateway.errors import AuthenticationError

_ANYONE = Principal("anonymous", "admin")


def authenticate() -> None:
    """Set ``g.principal``; raises ``AuthenticationError``. A ``before_request`` of blueprints."""
    if request.method == "OPTIONS":
        return
    if not services().settings.auth:
        g.principal = _ANYONE
    else:
        g.principal = _principal_of(request)
    g.record.key = g.principal.name


def _principal_of(asking: Request) -> Principal:
    key = _key_of(asking)
    if key is None:
        raise AuthenticationError(
            "You didn't provide an API key. Send it in the Authorization header, as "
            "'Authorization: Bearer YOUR_KEY'.",
        )
    principal = services().key_ring.authenticate(key)
    if principal is None:
        raise AuthenticationError("Incorrect API key provided.")
    return principal


def _key_of(asking: Request) -> str | None:
    """Return the key sent as Bearer, as Basic's password, ``x-api-key`` or ``api-key``."""
    scheme, _, credentials = asking.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return _password_of(credentials)
    if scheme.lower() != "bearer":
        credentials = asking.headers.get("x-api-key") or asking.headers.get("api-key") or ""
    # WSGI hands headers over as Latin-1, whatever they are.
    return credentials.strip().encode("latin-1", "replace").decode("utf-8", "replace") or None


def _password_of(credentials: str) -> str | None:
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text.partition(":")[2] or None
