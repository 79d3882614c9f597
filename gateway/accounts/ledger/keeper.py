"""The work behind the books: journals into the database, old rows away, warnings told.

Knows when it is to be done. Must not know how a warning is sent.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, select, text, update

from gateway.accounts.ledger.booking import HOUR
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.ledger.periods import DAY
from gateway.accounts.responses import stored_responses
from gateway.accounts.store import usage_tables as tables
from gateway.errors import GatewayError

Post = Callable[[str, bytes], bool]
"""Sends a JSON body to a URL; tells whether it was taken."""

DRAINED_EVERY = 0.25
"""Seconds after which a request that has ended stands in the database, at most."""

_LOOKED_AFTER_EVERY = 1.0
_PRUNED_EVERY = 3600
_PRUNED_AT_ONCE = 2000
_SET_BY = 600.0
"""Seconds by which a clock that nobody sets does not drift."""

_PRUNED = ":pruned"
"""The row of ``usage_journals`` that keeps when rows were pruned last, in Unix seconds."""

_PRUNE = text(
    "DELETE FROM usage_requests WHERE id IN "
    "(SELECT id FROM usage_requests WHERE created < :before LIMIT :most)"
)
logger = logging.getLogger("gateway.ledger")


class Keeper:
    """Does the work for ``ledger`` every now and then, from ``start`` on until it is gone.

    Single requests are kept for ``retention_days``, sums by hour, too; by day for ever.
    Stored responses have ends of their own.
    """

    def __init__(
        self, ledger: Ledger, retention_days: int, webhook_url: str | None, post: Post
    ) -> None:
        self._ledger = ledger
        self._retention = retention_days * DAY
        self._webhook_url = webhook_url
        self._post = post
        self._looked_after = 0.0
        self._prune_at = 0.0
        self._difference = time.time() - time.monotonic()

    def start(self) -> None:
        """Begin: a greenlet under gevent, else a thread; it ends with the process, or with us."""
        self._ledger.on_fork = self.start
        threading.Thread(target=_run, args=(weakref.ref(self),), daemon=True).start()

    def work(self) -> None:
        """Do what is due; raises ``GatewayError`` where the database can't be asked."""
        self._ledger.drain_own()
        now = time.monotonic()
        if now - self._looked_after < _LOOKED_AFTER_EVERY:
            return
        self._ledger.settle_dead()
        self._looked_after = now  # only now: what failed is tried again at once
        if self._webhook_url is not None:
            self._tell_warnings(self._webhook_url)
        self._mistrust_clock(now)
        if now >= self._prune_at:
            self._prune_at = now + _PRUNED_EVERY / 4
            self.prune()

    def _mistrust_clock(self, now: float) -> None:
        """Prune nothing for an hour after the clock was set: it may have been set wrong."""
        difference = time.time() - now
        if abs(difference - self._difference) > _SET_BY:
            self._difference = difference
            self._prune_at = now + _PRUNED_EVERY

    def prune(self, *, is_due: bool = False) -> None:
        """Delete what is older than it is to be kept, unless another process did so this hour."""
        now = int(time.time())
        if not is_due and not self._ledger.database.write(lambda c: _take_turn(c, now)):
            return
        before = now - self._retention

        def prune(connection: Connection) -> int:
            values = {"before": before * 1000, "most": _PRUNED_AT_ONCE}
            return connection.execute(_PRUNE, values).rowcount

        while self._ledger.database.write(prune) == _PRUNED_AT_ONCE:
            time.sleep(0.05)
        at_once = stored_responses.PRUNED_AT_ONCE
        while self._ledger.database.write(stored_responses.prune_responses) == at_once:
            time.sleep(0.05)
        self._ledger.database.write(lambda connection: _prune_hours(connection, before))

    def _tell_warnings(self, url: str) -> None:
        """Send the warnings that nobody has been told; one that is sent twice is the same."""
        table = tables.warnings
        untold = select(table.c.account, table.c.body).where(table.c.delivered_at.is_(None))
        for account, body in self._ledger.database.read(
            lambda connection: list(connection.execute(untold.limit(10)))
        ):
            if not self._post(url, json.dumps({"id": account, **json.loads(body)}).encode()):
                return
            self._ledger.database.write(partial(_note_delivery, account=account))


def _run(reference: weakref.ref[Keeper]) -> None:
    while True:
        keeper = reference()
        if keeper is None:
            return
        try:
            keeper.work()
        except (GatewayError, OSError):
            pass  # the database has said so; what is in the journals waits
        except Exception:
            logger.exception("the ledger failed")
        del keeper
        time.sleep(DRAINED_EVERY)


def _take_turn(connection: Connection, now: int) -> bool:
    """Return whether the caller is to prune now; nobody else is for an hour."""
    table = tables.journals
    row = select(table.c.position).where(table.c.name == _PRUNED).with_for_update()
    last: Any = connection.execute(row).scalar()
    if last is None:
        connection.execute(
            text(
                "INSERT INTO usage_journals (name, position) VALUES (:name, :now) "
                "ON CONFLICT (name) DO NOTHING"
            ),
            {"name": _PRUNED, "now": now},
        )
        return True
    if now - last < _PRUNED_EVERY and last <= now:
        return False
    connection.execute(update(table).where(table.c.name == _PRUNED).values(position=now))
    return True


def _note_delivery(connection: Connection, account: str) -> None:
    told = update(tables.warnings).where(tables.warnings.c.account == account)
    connection.execute(told.values(delivered_at=int(time.time())))


def _prune_hours(connection: Connection, before: int) -> None:
    table = tables.sums
    connection.execute(table.delete().where(table.c.period == HOUR, table.c.start < before))
    told = tables.warnings
    connection.execute(told.delete().where(told.c.created < before * 1000))
