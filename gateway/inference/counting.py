"""How many tokens a prompt has, before anything is generated.

Knows providers that count, and how to estimate for the others. Must not know any
provider's format.
"""

from __future__ import annotations

from typing import Any

from gateway.config.settings import Target
from gateway.errors import UpstreamError
from gateway.inference.attempt import Backends
from gateway.inference.redaction import redact_error
from gateway.serialization import dumps
from gateway.transport import UnexpectedStatusError, Watch
from gateway.types import NativeRequest

COUNT_SECONDS = 10.0
MAX_COUNT_BYTES = 64 * 1024
BYTES_PER_TOKEN = 4
"""Of usual English text; other text has fewer."""

TOKENS_A_MESSAGE = 4
TOKENS_AN_IMAGE = 1500
"""About the most that providers charge for one image."""


def count_tokens(backends: Backends, request: NativeRequest, target: Target, watch: Watch) -> int:
    """Ask the target's provider, or estimate where it doesn't count; raises ``GatewayError``.

    The provider is let go when the client leaves.
    """
    provider = backends.providers[target.provider.name]
    asked = provider.build_token_count(request, target)
    if asked is None:
        return _estimate_tokens(request)
    exchange = backends.upstreams[target.provider.name].send(asked, watch, COUNT_SECONDS)
    try:
        body = exchange.read(MAX_COUNT_BYTES)
        exchange.finish()
        return provider.parse_token_count(body)
    except UnexpectedStatusError as failure:
        error = provider.parse_error(failure.status, failure.headers, failure.body, target)
        raise redact_error(error, target.provider) from failure
    except UpstreamError as error:
        raise redact_error(error, target.provider) from error
    finally:
        exchange.close()


def _estimate_tokens(request: dict[str, Any]) -> int:
    """Return about how many tokens a canonical request's prompt has."""
    size = len(dumps(request["tools"])) if request.get("tools") else 0
    images = 0
    for message in request["messages"]:
        content = message.get("content")
        size += len(dumps(message.get("tool_calls") or "")) - 2
        for part in [{"text": content}] if isinstance(content, str) else content or ():
            text = part.get("text")
            size += len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0
            images += not isinstance(text, str)
    tokens = -(-size // BYTES_PER_TOKEN) + TOKENS_A_MESSAGE * len(request["messages"])
    return tokens + TOKENS_AN_IMAGE * images
