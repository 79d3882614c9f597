"""The response object: what an answer repeats of its request, its usage, and how it ended.

Knows the object's fields (openai-python 3.54, recorded). Must not know events.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.dialects.responses.tools import echo_tools
from gateway.errors import GatewayError

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_FAILED_CODES = {429: "rate_limit_exceeded"}
"""A failure's code where the SDK has a name for it; anything else is a ``server_error``."""

_REPEATED = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "temperature",
    "top_p",
    "user",
)


Present = Callable[[dict[str, Any]], dict[str, Any]]
"""Returns a response object as its client is to see it."""


def as_it_is(response: dict[str, Any]) -> dict[str, Any]:
    """Return the response: nothing is known that it doesn't say."""
    return response


def new_id(prefix: str) -> str:
    """Return an id such as ``msg_…``, as long as OpenAI's."""
    return f"{prefix}_{secrets.token_hex(24)}"


class ResponseBuilder:
    """Builds the response object of one answer to ``request``, a request as its client sent it.

    ``id``, ``created_at`` (Unix seconds), ``model`` and ``service_tier`` are the same in all
    events.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.id = new_id("resp")
        self.created_at = int(time.time())
        self.model = str(request.get("model"))
        self.service_tier: str | None = None
        self._request = request

    def in_progress(self) -> dict[str, Any]:
        """Return the response before anything is said."""
        return self._build("in_progress", [])

    def ended(
        self, output: Sequence[Any], finish_reason: str, usage: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the response at its end; ``usage`` is the canonical one."""
        reason = _INCOMPLETE.get(finish_reason)
        response = self._build("incomplete" if reason else "completed", output)
        response["usage"] = _build_usage(usage)
        if reason:
            response["incomplete_details"] = {"reason": reason}
        else:
            response["completed_at"] = int(time.time())
        return response

    def failed(self, output: Sequence[Any], error: GatewayError) -> dict[str, Any]:
        """Return the response that broke off with ``error``."""
        response = self._build("failed", output)
        code = _FAILED_CODES.get(error.status, "server_error")
        response["error"] = {"code": code, "message": error.message}
        return response

    def _build(self, status: str, output: Sequence[Any]) -> dict[str, Any]:
        request = self._request
        reasoning = request.get("reasoning") or {}
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "background": False,
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            **{name: request.get(name) for name in _REPEATED},
            "metadata": request.get("metadata") or {},
            "model": self.model,
            "output": list(output),
            "parallel_tool_calls": request.get("parallel_tool_calls") is not False,
            "previous_response_id": request.get("previous_response_id"),
            "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
            "service_tier": self.service_tier,
            "store": False,
            "text": {"format": {"type": "text"}, **_without_nulls(request.get("text") or {})},
            "tool_choice": request.get("tool_choice") or "auto",
            "tools": echo_tools(request.get("tools")),
            "top_logprobs": request.get("top_logprobs"),
            "truncation": "disabled",
            "usage": None,
        }


def _build_usage(usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return canonical usage as the Responses API tells it; None where nothing was told."""
    if not usage:
        return None
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": read.get("cached_tokens") or 0,
            "cache_write_tokens": read.get("cache_write_tokens") or 0,
        },
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": written.get("reasoning_tokens") or 0},
        "total_tokens": usage.get("total_tokens") or prompt + completion,
    }


def _without_nulls(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
