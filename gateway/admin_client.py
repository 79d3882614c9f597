"""Asking a running gateway for what only its admins may, from the machine it is on.

Knows the admin API. Must not know what the gateway does then. What opens connections
is imported when one is needed: the command line should be there at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.accounts.keys.admin_key import ADMIN_KEY_NAME, ensure_admin_key
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError

_SECONDS = 30.0


class GatewayUnreachableError(Exception):
    """The running gateway could not be asked; the message says why."""


@dataclass(frozen=True)
class ReloadAnswer:
    """``version`` is the one in force now; None where the old one stays, for ``problems``."""

    version: int | None
    problems: str = ""


def find_admin_key(settings: Settings) -> str | None:
    """Return a key with which to ask as admin; None where none is needed.

    Raises ``ConfigurationError`` where there is none.
    """
    if not settings.auth:
        return None
    if settings.admin_api_keys:
        return settings.admin_api_keys[0]
    if settings.gateway_api_keys:
        raise ConfigurationError("there is no admin key: set ADMIN_API_KEYS and start the gateway")
    path = settings.data_directory / ADMIN_KEY_NAME
    if not path.exists():
        raise ConfigurationError(f"there is no admin key in {path}: has the gateway been started?")
    return ensure_admin_key(path)


def post_reload(url: str, key: str | None) -> ReloadAnswer:
    """Have the gateway at ``url`` reload its configuration.

    Raises ``GatewayUnreachableError`` where it does not answer, or not as a gateway does.
    """
    import http.client

    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_SECONDS)
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        connection.request("POST", "/admin/reload", headers=headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status == 200:
            return ReloadAnswer(int(answer["version"]))
        refusal = answer["error"]["message"]
        if answer["error"]["code"] == "invalid_configuration":
            return ReloadAnswer(None, refusal)
    except (OSError, http.client.HTTPException) as error:
        raise GatewayUnreachableError(f"no gateway answers at {url}: {error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise GatewayUnreachableError(f"what answers at {url} is no gateway") from error
    finally:
        connection.close()
    raise GatewayUnreachableError(f"the gateway at {url} refused: {refusal}")
