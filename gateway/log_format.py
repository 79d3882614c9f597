"""How a line of the log is written, so that no field can forge another.

Knows the standard library's logging only: gunicorn's master loads this before
anything is patched.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_./:@+,-]*")
"""What may stand in a text line without quotes."""


class TextFormatter(logging.Formatter):
    """``time LEVEL logger message name=value …``; values with anything unusual are JSON strings."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_timestamp(record), record.levelname, record.name, _plain(record.getMessage())]
        fields: dict[str, Any] = getattr(record, "fields", {})
        texts = [value for value in fields.values() if type(value) is str]
        if _BARE.fullmatch("".join(texts)):  # one look at all of them, as nearly always
            parts += [f"{name}={_bare(value)}" for name, value in fields.items()]
        else:
            parts += [f"{name}={_value(value)}" for name, value in fields.items()]
        lines = [" ".join(parts)]
        if record.exc_info:
            # Indented and escaped: what an exception quotes can't pass for a line of its own.
            traceback = self.formatException(record.exc_info).splitlines()
            lines += [f"  {_plain(line)}" for line in traceback]
        return "\n".join(lines)


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


def _timestamp(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _plain(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)


def _value(value: Any) -> str:
    if type(value) is not str or _BARE.fullmatch(value):
        return _bare(value)
    return json.dumps(value)


def _bare(value: Any) -> str:
    return str(value).lower() if type(value) is bool else str(value)
