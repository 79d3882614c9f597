"""Places at scarce targets: waiting for one, fairly, while the client is kept informed.

Knows which limits hold for a target. Must not know how a line orders who waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from gateway.config.settings import Target, TargetSettings
from gateway.errors import ServiceUnavailableError
from gateway.resilience.line import Lines, Ticket
from gateway.telemetry import RequestRecord
from gateway.transport import Watch
from gateway.types import Chunk

UNLIMITED = 2**31


class Places:
    """Places at providers and targets, over all processes that share ``lines``.

    ``limited`` are the targets with limits of their own; those of ``counted`` have
    none, but their open requests are counted.
    """

    def __init__(
        self, lines: Lines, limited: Mapping[str, TargetSettings], counted: frozenset[str]
    ) -> None:
        self._lines = lines
        self._limited = limited
        self._counted = counted

    def iter_take(
        self, target: Target, watch: Watch, record: RequestRecord, stack: ExitStack
    ) -> Iterator[list[Chunk]]:
        """Wait for a place at ``target``, yielding ``[]`` meanwhile; ``stack`` gives it back.

        Raises ``ServiceUnavailableError`` where too many wait already.
        """
        for line, limit, most in self._limits(target):
            ticket = self._lines.enter(line, record.tenant, record.priority, limit, most)
            if ticket is None:
                raise ServiceUnavailableError(
                    "Too many requests are waiting for this model already.",
                    code="queue_full",
                    retry_after=self._lines.retry_after(line),
                )
            stack.callback(ticket.leave)
            yield from _iter_wait(ticket, watch, record)

    def open_requests(self, targets: Sequence[Target]) -> dict[str, int]:
        """Return, by target's name, how many requests it has or that wait for it."""
        return {each.name: sum(self._lines.counts(f"target:{each.name}")) for each in targets}

    def _limits(self, target: Target) -> Iterator[tuple[str, int, int]]:
        own = self._limited.get(target.name)
        if own is not None and own.max_concurrency is not None:
            yield f"target:{target.name}", own.max_concurrency, own.max_queue
        elif target.name in self._counted:
            yield f"target:{target.name}", UNLIMITED, 0
        if target.provider.max_concurrency is not None:
            limit, most = target.provider.max_concurrency, target.provider.max_queue
            yield f"provider:{target.provider.name}", limit, most


def _iter_wait(ticket: Ticket, watch: Watch, record: RequestRecord) -> Iterator[list[Chunk]]:
    place = ticket.place()
    if not place:
        return
    began = time.monotonic()
    try:
        while place:
            watch.note = f"queued {place}"
            watch.wait([], time.monotonic() + ticket.poll_seconds)
            yield []
            place = ticket.place()
    finally:
        watch.note = ""
        record.queued += time.monotonic() - began
