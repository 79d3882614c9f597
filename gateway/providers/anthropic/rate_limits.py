"""Anthropic's headers that tell of its limits (recorded): of each kind of tokens, and of all.

Must not know how they are read.
"""

from __future__ import annotations

from gateway.providers.rate_limits import RateLimits

_COUNTED = ("requests", "tokens", "input-tokens", "output-tokens")

RATE_LIMITS = RateLimits(
    {
        what: (
            f"anthropic-ratelimit-{what}-limit",
            f"anthropic-ratelimit-{what}-remaining",
            f"anthropic-ratelimit-{what}-reset",
        )
        for what in _COUNTED
    }
)
