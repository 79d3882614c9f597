"""From an upstream's status and message to the error a client gets.

Knows what each HTTP status of a provider means for a client of the gateway, for
providers that have no errors in OpenAI's format. Must not know any one provider.
Never quotes what was said about the gateway's own credentials.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RequestTooLargeError,
    ServiceUnavailableError,
    UnprocessableEntityError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.error_message import shorten

_REFUSALS: Mapping[int, type[GatewayError]] = {
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def build_status_error(status: int, message: str, retry_after: float | None = None) -> GatewayError:
    """Map a status and what was said with it ("" for nothing); ``retry_after`` is in seconds.

    A 404 without a word is a wrong address of the provider's, not a model that is not there.
    """
    message = shorten(message)
    if status in (401, 402, 403, 407):
        return UpstreamError(
            f"The provider refused the gateway's credentials (HTTP {status}).", should_retry=False
        )
    if 300 <= status < 400:
        return UpstreamError(
            f"The provider answered with a redirect, which is not followed (HTTP {status}).",
            should_retry=False,
        )
    if status in (408, 504):
        return UpstreamTimeoutError(
            _describe("The provider took too long to answer", status, message),
            retry_after=retry_after,
        )
    if status in (503, 529):
        return ServiceUnavailableError(
            _describe("The provider has no capacity for this now", status, message),
            retry_after=retry_after,
        )
    if status == 404 and not message:
        return UpstreamError(
            "The provider knows no such path (HTTP 404): its base URL may be wrong.",
            should_retry=False,
        )
    if status == 404:
        return NotFoundError(message)
    if 400 <= status < 500:
        return _REFUSALS.get(status, InvalidRequestError)(
            message or f"The provider refused the request without saying why (HTTP {status}).",
            retry_after=retry_after if status in (409, 429) else None,
        )
    return UpstreamError(_describe("The provider failed", status, message), retry_after=retry_after)


def build_model_not_found(model: str) -> NotFoundError:
    """Return the error for a model the provider doesn't have; ``model`` as the client named it."""
    return NotFoundError(
        f"The model `{model}` does not exist, or the gateway has no access to it.",
        param="model",
        code="model_not_found",
    )


def _describe(summary: str, status: int, message: str) -> str:
    return f"{summary} (HTTP {status}): {message}" if message else f"{summary} (HTTP {status})."
