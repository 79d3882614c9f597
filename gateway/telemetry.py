"""Logs: one line a request, as text or JSON.

Knows what is worth telling of a request and how to write it so that no field can
forge another. Must not know HTTP frameworks or providers. Prompts, answers and
keys never reach it, unless the operator switched content on.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.types import Usage

logger = logging.getLogger("gateway.request")


@dataclass(slots=True)
class RequestRecord:
    """What is known of one request, filled in on its way. Times are ``time.monotonic()``.

    ``waited`` is the seconds spent waiting for the upstream and for the client to
    take what was written; the rest of the duration is the gateway's own overhead.
    """

    request_id: str
    method: str
    path: str
    started: float = field(default_factory=time.monotonic)
    key: str = ""
    model: str = ""
    provider: str = ""
    upstream_model: str = ""
    stream: bool = False
    status: int = 0
    attempts: int = 0
    usage: Usage | None = None
    chunks: int = 0
    first_token: float | None = None
    finish_reason: str = ""
    error: str = ""
    waited: float = 0.0
    prompt: str = ""
    answer: list[str] = field(default_factory=list)

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
            "attempts": self.attempts or None,
            "finish_reason": self.finish_reason,
            "error": self.error,
        }
        if self.usage is not None:
            fields["prompt_tokens"] = self.usage.get("prompt_tokens", 0)
            fields["completion_tokens"] = self.usage.get("completion_tokens", 0)
        elif self.chunks:
            fields["completion_tokens"] = self.chunks
            fields["usage_estimated"] = True
        if self.first_token is not None:
            fields["ttft_ms"] = _milliseconds(self.first_token - self.started)
        fields["duration_ms"] = _milliseconds(duration)
        fields["overhead_ms"] = _milliseconds(max(duration - self.waited, 0.0))
        if self.prompt:
            fields["prompt"] = self.prompt
            fields["answer"] = "".join(self.answer)
        return {name: value for name, value in fields.items() if value not in ("", None)}


def log_request(record: RequestRecord) -> None:
    """Write the request's line: at WARNING for 5xx, else at INFO."""
    level = logging.WARNING if record.status >= 500 else logging.INFO
    if logger.isEnabledFor(level):
        logger.log(level, "request", extra={"fields": record.to_fields()})


class TextFormatter(logging.Formatter):
    """``time LEVEL logger message name=value …``; values with anything unusual are JSON strings."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_timestamp(record), record.levelname, record.name, _plain(record.getMessage())]
        fields: dict[str, Any] = getattr(record, "fields", {})
        parts += [f"{name}={_value(value)}" for name, value in fields.items()]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JSONFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure_logging(level: str, log_format: str) -> None:
    """Send this package's logs to standard error; ``level`` and ``log_format`` as configured."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if log_format == "json" else TextFormatter())
    package = logging.getLogger("gateway")
    package.handlers[:] = [handler]
    package.setLevel(level.upper())
    package.propagate = False


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(record.msecs):03d}Z"


def _plain(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)


def _value(value: Any) -> str:
    if isinstance(value, str):
        if value and value.isascii() and value.isprintable() and not set(value) & set(' "=\\'):
            return value
        return json.dumps(value)
    return json.dumps(value)
