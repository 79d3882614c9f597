"""Signatures of requests (AWS Signature Version 4), made by botocore where it is installed.

Knows where credentials come from: the provider's settings, else botocore's own search
(profiles, roles of machines and containers). Must not know what a request says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway.config.settings import ProviderSettings
from gateway.errors import ConfigurationError, UpstreamError
from gateway.types import Signer

SERVICE = "bedrock"
DEFAULT_REGION = "us-east-1"

_REGION_IN_HOST = re.compile(r"\bbedrock-runtime[a-z-]*\.([a-z0-9-]+)\.")


def build_signer(settings: ProviderSettings) -> Signer | None:
    """Return what signs a provider's requests; None where an API key stands in its headers.

    Raises ``ConfigurationError`` where botocore is missing.
    """
    own_headers = {name.lower() for name in settings.headers}
    if settings.api_keys or "authorization" in own_headers:
        return None
    if bool(settings.access_key_id) != bool(settings.secret_access_key):
        raise ConfigurationError(
            f"provider {settings.name} needs both access_key_id and secret_access_key, or neither"
        )
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        from botocore.session import Session
    except ImportError:
        raise ConfigurationError(
            f"provider {settings.name} has no api_key, so its requests are signed, for which "
            "botocore is needed: pip install -r requirements-bedrock.txt"
        ) from None

    region = find_region(settings)
    given = None
    if settings.access_key_id and settings.secret_access_key:
        given = Credentials(
            settings.access_key_id, settings.secret_access_key, settings.session_token
        )
    session = Session()

    def sign(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Mapping[str, str]:
        credentials = given or session.get_credentials()
        if credentials is None:
            raise UpstreamError(
                "The gateway has no AWS credentials to sign requests with.", should_retry=False
            )
        request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
        SigV4Auth(credentials.get_frozen_credentials(), SERVICE, region).add_auth(request)
        return dict(request.headers.items())

    return sign


def find_region(settings: ProviderSettings) -> str:
    """Return the region to sign for: the configured one, that of the host, or the usual one."""
    if settings.region:
        return settings.region
    match = _REGION_IN_HOST.search(urlsplit(settings.base_url).hostname or "")
    return match[1] if match else DEFAULT_REGION
