"""The cache of answers to exact repeats of a request.

Knows what may be kept, for whom and for how long, and that of equal requests at the
same time one asks the model. Must not know HTTP frameworks, providers, or where
answers lie. A use case asks before it asks a model:

    found = yield from cache.look_up(question, wait)
    if isinstance(found, Hit):
        yield from iter_replayed(found.answer)      # or return found.answer, whole
        return
    with found:                                     # lets the next one lead if nothing is stored
        ...
        yield from found.recorded(batches, headers) # or found.store(completion, headers)

``look_up`` yields ``[]`` between looks at the answer that another request is making, as
all streams do that have nothing to say; ``wait(seconds)`` is to raise when the client
has left or its time is out. Whoever needs no pings reads it to its end with ``finish``.
``found.status`` is the value of ``x-gateway-cache``, a hit's ``age`` that of ``Age``. A
generator that never began runs no ``with``: call ``found.abandon()`` when the response
is closed, too; it may be called at any time, more than once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import orjson

from gateway.chunks import Gathering
from gateway.config.settings import CacheSettings
from gateway.resilience.cache_control import CacheControl, parse_cache_control
from gateway.resilience.cache_key import Operation, build_key, is_deterministic
from gateway.resilience.flight import Flight, Flights, Lease, Wait, finish
from gateway.serialization import dumps_ascii
from gateway.state import State, StateUnavailableError
from gateway.state.base import Change
from gateway.state.blobs import Blob
from gateway.state.noted_blobs import NotedBlobs
from gateway.types import Chunk, NativeChunk, NativeCompletion, NativeRequest, RawCompletion

__all__ = ["AnswerCache", "Hit", "Miss", "Question", "finish"]

MAX_STORED_BYTES = 4 * 1024 * 1024
"""Longest answer that is kept, in bytes."""

LANDED_SECONDS = 2.0
"""For how long a finished answer tells those who waited for it not to wait again."""

COMPLETE = ("stop", "length", "tool_calls", "function_call")
"""Finish reasons of complete answers; a content filter may decide otherwise next time."""


@dataclass(frozen=True)
class Question:
    """A request as the cache sees it.

    ``tenant`` is who asks, ``model`` the resolved public name, ``request`` the parsed
    body, ``cache_control`` the client's header ("" without one).
    """

    tenant: str
    operation: Operation
    model: str
    request: Mapping[str, Any]
    cache_control: str = ""


@dataclass(frozen=True)
class Hit:
    """A stored answer, ``age`` seconds old, with the ``headers`` it was stored with."""

    answer: dict[str, Any]
    headers: Mapping[str, str]
    age: int
    status: Literal["hit"] = "hit"


class Miss:
    """No stored answer: the work is the caller's. A context manager that abandons at its end.

    ``status`` is ``bypass`` where the cache has nothing to do with the request:
    everything may be called all the same, and stores nothing.
    """

    def __init__(self, cache: AnswerCache, key: str | None, lease: Lease | None = None) -> None:
        self.status: Literal["miss", "bypass"] = "bypass" if key is None else "miss"
        self._cache = cache
        self._key = key
        self._lease = lease

    def __enter__(self) -> Miss:
        return self

    def __exit__(self, *raised: object) -> None:
        self.abandon()

    def store(self, answer: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Keep a complete answer, unless it is one that must not be kept.

        Either way those who wait for it need not wait any more.
        """
        lease, self._lease = self._lease, None
        if lease is not None:
            self._cache.land(lease, answer, headers)
        elif self._key is not None:
            self._cache.put(self._key, answer, headers)

    def recorded(
        self, batches: Iterator[list[Chunk]], headers: Mapping[str, str]
    ) -> Iterator[list[Chunk]]:
        """Pass a stream through, and keep the answer it was once it has ended by itself.

        ``headers`` are read only then. Raises what ``batches`` raises.
        """
        if self._key is None:
            yield from batches
            return
        with self:
            gathering: Gathering | None = Gathering()
            for batch in batches:
                if gathering is not None and batch:
                    gathering = _with(gathering, batch)
                yield batch
            if gathering is not None:
                self.store(gathering.to_completion(), headers)
            else:
                self._land()

    def abandon(self) -> None:
        """Let the next one who waits for this answer lead; without effect after ``store``."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._cache.flights.release(lease)

    def _land(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            self._cache.flights.land(lease, LANDED_SECONDS)


class AnswerCache:
    """Answers kept in ``blobs`` as ``settings`` say; None: nothing is cached, whoever asks.

    ``longest`` is how many seconds a request may take.
    """

    def __init__(
        self,
        blobs: NotedBlobs,
        state: State,
        settings: CacheSettings | None,
        *,
        longest: float = 900.0,
    ) -> None:
        self.flights = Flights(state, longest, blobs.notes)
        self._blobs = blobs
        self._settings = settings
        self._ttl = 0.0 if settings is None else settings.ttl

    def look_up(self, question: Question, wait: Wait) -> Generator[list[Chunk], None, Hit | Miss]:
        """Return a stored answer, or the right to make one.

        Yields ``[]`` while another request makes it. Raises what ``wait`` raises.
        """
        control = parse_cache_control(question.cache_control)
        key = self._key(question, control)
        if key is None:
            return Miss(self, None)
        if control.no_cache or control.max_age == 0:
            return Miss(self, key)
        try:
            return (yield from self._join(key, control.max_age, wait))
        except StateUnavailableError:
            return Miss(self, None)

    def put(self, key: str, answer: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Store a complete answer; one that isn't, or is too long, is not stored."""
        data = self._encode(answer, headers)
        if data is not None:
            self._blobs.put(_blob_key(key), data, self._ttl)

    def land(self, lease: Lease, answer: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """End the lease, and store the answer as ``put`` does, in one step if that is possible."""
        data = self._encode(answer, headers)
        if data is None:
            self.flights.land(lease, LANDED_SECONDS)
            return

        def keep(note: str, change: Change[None], lifetime: float) -> None:
            self._blobs.keep(_blob_key(lease.key), data, self._ttl, note, change, lifetime)

        self.flights.land_by(keep, lease, LANDED_SECONDS)

    def _encode(self, answer: Mapping[str, Any], headers: Mapping[str, str]) -> bytes | None:
        """Return what is stored of an answer; None: it is not to be."""
        if self._settings is None or not _is_complete(answer):
            return None
        dialect = answer.dialect if isinstance(answer, NativeCompletion) else None
        body = answer.raw if isinstance(answer, RawCompletion) else dumps_ascii(answer)
        if isinstance(answer, NativeCompletion):
            body = b"%b\n%b" % (body, answer.raw)
        if len(body) > MAX_STORED_BYTES:
            return None
        head = orjson.dumps([isinstance(answer, RawCompletion), dialect, dict(headers)])
        return b"%b\n%b" % (head, body)

    def _key(self, question: Question, control: CacheControl) -> str | None:
        """Return the key under which the question's answer is kept, None if it is not to be."""
        if self._settings is None or control.no_store:
            return None
        is_eligible = (
            self._settings.when == "always"
            or control.max_age is not None
            or is_deterministic(question.operation, question.request)
        )
        if not is_eligible:
            return None
        operation: str = question.operation
        request = question.request
        if isinstance(request, NativeRequest):
            # A whole answer in that format, told again as a stream, would lose what only it says.
            operation = f"{request.dialect} {'stream' if request.get('stream') else 'whole'}"
            request = {**request.native, **request.native_headers}
        try:
            return build_key(question.tenant, operation, question.model, request)
        except RecursionError:
            return None

    def _join(
        self, key: str, max_age: int | None, wait: Wait
    ) -> Generator[list[Chunk], None, Hit | Miss]:
        oldest = inf if max_age is None else max_age + 1.0

        def find(
            note: str, change: Change[Lease | Flight], lifetime: float
        ) -> tuple[Blob | None, Lease | Flight | None]:
            return self._blobs.find(_blob_key(key), oldest, note, change, lifetime)

        while True:
            blob, flight = self.flights.join_by(find, key)
            if blob is not None:
                if isinstance(flight, Lease):
                    self.flights.release(flight)
                return _load_hit(blob)
            if isinstance(flight, Lease):
                return Miss(self, key, flight)
            if flight is None or flight.has_landed:  # what came of it could not be kept
                return Miss(self, key)
            for _ in self.flights.iter_waits(key, wait):
                yield []


def _load_hit(blob: Blob) -> Hit:
    head, _, body = blob.data.partition(b"\n")
    is_raw, dialect, headers = orjson.loads(head)
    return Hit(_load_answer(body, is_raw, dialect), headers, int(blob.age))


def _load_answer(body: bytes, is_raw: bool, dialect: str | None) -> dict[str, Any]:
    if dialect is not None:
        canonical, _, raw = body.partition(b"\n")
        native = NativeCompletion(orjson.loads(canonical))
        native.dialect, native.raw = dialect, raw
        return native
    answer: dict[str, Any] = orjson.loads(body)
    if is_raw:
        answer = RawCompletion(answer)
        answer.raw = body
    return answer


def _with(gathering: Gathering, batch: list[Chunk]) -> Gathering | None:
    """Add to what is gathered; None once the answer can't be kept."""
    if isinstance(batch[0], NativeChunk):
        return None  # what only the other API can say is in its bytes alone
    try:
        gathering.add(batch)
    except (AttributeError, KeyError, TypeError):
        return None  # an upstream's oddity, which must not cost its client the stream
    return gathering if gathering.is_whole and gathering.size <= MAX_STORED_BYTES else None


def _is_complete(answer: Mapping[str, Any]) -> bool:
    choices = answer.get("choices")
    if isinstance(choices, list):
        return bool(choices) and all(
            isinstance(choice, dict)
            and isinstance(choice.get("message"), dict)
            and choice.get("finish_reason") in COMPLETE
            for choice in choices
        )
    return bool(answer.get("data"))


def _blob_key(key: str) -> str:
    return f"answer:{key}"
