"""One client's request on its way along its route: attempts, retries, fallbacks, waiting.

Knows targets, breakers, lines and when an attempt may be followed by another. Must
not know any one provider's or dialect's format, nor HTTP frameworks.

What has not been said to the client yet can be done again elsewhere, unseen: an
attempt's chunks are held back until the first that says something.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from gateway.chunks import Gathering, has_content
from gateway.config.settings import Target
from gateway.errors import (
    ClientDisconnectedError,
    GatewayError,
    RestartingError,
    ServiceUnavailableError,
)
from gateway.inference.attempt import Attempt
from gateway.inference.loading import Loading
from gateway.inference.places import Places
from gateway.resilience.breaker import Admission, Breakers
from gateway.resilience.retry import RetryPolicy, is_retryable, is_targets_failure
from gateway.telemetry import RequestRecord
from gateway.transport import Watch
from gateway.types import ChatCompletion, Chunk

StartAttempt = Callable[[Target, float], Attempt]
"""Makes an attempt at a target, which may take so many seconds to begin its answer."""

_OTHER_TARGET_MAY_DO = frozenset({"unsupported_parameter", "unsupported_value", "model_not_found"})


class Journey:
    """A request under way, and what has become of it so far.

    ``target`` and ``attempt`` are the last ones tried. ``is_whole``: the client is told
    nothing until an attempt has succeeded. ``is_timed``: the time to the first token
    is to be remembered.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        start: StartAttempt,
        watch: Watch,
        record: RequestRecord,
        breakers: Breakers,
        places: Places,
        loading: Loading,
        *,
        is_whole: bool,
        is_timed: bool,
    ) -> None:
        self.target = targets[0]
        self.attempt: Attempt | None = None
        self._targets = targets
        self._start = start
        self._watch = watch
        self._record = record
        self._breakers = breakers
        self._places = places
        self._loading = loading
        self._is_whole = is_whole
        self._is_timed = is_timed
        self._is_committed = False
        self._gathered: ChatCompletion | None = None

    @property
    def dropped_params(self) -> tuple[str, ...]:
        """Names of what was asked and can't be honoured by the last target."""
        return self.attempt.dropped_params if self.attempt is not None else ()

    @property
    def limits(self) -> Mapping[str, str]:
        """What the last target's provider says of its own limits, as headers for the client."""
        return self.attempt.limits if self.attempt is not None else {}

    @property
    def answer(self) -> dict[str, Any] | None:
        """The whole answer, where one was asked for."""
        if self.attempt is None or self.attempt.answer is None:
            return self._gathered
        return self.attempt.answer

    def iter_batches(self) -> Iterator[list[Chunk]]:
        """Yield the chunks of the first attempt that gets somewhere, ``[]`` while none does.

        Raises the error of the last attempt, or of the one that broke off in the
        middle of what the client has seen.
        """
        left = list(self._targets)
        while left:
            target = left.pop(0)
            try:
                yield from self._try_target(target, left)
                return
            except GatewayError as error:
                left = _able_to_take_over(error, target, left)
                if self._is_committed or not left:
                    raise

    def complete(self) -> dict[str, Any]:
        """Return the first whole answer that an attempt gets; raises as ``iter_batches``."""
        try:
            for _ in self.iter_batches():
                pass
        except BaseException:
            self.close()
            raise
        self.close(finished=True)
        return self.answer or {}

    def close(self, *, finished: bool = False) -> None:
        """Let go of the upstream; ``finished``: the batches have ended by themselves."""
        if self.attempt is not None:
            self.attempt.close(finished=finished)

    def _try_target(self, target: Target, following: Sequence[Target]) -> Iterator[list[Chunk]]:
        """Try a target; with another one left once, else as often as its retries allow."""
        policy = RetryPolicy(0 if following else target.provider.max_retries)
        tried = 0
        is_retry = False
        while True:
            try:
                yield from self._attempt_once(target, following, is_retry=is_retry)
                return
            except GatewayError as error:
                is_pause = isinstance(error, _PauseError)
                if self._is_committed or not (is_pause or is_retryable(error)):
                    raise
                delay = policy.delay(tried, error.retry_after, random.random)
                if delay is None or time.monotonic() + delay >= self._watch.deadline:
                    raise
                if not is_pause and not self._breakers.may_retry(target.name):
                    raise
                is_retry = is_retry or not is_pause
            tried += 1
            yield from self._pause(delay)

    def _attempt_once(
        self, target: Target, following: Sequence[Target], *, is_retry: bool
    ) -> Iterator[list[Chunk]]:
        self.target = target
        self._record.provider, self._record.upstream_model = target.provider.name, target.model
        admission = self._breakers.admit(target.name, is_retry=is_retry)
        if admission is None:
            raise self._refusal(target)
        with ExitStack() as stack:
            stack.callback(admission.abandoned)
            entry = stack.enter_context(self._record.attempt(target.name))
            try:
                yield from self._places.iter_take(target, self._watch, self._record, stack)
                first_byte = yield from self._loading.iter_begin(target, self._watch, following)
                yield from self._run(target, first_byte, admission)
            except GatewayError as error:
                entry.status = error.status
                raise
            entry.status = 200
            admission.succeeded(entry.time_to_answer() if self._is_timed else None)

    def _refusal(self, target: Target) -> ServiceUnavailableError:
        retry_after = self._breakers.retry_after(target.name)
        if self._breakers.has_asked_for_pause(target.name):
            message = "The provider has asked to be left alone for a while."
            return _PauseError(message, code="circuit_open", retry_after=retry_after)
        message = "The provider has failed too often just now: it is left alone for a while."
        return ServiceUnavailableError(message, code="circuit_open", retry_after=retry_after)

    def _run(
        self, target: Target, first_byte: float, admission: Admission
    ) -> Iterator[list[Chunk]]:
        attempt = self.attempt = self._start(target, first_byte)
        batches = attempt.iter_batches()
        try:
            if self._is_whole:
                yield from self._gather(batches)
            else:
                yield from self._pass_on(batches, admission)
        except BaseException as error:
            self._watch.note = ""
            attempt.close()
            if isinstance(error, GatewayError) and is_targets_failure(error):
                admission.failed(error.retry_after)
            raise

    def _gather(self, batches: Iterator[list[Chunk]]) -> Iterator[list[Chunk]]:
        """Keep what comes, for nothing is said before it is whole."""
        gathering = Gathering()
        has_begun = False
        for batch in batches:
            if batch:
                gathering.add(batch)
                self._record.chunks += len(batch)
                if not has_begun and any(map(has_content, batch)):
                    has_begun = True
                    self._record.note_first_token()
            yield []
        self._gathered = gathering.to_completion()

    def _pass_on(
        self, batches: Iterator[list[Chunk]], admission: Admission
    ) -> Iterator[list[Chunk]]:
        """Hold chunks back until one says something, then pass them on as they come."""
        held: list[Chunk] = []
        for batch in batches:
            held += batch
            if batch and any(map(has_content, batch)):
                break
            yield []
        self._is_committed = True
        self._watch.note = ""
        self._record.note_first_token()
        if admission.probe is not None:
            # Others wait for it to end, and a stream may be long.
            admission.succeeded()
        yield held
        yield from batches

    def _pause(self, seconds: float) -> Iterator[list[Chunk]]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._watch.wait([], until)
            yield []


class _PauseError(ServiceUnavailableError):
    """503: the target has asked for a pause, which may be short enough to be waited for."""


def _able_to_take_over(
    error: GatewayError, target: Target, following: Sequence[Target]
) -> list[Target]:
    """Return those that may do better: none with what is the client's own fault."""
    if isinstance(error, ClientDisconnectedError | RestartingError):
        return []
    if error.code == "request_timeout":
        return []
    if error.code == "context_length_exceeded":
        return [each for each in following if _has_longer_context(each, target)]
    if error.code in _OTHER_TARGET_MAY_DO or error.status in (404, 408, 409, 429):
        return list(following)
    return list(following) if error.status >= 500 else []


def _has_longer_context(one: Target, other: Target) -> bool:
    """Compare what is configured; what isn't known may be longer."""
    if one.context_length is None or other.context_length is None:
        return True
    return one.context_length > other.context_length
