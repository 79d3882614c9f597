"""Taking out of an upstream's words what clients must not see.

Knows what secrets and addresses look like. Must not know any provider's format.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from gateway.config.settings import ProviderSettings
from gateway.errors import GatewayError

_ADDRESS = re.compile(
    r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b|\[[0-9a-fA-F:]{2,39}\](?::\d{1,5})?"
)
_KEY = re.compile(r"\b(?:sk|gsk|xai|pplx|nvapi|hf|gw|AIza)[-_][A-Za-z0-9*._-]{8,}")
_URL = re.compile(r"\bhttps?://[^\s\"'<>]+")


def redact_error(error: GatewayError, provider: ProviderSettings) -> GatewayError:
    """Redact the message of ``error`` in place and return it."""
    error.message = redact(error.message, provider)
    error.args = (error.message,)
    return error


def redact(text: str, provider: ProviderSettings) -> str:
    """Return ``text`` without keys, addresses, and the provider's own URL and headers."""
    for secret in (*provider.api_keys, *provider.headers.values()):
        if len(secret) >= 4:
            text = text.replace(secret, "[redacted]")
    text = _URL.sub(lambda match: _redact_url(match[0], provider), text)
    netloc = urlsplit(provider.base_url).netloc
    if netloc:
        text = text.replace(netloc, "[address]")
    return _ADDRESS.sub("[address]", _KEY.sub("[redacted]", text))


def _redact_url(url: str, provider: ProviderSettings) -> str:
    """Redact URLs of the provider's own host; links to documentation elsewhere may stay."""
    if urlsplit(url).hostname == urlsplit(provider.base_url).hostname:
        return "[address]"
    return url
