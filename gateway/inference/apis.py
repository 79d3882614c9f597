"""By which of its APIs a provider is asked, where it turned out to have or to want only one.

Knows what was found out, and for how long that holds. Must not know any API's format.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from gateway.config.settings import Api, Target
from gateway.providers.base import Provider
from gateway.transport import UnexpectedStatusError
from gateway.types import ChatCall

REMEMBERED_SECONDS = 600.0

logger = logging.getLogger("gateway.inference")


class Apis:
    """What upstreams turned out to have, for a while."""

    def __init__(self) -> None:
        self._chat_only: dict[str, float] = {}
        """Providers by name, until a point of ``time.monotonic()``."""

    def target_of(self, target: Target) -> Target:
        """Return the target with the API that its provider turned out to have, if it did."""
        until = self._chat_only.get(target.provider.name)
        if until is None or until < time.monotonic() or target.configured_api is not None:
            return target
        return replace(target, found_api="chat")

    def find_other(
        self, provider: Provider, target: Target, call: ChatCall, failure: UnexpectedStatusError
    ) -> Target | None:
        """Return the target by another API, None where its answer to ``call`` asks for none."""
        if target.api is not None:
            return None
        api: Api | None = provider.find_other_api(call, failure.status, failure.body)
        if api is None:
            return None
        name = target.provider.name
        logger.info("provider %s does not take this by one API, and is asked by: %s", name, api)
        if api == "chat":
            self._chat_only[name] = time.monotonic() + REMEMBERED_SECONDS
        return replace(target, found_api=api)
