"""Requests that may be sent again: one key, one answer.

Knows what a stored answer to an ``Idempotency-Key`` is, and that two requests with
the same key never run at once. Must not know HTTP frameworks, nor what a request is
for. A view uses it once it has read the body:

    key = parse_idempotency_key(header)
    begun = finish(idempotency.begin(tenant, key, path, body, wait))
    if isinstance(begun, Replay):
        return Response(begun.body, begun.status, begun.headers)  # with REPLAY_HEADER
    with begun:
        ...
        begun.store(status, headers, answer)    # or, for a stream, as its iterator:
        begun.recorded(pieces, headers, lambda: record.status == 200)

``finish`` is that of ``gateway.resilience.flight``. ``begin`` yields ``b""`` between looks
at an equal request that still runs; ``wait(seconds)`` is to raise when the client has
left or its time is out. A generator that never began runs no ``finally``: call
``begun.abandon()`` when the response is closed, too; it may be called at any time,
more than once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass

import orjson

from gateway.errors import ConflictError, InvalidRequestError
from gateway.resilience.flight import Flights, Lease, Wait
from gateway.state import State
from gateway.state.blobs import BlobStore

KEPT_SECONDS = 24 * 3600.0
"""For how long an answer is kept."""

MAX_KEPT_BYTES = 4 * 1024 * 1024
"""Longest answer that is kept, in bytes."""

REPLAY_HEADER = ("x-gateway-idempotent-replay", "true")
"""What a stored answer is marked with."""

_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")


def parse_idempotency_key(header: str | None) -> str | None:
    """Return the key of a request, None if it has none; raises ``InvalidRequestError``."""
    if header is None or _KEY.fullmatch(header):
        return header
    raise InvalidRequestError(
        f"The {_HEADER} header must be 1 to 255 visible ASCII characters, without spaces.",
        param=_HEADER,
        code="invalid_value",
    )


@dataclass(frozen=True)
class Replay:
    """A stored answer, to be sent as it was: a stream's ``body`` is all of its bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Run:
    """The right to run a request, held until its end. A context manager that abandons then."""

    def __init__(self, idempotency: Idempotency, lease: Lease) -> None:
        self._idempotency = idempotency
        self._lease: Lease | None = lease

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *raised: object) -> None:
        self.abandon()

    def store(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Keep a complete answer for those who ask again; only a success (2xx) is kept."""
        if self._lease is not None and 200 <= status < 300 and len(body) <= MAX_KEPT_BYTES:
            self._idempotency.put(self._lease, Replay(status, headers, body))
        self.abandon()

    def recorded(
        self,
        pieces: Iterator[bytes],
        headers: Mapping[str, str],
        ended_well: Callable[[], bool],
    ) -> Iterator[bytes]:
        """Pass a stream (200) through, and keep its bytes if it ``ended_well`` (asked at its end).

        ``headers`` are read only then. Raises what ``pieces`` raises.
        """
        with self:
            gathered: list[bytes] = []
            size = 0
            for piece in pieces:
                size += len(piece)
                if size <= MAX_KEPT_BYTES:
                    gathered.append(piece)
                else:
                    gathered.clear()
                yield piece
            if size <= MAX_KEPT_BYTES and ended_well():
                self.store(200, headers, b"".join(gathered))

    def abandon(self) -> None:
        """End the run: the next one who waits takes it up; without effect after ``store``."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._idempotency.flights.release(lease)


class Idempotency:
    """Answers by key, kept in ``blobs``; ``longest`` is how many seconds a request may take."""

    def __init__(self, blobs: BlobStore, state: State, *, longest: float = 900.0) -> None:
        self.flights = Flights(state, longest)
        self._blobs = blobs

    def begin(
        self, tenant: str, key: str, path: str, body: bytes, wait: Wait
    ) -> Generator[bytes, None, Replay | Run]:
        """Return the stored answer to ``tenant``'s ``key``, or the right to make one.

        Yields ``b""`` while a request with the same key runs. Raises ``ConflictError``
        if the key came with another path or body, ``StateUnavailableError`` where
        running twice can't be ruled out, and what ``wait`` raises.
        """
        place = "idempotency:" + hashlib.sha256(orjson.dumps([tenant, key])).hexdigest()
        fingerprint = hashlib.sha256(orjson.dumps(path) + b"\n" + body).hexdigest()
        while True:
            answer = self._stored(place, fingerprint)
            if answer is not None:
                return answer
            flight = self.flights.join(place, fingerprint)
            if isinstance(flight, Lease):
                return self._take_up(flight)
            _check_same(flight.note, fingerprint)
            for _ in self.flights.iter_waits(place, wait):
                yield b""

    def put(self, lease: Lease, answer: Replay) -> None:
        """Store what came of the request that ``lease`` was for."""
        head = orjson.dumps([lease.flight.note, answer.status, dict(answer.headers)])
        self._blobs.put(lease.key, b"%b\n%b" % (head, answer.body), KEPT_SECONDS)

    def _stored(self, place: str, fingerprint: str) -> Replay | None:
        blob = self._blobs.get(place)
        if blob is None:
            return None
        head, _, body = blob.data.partition(b"\n")
        known, status, headers = orjson.loads(head)
        _check_same(known, fingerprint)
        return Replay(status, headers, body)

    def _take_up(self, lease: Lease) -> Replay | Run:
        """Look once more, now that nobody can store an answer in between."""
        run = Run(self, lease)
        try:
            answer = self._stored(lease.key, lease.flight.note)
        except ConflictError:
            run.abandon()
            raise
        if answer is None:
            return run
        run.abandon()
        return answer


def _check_same(known: str, fingerprint: str) -> None:
    if known != fingerprint:
        raise ConflictError(
            f"This {_HEADER} was used before with another request (path or body). Send the "
            "same request again, or use a new key for a new request.",
            param=_HEADER,
            code="idempotency_key_reused",
        )
