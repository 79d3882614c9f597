"""When a failed attempt is worth another one at the same target, and after how long.

Knows what the errors of attempts mean. Must not know targets, nor wait: whoever
makes the attempts does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import (
    GatewayError,
    InternalServerError,
    RestartingError,
    UpstreamConnectionError,
    UpstreamTimeoutError,
)

_RETRYABLE_REFUSALS = frozenset({408, 409, 429})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after how long a request is sent to the same target again.

    ``max_retries`` counts what follows the first attempt. The waits are in seconds:
    up to ``base_delay`` before the first retry, up to twice that before the next, and so
    on to ``max_delay``. A ``Retry-After`` beyond ``longest_wait`` is not waited for.
    """

    max_retries: int = 2
    base_delay: float = 0.25
    max_delay: float = 8.0
    longest_wait: float = 2.0

    def delay(
        self, attempt: int, retry_after: float | None, random: Callable[[], float]
    ) -> float | None:
        """Return the seconds to wait after the failed ``attempt`` (0: the first); None: give up.

        ``retry_after`` is what the upstream asked for, in seconds; it is never come
        back to sooner. ``random`` returns numbers from 0 to 1: the wait is spread over
        its whole range (full jitter), so that clients that failed together do not
        return together.
        """
        if attempt >= self.max_retries:
            return None
        if retry_after is not None and retry_after > self.longest_wait:
            return None
        # An exponent beyond 2**32 times the first delay makes no difference, but overflows.
        backoff = random() * min(self.max_delay, self.base_delay * 2.0 ** min(attempt, 32))
        return max(backoff, retry_after or 0.0)


def is_retryable(error: GatewayError) -> bool:
    """Tell whether the same request may succeed at the same target a moment later.

    So it is when no connection could be made, when it was lost before the answer's first
    byte, and when the upstream answered 408, 409, 429 or 5xx, unless the error
    says that trying again can't help (a spent quota, too little memory) or that the
    request itself was wrong (Ollama tells that with a 500, too). After a first-byte
    timeout and after the first byte it is not: the upstream may be at work.
    """
    if error.should_retry is False:
        return False
    status = error.upstream_status
    if status is None:
        return isinstance(error, UpstreamConnectionError)
    return status in _RETRYABLE_REFUSALS or (status >= 500 and error.status >= 500)


def is_targets_failure(error: GatewayError) -> bool:
    """Tell whether an error says that the target is in trouble: what its breaker counts.

    That is what makes it unable to answer anybody: unreachable, broken off, too slow,
    5xx, 429. Not counted are a client's own mistakes, a client that left or whose own
    deadline passed, our own restart, and what only the operator can mend (a wrong key
    stays wrong however long one waits, and its error says so more clearly than an open
    breaker).
    """
    if isinstance(error, UpstreamTimeoutError) and error.code == "request_timeout":
        return False
    if isinstance(error, InternalServerError | RestartingError) or not _is_failure(error.status):
        return False
    return error.upstream_status is None or _is_failure(error.upstream_status)


def _is_failure(status: int) -> bool:
    return status >= 500 or status in (408, 429)
