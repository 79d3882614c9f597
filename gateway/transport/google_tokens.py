"""Tokens of Google Cloud, as long as they hold, for a provider without an API key.

Knows google-auth, an optional dependency: service accounts, and what a machine in
Google Cloud has by itself. Must not know what the tokens are used for.
"""

from __future__ import annotations

import threading
from typing import Any

from gateway.config.settings import ProviderSettings
from gateway.errors import ConfigurationError, UpstreamError

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class GoogleTokens:
    """An endless iterator of ``Bearer …``, the same text until the token has to be renewed.

    Raises ``ConfigurationError`` where google-auth is not installed or the
    credentials can't be read, and ``UpstreamError`` where Google gives no token.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._credentials: Any = None

    def __iter__(self) -> GoogleTokens:
        return self

    def __next__(self) -> str:
        with self._lock:
            if self._credentials is None:
                self._credentials = _load(self._settings)
            if not self._credentials.valid:
                _renew(self._credentials)
            return f"Bearer {self._credentials.token}"


def check_google_auth(settings: ProviderSettings) -> None:
    """Raise ``ConfigurationError`` where what a provider needs for its tokens isn't there."""
    try:
        import google.auth  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            f"The provider {settings.name} has no api_key, and its credentials need google-auth: "
            "run `pip install -r requirements-vertex.txt`, or give an api_key."
        ) from None


def _load(settings: ProviderSettings) -> Any:
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2.service_account import Credentials

    try:
        if settings.credentials_file is not None:
            return Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
                settings.credentials_file, scopes=_SCOPES
            )
        return google.auth.default(scopes=_SCOPES)[0]
    except (GoogleAuthError, OSError, ValueError) as error:
        raise UpstreamError(
            f"The provider `{settings.name}` has no credentials that can be used.",
            should_retry=False,
        ) from error


def _renew(credentials: Any) -> None:
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        credentials.refresh(Request())
    except (GoogleAuthError, OSError) as error:
        raise UpstreamError("Google gave no token for the provider's credentials.") from error
