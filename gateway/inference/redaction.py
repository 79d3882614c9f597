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
_KEY = re.compile(r"\b(?:(?:sk|gsk|xai|pplx|nvapi|hf|gw)[-_]|AIza|ya29\.)[A-Za-z0-9*._-]{8,}")
_URL = re.compile(r"\bhttps?://[^\s\"'<>]+")

_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,200}")
"""What a field or an error may be called, as in ``messages[0].content``."""


def redact_error(error: GatewayError, provider: ProviderSettings) -> GatewayError:
    """Redact what ``error`` quotes of an upstream, in place, and return it.

    ``type``, ``param`` and ``code`` are names: what doesn't look like one is left out.
    """
    error.message = redact(error.message, provider)
    if not _is_name(error.type, provider):
        error.type = error.default_type
    if error.param is not None and not _is_name(error.param, provider):
        error.param = None
    if error.code is not None and not _is_name(error.code, provider):
        error.code = error.default_code
    error.args = (error.message,)
    return error


def _is_name(text: str, provider: ProviderSettings) -> bool:
    return _NAME.fullmatch(text) is not None and redact(text, provider) == text


def redact(text: str, provider: ProviderSettings) -> str:
    """Return ``text`` without keys, addresses, and the provider's own URL and headers."""
    for secret in _secrets_of(provider):
        text = text.replace(secret, "[redacted]")
    text = _URL.sub(lambda match: _redact_url(match[0], provider), text)
    url = urlsplit(provider.base_url)
    # A single label, such as "ollama", may as well be a word of the message.
    host = url.hostname if url.hostname and "." in url.hostname else None
    for address in (url.netloc, host):
        if address:
            text = text.replace(address, "[address]")
    return _ADDRESS.sub("[address]", _KEY.sub("[redacted]", text))


def _secrets_of(provider: ProviderSettings) -> list[str]:
    """Return what must not be seen, the longest first: one may be a part of another."""
    values = [value.rpartition(" ")[2] for value in provider.headers.values()]
    signing = (provider.access_key_id, provider.secret_access_key, provider.session_token)
    known = (*provider.api_keys, *values, *filter(None, signing))
    secrets = {secret for secret in known if len(secret) >= 4}
    return sorted(secrets, key=len, reverse=True)


def _redact_url(url: str, provider: ProviderSettings) -> str:
    """Redact URLs of the provider's own host; links to documentation elsewhere may stay."""
    if urlsplit(url).hostname == urlsplit(provider.base_url).hostname:
        return "[address]"
    return url
