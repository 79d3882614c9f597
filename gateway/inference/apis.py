"""By which of its APIs a provider is asked, where it turned out to have or to want only one.

Knows what was found out, and for how long that holds. Must not know any API's format.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from gateway.config.settings import Target
from gateway.providers.base import Provider
from gateway.transport import UnexpectedStatusError
from gateway.types import ChatCall

FIRST_SECONDS = 30.0
LONGEST_SECONDS = 600.0
"""A provider that may only have been disturbed is asked again soon, then after twice as long."""

logger = logging.getLogger("gateway.inference")


@dataclass(frozen=True)
class OtherWay:
    """A target by another API; ``is_sure``: its provider said that it has no other."""

    target: Target
    is_sure: bool


@dataclass(frozen=True)
class _Finding:
    """A provider is asked by chat ``until`` a point of ``time.monotonic()``."""

    until: float
    seconds: float


class Apis:
    """What upstreams turned out to have, for a while."""

    def __init__(self) -> None:
        self._chat_only: dict[str, _Finding] = {}
        """By the provider's name."""

    def target_of(self, target: Target) -> Target:
        """Return the target with the API that its provider turned out to have, if it did."""
        finding = self._chat_only.get(target.provider.name)
        if finding is None or finding.until < time.monotonic() or target.configured_api is not None:
            return target
        return replace(target, found_api="chat")

    def find_other(
        self, provider: Provider, target: Target, call: ChatCall, failure: UnexpectedStatusError
    ) -> OtherWay | None:
        """Return the target by another API, None where its answer to ``call`` asks for none."""
        if target.api is not None:
            return None
        found = provider.find_other_api(call, failure.status, failure.body)
        if found is None:
            return None
        name = target.provider.name
        logger.info("provider %s does not take this by one API: trying %s", name, found.api)
        return OtherWay(replace(target, found_api=found.api), found.is_sure)

    def remember(self, way: OtherWay) -> None:
        """Take note that ``way`` has led to an answer, where the provider has no other."""
        if way.target.found_api != "chat":
            return
        name, now = way.target.provider.name, time.monotonic()
        seconds = LONGEST_SECONDS if way.is_sure else self._next_seconds(name, now)
        self._chat_only[name] = _Finding(now + seconds, seconds)
        logger.info("provider %s is asked by chat completions for %d s", name, seconds)

    def _next_seconds(self, name: str, now: float) -> float:
        """Return for how long what may pass is believed: longer if it was found just before."""
        last = self._chat_only.get(name)
        if last is None or now > last.until + last.seconds:
            return FIRST_SECONDS
        if now < last.until:  # found by requests that were under way together
            return last.seconds
        return min(2 * last.seconds, LONGEST_SECONDS)
