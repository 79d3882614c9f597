"""Google's errors in OpenAI's terms.

Knows statuses, ``error.status`` and the details beside it (recorded; google.rpc).
Must not let through what is said about the gateway's own credentials.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gateway.config.settings import Target
from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RequestTooLargeError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.error_message import shorten
from gateway.providers.retry_after import parse_retry_after
from gateway.serialization import loads_lenient

_STATUS_OF = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_BAD_KEY = re.compile(r"\bAPI[ _]key\b", re.IGNORECASE)
_BAD_PLACE = re.compile(r"location is not supported|billing", re.IGNORECASE)
_TOO_LONG = re.compile(r"(token count|number of tokens|context).*exceed", re.IGNORECASE | re.DOTALL)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


class _Told(NamedTuple):
    """What an error says of itself; ``retry_after`` is in seconds."""

    message: str = ""
    status: str = ""
    code: int | None = None
    reasons: frozenset[str] = frozenset()
    retry_after: float | None = None
    is_daily: bool = False


def parse_error(
    status: int, headers: Mapping[str, str], body: bytes, target: Target
) -> GatewayError:
    """Map an answer whose status is not 200. Never raises."""
    told = _read_body(body)
    retry_after = parse_retry_after(headers, time.time())
    if told is not None and told.retry_after is not None:
        retry_after = max(told.retry_after, retry_after or 0.0)
    error = _build_error(status, told, retry_after, target)
    error.upstream_status = status
    return error


def build_told_error(value: Any, target: Target) -> GatewayError:
    """Map what stands under ``error`` in an answer whose status was 200."""
    told = _read_error(value)
    status = told.code or _STATUS_OF.get(told.status) or 500
    return _build_error(status, told, told.retry_after, target)


def _build_error(
    status: int, told: _Told | None, retry_after: float | None, target: Target
) -> GatewayError:
    name = f"The provider `{target.provider.name}`"
    if status in (401, 402, 403, 407) or (told is not None and _is_our_fault(status, told)):
        return UpstreamError(
            f"{name} refused the gateway itself: its key, account or place in the gateway's "
            "configuration is wrong.",
            should_retry=False,
        )
    if status == 429:
        return _build_rate_limit(name, told or _Told(), retry_after)
    if status == 404 and told is not None:
        return _build_not_found(name, told, target)
    if status == 503:
        return ServiceUnavailableError(f"{name} is overloaded.", retry_after=retry_after)
    if status in (408, 504):
        return UpstreamTimeoutError(f"{name} took too long.", retry_after=retry_after)
    if status == 413:
        return RequestTooLargeError(f"{name} refused the request as too large.")
    if 400 <= status < 499 and told is not None:
        return _build_refusal(name, told)
    if 300 <= status < 500:
        return UpstreamError(
            f"{name} answered with status {status}, as Google does not: its address in the "
            "gateway's configuration may be wrong.",
            should_retry=False,
        )
    return UpstreamError(f"{name} failed with status {status}.", retry_after=retry_after)


def _is_our_fault(status: int, told: _Told) -> bool:
    """Tell whether a 400 is about the gateway's own key (recorded) or place."""
    if status != 400:
        return False
    if any(reason.startswith("API_KEY_") for reason in told.reasons):
        return True
    if told.status == "FAILED_PRECONDITION" and _BAD_PLACE.search(told.message):
        return True
    return bool(_BAD_KEY.search(told.message))


def _build_rate_limit(name: str, told: _Told, retry_after: float | None) -> GatewayError:
    """Return the error for a quota; one that lasts the day is no use to try again."""
    if told.is_daily:
        return RateLimitError(
            f"{name} has no more quota for today.",
            code="insufficient_quota",
            retry_after=retry_after,
            should_retry=False,
        )
    return RateLimitError(f"{name} has had too many requests.", retry_after=retry_after)


def _build_not_found(name: str, told: _Told, target: Target) -> GatewayError:
    model = target.model.rpartition("/")[2]
    if model in told.message or "model" in told.message.lower():
        return NotFoundError(
            f"The model '{target.requested_model}' does not exist, or does not do this.",
            param="model",
            code="model_not_found",
        )
    return InvalidRequestError(f"{name} found nothing of what was asked for{_quote(told)}")


def _build_refusal(name: str, told: _Told) -> GatewayError:
    message = f"{name} refused the request{_quote(told)}"
    if _TOO_LONG.search(told.message):
        return InvalidRequestError(message, code="context_length_exceeded")
    if "unexpected model name format" in told.message:
        return InvalidRequestError(message, param="model", code="invalid_value")
    return InvalidRequestError(message)


def _quote(told: _Told) -> str:
    text = shorten(told.message.replace("* ", "").strip().rstrip("."))
    return f": {text}." if text else "."


def _read_body(body: bytes) -> _Told | None:
    """Return what a body tells, None where it is not an error as Google writes it.

    A stream that fails at once may give it as the only one of a list.
    """
    try:
        parsed = loads_lenient(body)
    except ValueError:
        return None
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    if not isinstance(parsed, dict) or parsed.get("error") is None:
        return None
    return _read_error(parsed["error"])


def _read_error(error: Any) -> _Told:
    if isinstance(error, str):
        return _Told(error)
    if not isinstance(error, dict):
        return _Told()
    details = list(_iter_objects(error.get("details")))
    waits = [wait for each in details if (wait := _read_delay(each.get("retryDelay"))) is not None]
    message, status, code = error.get("message"), error.get("status"), error.get("code")
    return _Told(
        message=message if isinstance(message, str) else "",
        status=status if isinstance(status, str) else "",
        code=code if isinstance(code, int) and code >= 400 else None,
        reasons=frozenset(str(each["reason"]) for each in details if each.get("reason")),
        retry_after=max(waits, default=None),
        is_daily=any(
            "PerDay" in str(violation.get("quotaId"))
            for each in details
            for violation in _iter_objects(each.get("violations"))
        ),
    )


def _iter_objects(values: Any) -> Iterator[dict[str, Any]]:
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, dict))


def _read_delay(delay: Any) -> float | None:
    """Return the seconds of a ``google.protobuf.Duration`` in JSON: ``"48.5s"``."""
    found = _DURATION.fullmatch(delay) if isinstance(delay, str) else None
    return float(found[1]) if found else None
