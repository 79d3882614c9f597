"""What upstreams that speak OpenAI's format say when something went wrong.

Knows the shapes in which they say it (each recorded from at least one of them):
an ``error`` object or string, a list ``errors``, fields without an envelope,
``detail`` as text or as a list, JSON inside a JSON string, an error inside a
list or another error; ``code`` as text or number. Must not know what follows
from it (see ``gateway.providers.openai.errors``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.serialization import loads_lenient

_MESSAGE_NAMES = (
    "message",
    "Message",
    "error",
    "errors",
    "detail",
    "msg",
    "error_message",
    "errorMessage",
    "error_msg",
    "fault",
    "faultstring",
    "reason",
    "title",
)
"""Where servers put what they say (Apigee, AWS, DeepInfra, Hugging Face, RFC 9457)."""

_MAX_LEVELS = 4


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


def read_error(value: Any, causes: int = 2) -> ErrorBody | None:
    """Read parsed JSON of any shape; None where there is no message in it.

    ``causes`` is how many errors inside one another are read as well.
    """
    value = _unwrap(value)
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return None
    error = _unwrap(value.get("error"))
    if error is None and isinstance(value.get("errors"), list) and value["errors"]:
        error = value["errors"][0]
    inner = error if isinstance(error, dict) else {}
    if isinstance(inner.get("error"), dict):
        inner = inner["error"]
    fields = {**value, **{name: given for name, given in inner.items() if given is not None}}
    message = _read_message(fields, error) or _find_text(value, _MAX_LEVELS)
    if not message:
        return None
    detail = fields.get("detail")
    told = ErrorBody(
        message,
        type=_as_text(fields.get("type")),
        param=_as_text(fields.get("param")) or _read_location(detail),
        code=_as_text(fields.get("code")) or _read_filter(fields),
        status=_read_status(fields),
    )
    cause = _read_cause(fields, causes) if causes else None
    return told if cause is None else _explain(told, cause)


def _read_cause(fields: Mapping[str, Any], causes: int) -> ErrorBody | None:
    """Return what the upstream's own upstream said: in ``metadata.raw`` (OpenRouter), ``details``.

    Text that is no JSON is no message for clients.
    """
    metadata, details = fields.get("metadata"), fields.get("details")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    for cause in (raw, details):
        cause = _unwrap(cause)
        if isinstance(cause, dict):
            return read_error(cause, causes - 1)
    return None


def _explain(told: ErrorBody, cause: ErrorBody) -> ErrorBody:
    """Add the cause to an error, whose status stands."""
    message = told.message
    if cause.message not in message:
        message = f"{message}: {cause.message}"
    return ErrorBody(
        message,
        type=cause.type or told.type,
        param=cause.param or told.param,
        code=_name(cause.code) or told.code,
        status=told.status,
    )


def _name(code: str | None) -> str | None:
    """Return a code that is a name; of several numbers the outermost counts."""
    return None if code is None or code.isdigit() else code


def _read_filter(fields: Mapping[str, Any]) -> str | None:
    """Return the code of Azure's filter where only the inner error tells of it."""
    inner = fields.get("innererror") or fields.get("inner_error")
    is_filter = isinstance(inner, dict) and inner.get("code") == "ResponsibleAIPolicyViolation"
    return "content_filter" if is_filter else None


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
    texts = (text for text in (message, error, detail, fields.get("msg")) if isinstance(text, str))
    return next((text.strip() for text in texts if text.strip()), "")


def _find_text(value: Any, levels: int) -> str:
    """Return the first text that is told under a name for messages, however deep; "" if none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return next(filter(None, (_find_text(each, levels) for each in value[:1])), "")
    if not isinstance(value, dict) or not levels:
        return ""
    inner = (_find_text(value.get(name), levels - 1) for name in _MESSAGE_NAMES)
    return next(filter(None, inner), "")


def _read_location(detail: Any) -> str | None:
    """Return FastAPI's ``["body", "messages", 0, "content"]`` as ``messages[0].content``."""
    if not (isinstance(detail, list) and detail and isinstance(detail[0], dict)):
        return None
    location = detail[0].get("loc")
    if not isinstance(location, list):
        return None
    steps = location[1:] if location[:1] == ["body"] else location
    # Mistral's has pydantic's names of types in it, such as ``list[Tool]``.
    steps = [step for step in steps if "[" not in str(step)]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".") or None


def _read_status(fields: Mapping[str, Any]) -> int | None:
    for name in ("status_code", "http_status_code", "statusCode", "code", "status"):
        given = _as_text(fields.get(name))
        if given is not None and len(given) == 3 and given.isascii() and given.isdigit():
            return int(given)
    return None


def _as_text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # LiteLLM writes what it doesn't know as Python does.
    return value if isinstance(value, str) and value not in ("", "None") else None
