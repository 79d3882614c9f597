"""Reservations in an LMDB transaction: the counters they hold, and who holds what.

Knows the layout. Must not know files, locks or errors of the disk. All times are
nanoseconds of the ``Clock`` that belongs to the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

import lmdb

from gateway.state.entries import NANOSECONDS, Entry, Table, encode_key
from gateway.state.reservation import Claim, Held, Kind, Refusal, Reservation, Unseeded

HELD = Table(b"r", b"z", grain=3600 * NANOSECONDS)
_RECORDS = b"h"
_COUNTER = struct.Struct(">qq")  # value, born
_NUMBER = struct.Struct(">Q")
_PART = struct.Struct(">qqBH")  # amount, born, kind, length of the key after it
_KINDS: tuple[Kind, ...] = ("window", "slots", "account")
_PRUNED_AT_ONCE = 2


def reserve(
    txn: lmdb.Transaction, claims: Sequence[Claim], owner: str, number: int, now: int
) -> tuple[Reservation | Refusal | Unseeded, bool]:
    """Take all ``claims`` or none; return what came of it, and whether a counter is new."""
    unseeded = []
    refusal = None
    found = []
    for claim in claims:
        name, length = encode_key(claim.key), int(claim.window * NANOSECONDS)
        entry = HELD.load(txn, name)
        if entry is not None and entry.is_running(now):
            (value, born), end = _COUNTER.unpack(entry.payload), entry.end
        else:
            value, born, end = claim.seed or 0, now, now + length
            if claim.kind == "account" and claim.seed is None:
                unseeded.append(claim.key)
        if claim.kind != "window":
            end = now + length
        amount = granted(claim, value)
        if amount is None:
            refusal = refusal or Refusal(claim, value, (end - now) / NANOSECONDS)
            amount = 0
        held = Held(claim, amount, value + amount, (end - now) / NANOSECONDS, born)
        found.append((name, entry, held, Entry(_COUNTER.pack(held.value, born), end, length)))
    if unseeded:
        return Unseeded(unseeded), False
    if refusal is not None:
        return refusal, False
    is_new = False
    for name, old, held, entry in found:
        HELD.store(txn, name, entry, old)
        is_new = is_new or held.born == now
    if is_new:
        HELD.prune(txn, now, _PRUNED_AT_ONCE)
    held_parts = [held for _, _, held, _ in found]
    txn.put(_record_key(owner, number), _pack(held_parts))
    return Reservation(number, owner, held_parts), is_new


def granted(claim: Claim, value: int) -> int | None:
    """Return how much of ``claim`` a counter at ``value`` has room for; None: not enough."""
    if claim.limit is None or value + claim.amount <= claim.limit:
        return claim.amount
    left = claim.limit - value
    return left if claim.least is not None and claim.least <= left else None


def settle(
    txn: lmdb.Transaction, reservation: Reservation, used: Sequence[int], now: int
) -> list[Held]:
    """Put what was ``used``, in the order of the claims, in place of what is held.

    What is settled already stays as it is. An account that was seeded anew meanwhile had
    what was reserved in its seed.
    """
    is_known = txn.delete(_record_key(reservation.owner, reservation.number))
    settled = []
    for held, amount in zip(reservation.held, used, strict=True):
        delta = amount - held.amount
        counter = _change(txn, held, delta, now, is_known=is_known)
        value, resets_in = counter or (amount, 0.0)
        settled.append(held._replace(amount=amount, value=value, resets_in=resets_in))
    return settled


def reap(txn: lmdb.Transaction, is_alive: Callable[[str], bool], now: int) -> None:
    """Settle what dead owners hold: slots come back, all else is used."""
    for owner in list(_iter_owners(txn)):
        if is_alive(owner.decode()):
            continue
        for key, record in _iter_records(txn, owner):
            for amount, born, kind, name in _unpack(record):
                if kind == "slots":
                    _add(txn, encode_key(name), -amount, born, now)
            txn.delete(key)


def _change(
    txn: lmdb.Transaction, held: Held, delta: int, now: int, *, is_known: bool
) -> tuple[int, float] | None:
    """Add ``delta`` to what is held, if it is to be; return the counter and its seconds left."""
    name = encode_key(held.claim.key)
    if is_known:
        born = None if held.claim.kind == "account" else held.born
        return _add(txn, name, delta, born, now)
    if held.claim.kind != "account":
        return None
    entry = HELD.load(txn, name)
    if entry is None or _COUNTER.unpack(entry.payload)[1] == held.born:
        return None
    return _add(txn, name, delta, None, now)


def _add(
    txn: lmdb.Transaction, name: bytes, delta: int, born: int | None, now: int
) -> tuple[int, float] | None:
    """Add ``delta`` to a counter that is there, of that birth; return it and its seconds left."""
    entry = HELD.load(txn, name)
    if entry is None or not entry.is_running(now):
        return None
    value, actual = _COUNTER.unpack(entry.payload)
    if born is not None and actual != born:
        return None
    value = max(0, value + delta)
    HELD.store(txn, name, Entry(_COUNTER.pack(value, actual), entry.end, entry.length), entry)
    return value, (entry.end - now) / NANOSECONDS


def _record_key(owner: str, number: int) -> bytes:
    return _RECORDS + owner.encode() + b"\0" + _NUMBER.pack(number)


def _pack(parts: Sequence[Held]) -> bytes:
    packed = []
    for held in parts:
        key = held.claim.key.encode("utf-8", "surrogatepass")
        kind = _KINDS.index(held.claim.kind)
        packed.append(_PART.pack(held.amount, held.born, kind, len(key)) + key)
    return b"".join(packed)


def _unpack(record: bytes) -> Iterator[tuple[int, int, Kind, str]]:
    position = 0
    while position < len(record):
        amount, born, kind, length = _PART.unpack_from(record, position)
        position += _PART.size
        key = record[position : position + length].decode("utf-8", "surrogatepass")
        position += length
        yield amount, born, _KINDS[kind], key


def _iter_owners(txn: lmdb.Transaction) -> Iterator[bytes]:
    """Yield each owner of a record once, by leaping from one to the next."""
    with txn.cursor() as cursor:
        found = cursor.set_range(_RECORDS)
        while found and cursor.key()[:1] == _RECORDS:
            owner = bytes(cursor.key()[1 : -_NUMBER.size - 1])
            yield owner
            found = cursor.set_range(_RECORDS + owner + b"\x01")


def _iter_records(txn: lmdb.Transaction, owner: bytes) -> list[tuple[bytes, bytes]]:
    prefix = _RECORDS + owner + b"\0"
    records = []
    with txn.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found and bytes(cursor.key()).startswith(prefix):
            records.append((bytes(cursor.key()), bytes(cursor.value())))
            found = cursor.next()
    return records
