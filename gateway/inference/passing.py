"""An operation passed through: its answer as pieces, and what it tells of tokens.

Knows journeys and how OpenAI's answers carry usage. Must not know what else is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from gateway.inference.asked import Asked, asked_at
from gateway.inference.journey import Journey
from gateway.inference.passthrough_attempt import PassthroughAttempt
from gateway.serialization import loads_lenient
from gateway.telemetry import RequestRecord
from gateway.types import Chunk, Usage

MAX_READ_BYTES = 4 * 1024 * 1024
"""Longest JSON answer that is read for its usage."""


class PassedAnswer:
    """An answer whose first piece has come; ``settle`` is called when its last one has.

    ``close`` may be called more than once.
    """

    def __init__(self, journey: Journey, record: RequestRecord, settle: Callable[[], None]) -> None:
        self._journey = journey
        self._record = record
        self._settle = settle
        self._batches = journey.iter_batches()
        self._held: list[Chunk] = []
        try:
            for batch in self._batches:
                self._held += batch
                if self._held:
                    break
        except BaseException:
            self.close()
            raise

    @property
    def asked(self) -> Asked:
        """Who answers."""
        return asked_at(self._journey)

    @property
    def content_type(self) -> str:
        """The answer's media type, as the upstream says."""
        attempt = self._journey.attempt
        return attempt.content_type if isinstance(attempt, PassthroughAttempt) else ""

    def iter_pieces(self) -> Iterator[bytes]:
        """Yield the answer's bytes as they come; raises ``GatewayError`` where it breaks off."""
        reader = _UsageReader(self.content_type)
        for batch in self._iter_all():
            for chunk in batch:
                piece: bytes = getattr(chunk, "raw", b"")
                reader.add(piece)
                yield piece
        self._record.usage = reader.read() or self._record.usage
        self._settle()

    def close(self, *, finished: bool = False) -> None:
        """Let go of the upstream."""
        self._journey.close(finished=finished)

    def _iter_all(self) -> Iterator[list[Chunk]]:
        yield self._held
        yield from self._batches


class _UsageReader:
    """Keeps a JSON answer that isn't too long, to read its usage at the end."""

    def __init__(self, content_type: str) -> None:
        self._pieces: list[bytes] | None = [] if "json" in content_type else None
        self._size = 0

    def add(self, piece: bytes) -> None:
        if self._pieces is None:
            return
        self._size += len(piece)
        if self._size > MAX_READ_BYTES:
            self._pieces = None
        else:
            self._pieces.append(piece)

    def read(self) -> Usage | None:
        try:
            answer = loads_lenient(b"".join(self._pieces or ()))
        except ValueError:
            return None
        usage = answer.get("usage") if isinstance(answer, dict) else None
        return _to_usage(usage) if isinstance(usage, dict) else None


def _to_usage(usage: dict[str, Any]) -> Usage | None:
    """Return counts under the names of a chat; images and transcripts have others."""
    read = usage.get("prompt_tokens", usage.get("input_tokens"))
    written = usage.get("completion_tokens", usage.get("output_tokens"))
    if not isinstance(read, int) and not isinstance(written, int):
        return None
    counts = {"prompt_tokens": read or 0, "completion_tokens": written or 0}
    return cast(Usage, {**counts, "total_tokens": sum(counts.values())})
