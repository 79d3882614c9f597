"""What upstreams that speak OpenAI's format say when something went wrong.

Knows the shapes in which they say it (each recorded from at least one of them):
an ``error`` object or string, fields without an envelope, ``detail`` as text or
as a list, JSON inside a JSON string; ``code`` as text or number. Must not know
what follows from it (see ``gateway.providers.openai.errors``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.serialization import loads_lenient


class ErrorBody(NamedTuple):
    """An upstream's description of a failure. ``status`` is None where it names no HTTP status."""

    message: str
    type: str | None = None
    param: str | None = None
    code: str | None = None
    status: int | None = None


def parse_error_body(body: bytes) -> ErrorBody | None:
    """Parse a whole body; None where it is not JSON (HTML, text, empty) or has no message."""
    try:
        return read_error(loads_lenient(body))
    except ValueError:
        return None


def read_error(value: Any) -> ErrorBody | None:
    """Read parsed JSON of any shape; None where there is no message in it."""
    value = _unwrap(value)
    if not isinstance(value, dict):
        return None
    error = _unwrap(value.get("error"))
    inner = error if isinstance(error, dict) else {}
    if isinstance(inner.get("error"), dict):
        inner = inner["error"]
    fields = {**value, **{name: given for name, given in inner.items() if given is not None}}
    message = _read_message(fields, error)
    if not message:
        return None
    detail = fields.get("detail")
    return ErrorBody(
        message,
        type=_as_text(fields.get("type")),
        param=_as_text(fields.get("param")) or _read_location(detail),
        code=_as_text(fields.get("code")),
        status=_read_status(fields),
    )


def _unwrap(value: Any) -> Any:
    """Return what a string that holds a JSON object stands for, anything else as it is."""
    if not (isinstance(value, str) and value.lstrip().startswith("{")):
        return value
    try:
        return loads_lenient(value)
    except ValueError:
        return value


def _read_message(fields: Mapping[str, Any], error: Any) -> str:
    message = fields.get("message")
    if isinstance(message, dict):
        message = message.get("message")
    detail = fields.get("detail")
    if isinstance(detail, list):
        found = [item.get("msg") for item in detail if isinstance(item, dict)]
        detail = "; ".join(text for text in found if isinstance(text, str))
    texts = (text for text in (message, error, detail) if isinstance(text, str))
    return next((text.strip() for text in texts if text.strip()), "")


def _read_location(detail: Any) -> str | None:
    """Return FastAPI's ``["body", "messages", 0, "content"]`` as ``messages[0].content``."""
    if not (isinstance(detail, list) and detail and isinstance(detail[0], dict)):
        return None
    location = detail[0].get("loc")
    if not isinstance(location, list):
        return None
    steps = location[1:] if location[:1] == ["body"] else location
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".") or None


def _read_status(fields: Mapping[str, Any]) -> int | None:
    for name in ("status_code", "code", "status"):
        given = _as_text(fields.get(name))
        if given is not None and len(given) == 3 and given.isascii() and given.isdigit():
            return int(given)
    return None


def _as_text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None
