"""Logs: one line a request, as text or JSON.

Knows what is worth telling of a request and how to write it so that no field can
forge another. Must not know HTTP frameworks or providers. Prompts, answers and
keys never reach it, unless the operator switched content on.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from gateway.errors import GatewayError
from gateway.log_format import JSONFormatter, TextFormatter
from gateway.types import Usage

CHARACTERS_PER_TOKEN = 4
"""Of usual text, for what nobody has counted."""

logger = logging.getLogger("gateway.request")


@dataclass(slots=True)
class AttemptRecord:
    """One attempt at one target; ``status`` is what came of it. Times are ``time.monotonic()``."""

    target: str
    started: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    first_token: float | None = None
    status: int = 0

    def time_to_answer(self) -> float:
        """Return the seconds until the target said something; until now for a whole answer."""
        answered = time.monotonic() if self.first_token is None else self.first_token
        return answered - self.started

    def __str__(self) -> str:
        return f"{self.target}:{self.status}:{_milliseconds(self.ended - self.started)}ms"


class RequestRecord:
    """What is known of one request, filled in on its way. Times are ``time.monotonic()``.

    ``models`` are patterns of those the key may use, () for all; of those who wait for
    a target, the highest ``priority`` goes first. ``waited`` is the seconds spent waiting
    for the upstream and for the client to take what was written; the rest of the duration
    is the gateway's own overhead. ``principal`` is who asks, and ``bill`` what has been
    reserved, as those who made them know them; ``reserved`` are the tokens that an answer
    without a limit may have before more have to be. ``characters`` are those of what the
    answer says, while it goes by. ``parts`` are the requests that this one of the client's
    is made of, where they are several.
    """

    key = ""
    tenant = ""
    principal: Any = None
    operation = ""
    user = ""
    bill: Any = None
    is_booked = False
    parts: Sequence[Any] = ()
    models: Sequence[str] = ()
    priority = 0
    model = ""
    provider = ""
    upstream_model = ""
    stream = False
    status = 0
    queued = 0.0
    cache = ""
    usage: Usage | None = None
    chunks = 0
    reserved = sys.maxsize
    characters = 0
    first_token: float | None = None
    finish_reason = ""
    error = ""
    error_message = ""
    waited = 0.0
    prompt = ""

    def __init__(self, request_id: str, method: str, path: str) -> None:
        # All else is the class's until it is known: to set it costs more than most of it is used.
        self.request_id = request_id
        self.method = method
        self.path = path
        self.started = time.monotonic()
        self.attempts: list[AttemptRecord] = []
        self.answer: list[str] = []

    @contextmanager
    def attempt(self, target: str) -> Iterator[AttemptRecord]:
        """Record an attempt at ``target``; its ``status`` stays 499 unless it is set."""
        entry = AttemptRecord(target, status=499)
        self.attempts.append(entry)
        try:
            yield entry
        finally:
            entry.ended = time.monotonic()

    @property
    def received(self) -> int:
        """Tokens of the answer that have come: one a chunk, or one for four characters if more."""
        return max(self.chunks, -(-self.characters // CHARACTERS_PER_TOKEN))

    def note_first_token(self) -> None:
        """Note that the answer begins now, unless it has already."""
        if self.first_token is None:
            self.first_token = time.monotonic()
        if self.attempts and self.attempts[-1].first_token is None:
            self.attempts[-1].first_token = time.monotonic()

    def note_error(self, error: GatewayError) -> None:
        """Note how the request failed; the message, which may quote the prompt, is content."""
        self.status = error.status
        self.error = error.code or error.type
        self.error_message = error.message

    def to_fields(self) -> dict[str, Any]:
        """Return the log line's fields, in order; what is not known is left out.

        Without the provider's own count (a stream cut short), ``completion_tokens``
        is the number of chunks that came and ``usage_estimated`` says so.
        """
        duration = time.monotonic() - self.started
        fields: dict[str, Any] = {
            "request_id": self.request_id,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "key": self.key,
            "model": self.model,
            "provider": self.provider,
            "upstream_model": self.upstream_model,
            "stream": self.stream or None,
            "attempts": len(self.attempts) or None,
            "tried": ",".join(map(str, self.attempts)) if len(self.attempts) > 1 else "",
            "cache": self.cache if self.cache != "bypass" else "",
            "finish_reason": self.finish_reason,
            "error": self.error,
        }
        if self.usage is not None:
            fields["prompt_tokens"] = self.usage.get("prompt_tokens", 0)
            fields["completion_tokens"] = self.usage.get("completion_tokens", 0)
        elif self.chunks:
            fields["completion_tokens"] = self.chunks
            fields["usage_estimated"] = True
        if self.queued:
            fields["queued_ms"] = _milliseconds(self.queued)
        if self.first_token is not None:
            fields["ttft_ms"] = _milliseconds(self.first_token - self.started)
        fields["duration_ms"] = _milliseconds(duration)
        fields["overhead_ms"] = _milliseconds(max(duration - self.waited, 0.0))
        if self.prompt:
            fields["prompt"] = self.prompt
            fields["answer"] = "".join(self.answer)
            fields["error_message"] = self.error_message
        return {name: value for name, value in fields.items() if value not in ("", None)}


def log_request(record: RequestRecord) -> None:
    """Write the request's line: at WARNING for 5xx, else at INFO."""
    level = logging.WARNING if record.status >= 500 else logging.INFO
    if logger.isEnabledFor(level):
        logger.handle(_RequestLine(level, record.to_fields()))


_ALIKE = logging.LogRecord(logger.name, logging.INFO, "", 0, "request", None, None).__dict__
"""What logging knows of every request's line: to find it out takes longer than to write one."""


class _RequestLine(logging.LogRecord):
    """A request's line, now."""

    def __init__(self, level: int, fields: dict[str, Any]) -> None:
        self.__dict__.update(_ALIKE)
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.fields = fields


def configure_logging(level: str, log_format: str) -> None:
    """Send this package's logs to standard error; ``level`` and ``log_format`` as configured."""
    handler = _LineHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if log_format == "json" else TextFormatter())
    # What no line shows need not be looked up for each (logging's own advice on speed).
    logging.logThreads = logging.logMultiprocessing = False
    package = logging.getLogger("gateway")
    package.handlers[:] = [handler]
    package.setLevel(level.upper())
    package.propagate = False


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes a line by one call, which needs no lock to keep lines whole."""

    def createLock(self) -> None:
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + "\n")
            self.stream.flush()
        except Exception:
            self.handleError(record)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
