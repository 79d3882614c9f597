"""The tree of errors: what went wrong, told in OpenAI's terms.

Knows HTTP statuses and OpenAI's error fields. Imports nothing of this package
and must not know Flask, sockets or any provider.

Every failure a client can see is one of these classes; the API turns it into
``{"error": {"message", "type", "param", "code"}}`` with ``status``, and a
stream that has begun into an SSE ``error`` event of the same shape. Names
follow the exception classes of OpenAI's SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypedDict


class ErrorFields(TypedDict):
    """The fields of OpenAI's error object; all four keys are always present."""

    message: str
    type: str
    param: str | None
    code: str | None


class GatewayError(Exception):
    """A failure with a true HTTP status and an OpenAI-shaped description.

    ``message`` must be safe to show to any client: no provider key, no address
    inside the network. ``retry_after`` is in seconds. ``should_retry`` is told
    to OpenAI's SDKs as ``x-should-retry`` (None: leave it to the status).
    ``upstream_status`` is what the upstream answered with instead of a success;
    None where it did not answer, or broke its answer off. ``upstream_limits`` is what it
    said of its own limits then, as headers for the client.
    """

    status: ClassVar[int] = 500
    default_type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        type: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code
        self.type = type if type is not None else self.default_type
        self.retry_after = retry_after
        self.should_retry = should_retry
        self.upstream_status: int | None = None
        self.upstream_limits: Mapping[str, str] = {}

    def to_dict(self) -> dict[str, ErrorFields]:
        """Return OpenAI's error body: ``{"error": {message, type, param, code}}``."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class InvalidRequestError(GatewayError):
    """400: the client sent something that can't be honoured; sending it again won't help."""

    status = 400
    default_type = "invalid_request_error"


class AuthenticationError(GatewayError):
    """401: no key, or one that is not known."""

    status = 401
    default_type = "invalid_request_error"
    default_code = "invalid_api_key"


class BudgetExceededError(GatewayError):
    """402: the budget is spent, or reserved for requests under way."""

    status = 402
    default_type = "insufficient_quota"
    default_code = "budget_exceeded"


class PermissionDeniedError(GatewayError):
    """403: the key is known, but may not do this."""

    status = 403
    default_type = "invalid_request_error"
    default_code = "permission_denied"


class NotFoundError(GatewayError):
    """404: no such path or model."""

    status = 404
    default_type = "invalid_request_error"
    default_code = "not_found"


class MethodNotAllowedError(GatewayError):
    """405: the path exists, but not with this method."""

    status = 405
    default_type = "invalid_request_error"
    default_code = "method_not_allowed"


class RequestTimeoutError(GatewayError):
    """408: the client took too long to send its request."""

    status = 408
    default_type = "invalid_request_error"
    default_code = "request_timeout"


class ConflictError(GatewayError):
    """409: the upstream reported a conflict, or an idempotency key came with another request."""

    status = 409
    default_type = "invalid_request_error"


class RequestTooLargeError(GatewayError):
    """413: the request's body is over the limit."""

    status = 413
    default_type = "invalid_request_error"
    default_code = "request_too_large"


class UnprocessableEntityError(GatewayError):
    """422: the upstream understood the request and refused it."""

    status = 422
    default_type = "invalid_request_error"


class RateLimitError(GatewayError):
    """429: too many requests; ``retry_after`` says when the next can pass."""

    status = 429
    default_type = "requests"
    default_code = "rate_limit_exceeded"


class ClientDisconnectedError(GatewayError):
    """499, in the log only: the client left before its answer was complete."""

    status = 499
    default_type = "client_closed_request"
    default_code = "client_closed_request"


class InternalServerError(GatewayError):
    """500: a defect of the gateway itself."""

    status = 500


class UpstreamError(GatewayError):
    """502: the upstream broke: refused, reset, cut, or answered what it must not."""

    status = 502
    default_code = "upstream_error"


class UpstreamConnectionError(UpstreamError):
    """502: the upstream could not be reached, or hung up; nothing says it did any work."""

    default_code = "upstream_connection_error"


class ServiceUnavailableError(GatewayError):
    """503: nothing has capacity for this now; ``retry_after`` says when to come again."""

    status = 503
    default_code = "service_unavailable"


class RestartingError(ServiceUnavailableError):
    """503: this process is about to end; another one, or this one's successor, can answer."""

    default_code = "restarting"

    def __init__(self) -> None:
        super().__init__("The gateway is restarting; ask again.", retry_after=1.0)


class UpstreamTimeoutError(GatewayError):
    """504: the upstream was too slow (first byte, silence, or the request as a whole)."""

    status = 504
    default_code = "upstream_timeout"


class ConfigurationError(Exception):
    """The configuration is wrong. The message names file, line and setting, and what was meant."""
