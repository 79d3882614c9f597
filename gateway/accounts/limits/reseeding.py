"""When the counter of a budget is no longer to be believed, and begins anew with the books.

Knows shared state, and when budgets were given. Must not know the books.

What was used while a key had no budget is in the books, but in no counter; so the counter
of a budget that was taken away and given again would miss it. Each change of a key or
an owner has its counters begin anew, and again a little later: other workers
let requests in without the budget for up to a second, and of what was under way without it, what
was reserved counts until it has ended.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence

from gateway.accounts.limits.claims import Share
from gateway.state import State

AGAIN_AFTER = [2.0, 60.0, 1000.0]
"""Seconds after a change when a counter begins anew once more: when all workers know of it, when
most requests that were under way have ended, and when all have."""

_REMEMBERED = 40 * 86400.0
_MOST_KNOWN = 20_000


class Reseeding:
    """Has counters in ``state`` begin anew once for each change, whoever comes first."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, tuple[float, int]] = {}

    def renew(self, shares: Sequence[Share], now: float) -> None:
        """Forget the counters of budgets that were given since they began; ``now`` is Unix time.

        Raises ``StateUnavailableError``.
        """
        for share in shares:
            if share.budget is None or not share.given_at:
                continue
            turn = share.given_at, bisect(AGAIN_AFTER, now - share.given_at)
            account = share.claim.key
            if self._known.get(account) != turn:
                self._renew(account, "{} {}".format(*turn).encode())
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[account] = turn

    def _renew(self, account: str, turn: bytes) -> None:
        """Forget a counter unless it has begun anew for that turn already."""

        def take(old: bytes | None) -> tuple[bytes, bool]:
            return (old, False) if old == turn else (turn, True)

        if self._state.update(f"seeded:{account}", take, _REMEMBERED):
            self._state.forget([account])
