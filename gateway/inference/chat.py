"""One chat between the cache and its targets: whole, or as one run of batches.

Knows journeys and the cache. Must not know providers, dialects or HTTP frameworks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from gateway.inference.asked import Asked, asked_at, asked_of, stored_headers
from gateway.inference.journey import Journey
from gateway.inference.metering import metered, record_completion
from gateway.resilience.cache import AnswerCache, Hit, Miss, Question, finish
from gateway.resilience.flight import Wait
from gateway.resilience.replay import iter_replayed
from gateway.telemetry import RequestRecord
from gateway.transport import Watch
from gateway.types import ChatCompletion, Chunk


class Chat:
    """A chat under way. ``close`` may be called at any time, more than once.

    ``depart`` begins the journey to a target, where the cache has no answer; ``settle`` is
    called at the end of a stream.
    """

    def __init__(
        self,
        cache: AnswerCache,
        question: Question,
        depart: Callable[[], Journey],
        watch: Watch,
        record: RequestRecord,
        settle: Callable[[], None],
        *,
        with_content: bool,
    ) -> None:
        self._cache = cache
        self._question = question
        self._depart = depart
        self._watch = watch
        self._record = record
        self._settle = settle
        self._with_content = with_content
        self._hit: Hit | None = None
        self._miss: Miss | None = None
        self._journey: Journey | None = None

    @property
    def has_begun(self) -> bool:
        """Whether something was said."""
        return self._record.first_token is not None

    @property
    def asked(self) -> Asked:
        """Who answers, as far as is known."""
        if self._hit is not None:
            return asked_of(self._hit)
        if self._journey is not None and self.has_begun:
            return asked_at(self._journey)
        return Asked("", "")

    def complete(self) -> tuple[Asked, ChatCompletion]:
        """Return the whole answer and who gave it; raises ``GatewayError``."""
        found = finish(self._cache.look_up(self._question, waiting(self._watch)))
        self._record.cache = found.status
        if isinstance(found, Hit):
            record_completion(found.answer, self._record, self._with_content)
            return asked_of(found), found.answer
        with found:
            journey = self._journey = self._depart()
            completion = journey.complete()
            self._record.note_first_token()
            record_completion(completion, self._record, self._with_content)
            found.store(completion, stored_headers(journey))
            return asked_at(journey), completion

    def iter_batches(self) -> Iterator[list[Chunk]]:
        """Yield the answer's chunks, ``[]`` while none comes; raises ``GatewayError``."""
        found = yield from self._cache.look_up(self._question, waiting(self._watch))
        self._record.cache = found.status
        if isinstance(found, Hit):
            self._hit = found
            self._record.note_first_token()
            yield from metered(iter_replayed(found.answer), self._record, self._with_content)
            self._settle()
            return
        self._miss = found
        journey = self._journey = self._depart()
        batches = metered(journey.iter_batches(), self._record, self._with_content)
        headers: dict[str, str] = {}
        for batch in found.recorded(batches, headers):
            if not headers and self.has_begun:
                headers.update(stored_headers(journey))
            yield batch
        # Before the client is told that this is the end: what it knows of, the books have.
        self._settle()

    def close(self, *, finished: bool = False) -> None:
        """Let go of everything; ``finished``: the batches have ended by themselves."""
        if self._journey is not None:
            self._journey.close(finished=finished)
        if self._miss is not None:
            self._miss.abandon()


class ChatAnswer:
    """A chat's answer as a stream: who gives it, as far as is known, and what is to come."""

    def __init__(self, chat: Chat, batches: Iterator[list[Chunk]]) -> None:
        self.asked = chat.asked
        self.batches = batches
        self.close = chat.close


def begin_stream(chat: Chat, watch: Watch) -> ChatAnswer:
    """Return a chat's answer once its first content has come, or a ping is due.

    Until then every failure is raised; afterwards it is raised by the batches.
    """
    batches = chat.iter_batches()
    held: list[Chunk] = []
    try:
        for batch in batches:
            held += batch
            if chat.has_begun or time.monotonic() >= watch.next_ping:
                break
    except BaseException:
        chat.close()
        raise
    return ChatAnswer(chat, _prepended(held, batches))


def waiting(watch: Watch) -> Wait:
    """Return how to wait for a while, with an eye on the client."""

    def wait(seconds: float) -> None:
        watch.wait([], time.monotonic() + seconds)

    return wait


def _prepended(held: list[Chunk], batches: Iterator[list[Chunk]]) -> Iterator[list[Chunk]]:
    yield held
    yield from batches
