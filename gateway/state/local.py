"""Shared state in a file on this machine, exact across all of its processes.

Knows what each operation does to the file and how that fails. Must not know what is kept.
"""

from __future__ import annotations

import itertools
import logging
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import lmdb

from gateway.state.base import Change, Counter, StateUnavailableError
from gateway.state.clock import Clock, load_clock
from gateway.state.counters import COUNTERS, increment_counter, read_counter
from gateway.state.entries import NANOSECONDS, encode_key
from gateway.state.file import MAP_SIZE, open_environment
from gateway.state.held import HELD, reap, reserve, settle
from gateway.state.owner import LOOKED_AT_EVERY, Liveness, is_running, load_owner
from gateway.state.reservation import Claim, Held, Refusal, Reservation, Unseeded
from gateway.state.shared_file import Operation, SharedFile
from gateway.state.values import VALUES, ChangeError, change_value, read_value

_CHECK = b"\0check"
_PRUNED_AT_ONCE = 16
_PRUNINGS_WHEN_FULL = 20
_USABLE = 0.75
_REAPED_EVERY = 1.0
_log = logging.getLogger("gateway.state")
_Result = TypeVar("_Result")


class LocalState:
    """A ``State`` in the file ``path``, which is made with its directory at the first use."""

    def __init__(self, path: Path, *, clock: Clock | None = None, map_size: int = MAP_SIZE) -> None:
        self._path = path
        self._clock = clock or load_clock()
        self._map_size = map_size
        self._file = SharedFile(
            path, self._clock, lambda: open_environment(path, self._clock, map_size)
        )
        self._liveness = Liveness(is_running)
        self._is_failing = False
        self._numbers = itertools.count(1)
        self._reaped_at = 0.0

    def increment(
        self, key: str, window: float, amount: int = 1, limit: int | None = None
    ) -> Counter:
        """See ``State.increment``."""
        name, length = encode_key(key), int(window * NANOSECONDS)

        def increment(txn: lmdb.Transaction, now: int) -> Counter:
            counter = increment_counter(txn, name, length, amount, limit, now)
            if counter.value == amount:  # a new window
                self._require_room(txn)
            return counter

        return self._run(increment)

    def read(self, key: str) -> Counter | None:
        """See ``State.read``."""
        name = encode_key(key)
        return self._run(lambda txn, now: read_counter(txn, name, now))

    def clear(self, key: str) -> None:
        """See ``State.clear``."""
        name = encode_key(key)
        self._run(lambda txn, now: COUNTERS.delete(txn, name))

    def reset(self) -> None:
        """See ``State.reset``."""

        def reset(txn: lmdb.Transaction, now: int) -> None:
            for name in list(COUNTERS.iter_keys(txn)):
                COUNTERS.delete(txn, name)

        self._run(reset)

    def update(self, key: str, change: Change[_Result], lifetime: float) -> _Result:
        """See ``State.update``; ``change`` runs once, while this process holds the lock."""
        name, length = encode_key(key), int(lifetime * NANOSECONDS)

        def update(txn: lmdb.Transaction, now: int) -> _Result:
            result, has_grown = change_value(txn, name, change, length, now)
            if has_grown:
                self._require_room(txn)
            return result

        try:
            return self._run(update)
        except ChangeError as failed:
            raise failed.error from None

    def get(self, key: str) -> bytes | None:
        """See ``State.get``."""
        name = encode_key(key)
        return self._run(lambda txn, now: read_value(txn, name, now))

    def reserve(self, claims: Sequence[Claim]) -> Reservation | Refusal | Unseeded:
        """See ``State.reserve``; who is refused is not refused for the sake of the dead."""
        number, owner = next(self._numbers), load_owner()

        def take(txn: lmdb.Transaction, now: int) -> Reservation | Refusal | Unseeded:
            self._reap(txn, now, _REAPED_EVERY)
            outcome, is_new = reserve(txn, claims, owner, number, now)
            if isinstance(outcome, Refusal) and self._reap(txn, now, LOOKED_AT_EVERY):
                outcome, is_new = reserve(txn, claims, owner, number, now)
            if is_new:
                self._require_room(txn)
            return outcome

        return self._run(take)

    def settle(self, reservation: Reservation, used: Sequence[int]) -> list[Held]:
        """See ``State.settle``."""
        return self._run(lambda txn, now: settle(txn, reservation, used, now))

    def forget(self, keys: Sequence[str]) -> None:
        """See ``State.forget``."""
        names = [encode_key(key) for key in keys]

        def forget(txn: lmdb.Transaction, now: int) -> None:
            for name in names:
                HELD.delete(txn, name)

        self._run(forget)

    def now(self) -> float:
        """See ``State.now``: seconds since this machine's boot."""
        return self._clock.now() / NANOSECONDS

    @property
    def owner(self) -> str:
        """See ``State.owner``."""
        return load_owner()

    def is_alive(self, owner: str) -> bool:
        """See ``State.is_alive``; a process of another machine is not."""
        return self._liveness.is_alive(owner)

    def check(self) -> bool:
        """See ``State.check``; writes, so that a full disk is found."""
        self._run(lambda txn, now: txn.put(_CHECK, now.to_bytes(8, "big")))
        return True

    def close(self) -> None:
        """See ``State.close``."""
        self._file.close()

    def _run(self, operation: Operation[_Result]) -> _Result:
        """Run ``operation`` in a transaction; say so once when that stops or works again."""
        try:
            try:
                result = self._file.run(operation)
            except lmdb.MapFullError:
                self._make_room()
                result = self._file.run(operation)
        except (OSError, lmdb.Error, struct.error) as error:
            if not self._is_failing:
                _log.error("%s can't be used: %s", self._path, error)
            self._is_failing = True
            is_full = isinstance(error, lmdb.MapFullError)
            what = "is full" if is_full else "can't be written"
            raise StateUnavailableError(f"The gateway's shared state {what}") from error
        if self._is_failing:
            _log.warning("%s can be used again", self._path)
            self._is_failing = False
        return result

    def _reap(self, txn: lmdb.Transaction, now: int, every: float) -> bool:
        """Settle what the dead hold, unless that was done within ``every`` seconds."""
        if time.monotonic() - self._reaped_at < every:
            return False
        self._reaped_at = time.monotonic()
        reap(txn, self.is_alive, now)
        return True

    def _make_room(self) -> None:
        """Remove what has ended, a little at a time: that too takes room until committed."""

        def prune(txn: lmdb.Transaction, now: int) -> int:
            return sum(table.prune(txn, now, _PRUNED_AT_ONCE) for table in (COUNTERS, VALUES, HELD))

        for _ in range(_PRUNINGS_WHEN_FULL):
            if not self._file.run(prune):
                return

    def _require_room(self, txn: lmdb.Transaction) -> None:
        """Raise lmdb.MapFullError if the tree takes more than its share of the file.

        A file that is really full can't even delete: LMDB copies the pages it changes.
        """
        stat = txn.stat()
        pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
        if pages * stat["psize"] > self._map_size * _USABLE:
            raise lmdb.MapFullError("the share of the file that may be used is used")
