"""A request for a message, as a canonical chat request.

Knows the fields beside the messages themselves. Must not know content blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gateway.dialects.envelope import check_model, check_stream, parse_object
from gateway.dialects.messages.content import build_messages, build_system
from gateway.dialects.messages.tools import build_tools
from gateway.types import NativeRequest
from gateway.validation.fields import (
    check_integer,
    check_number,
    check_object,
    missing,
    wrong_type,
    wrong_value,
)

DIALECT = "messages"
HEADERS = ("anthropic-version", "anthropic-beta")
"""The client's headers that are part of a request."""

MOST_TOKENS = 2**31 - 1
_LONGEST_USER = 64

_RENAMED = {"stop_sequences": "stop", "temperature": "temperature", "top_p": "top_p"}
_NATIVE_ONLY = ("mcp_servers", "container", "thread")
_UNTRANSLATED = (
    "top_k",
    "context_management",
    "compaction",
    "fallbacks",
    "cache_control",
    "speed",
    "inference_geo",
)
_NOT_THINKING = ("disabled", "between_tools")  # the latter tells of progress, between tools
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_BUDGETS = ((2048, "low"), (8192, "medium"))
"""Tokens of thinking below which an effort is meant; more is ``high``."""


def parse_request(body: bytes, headers: Mapping[str, str]) -> NativeRequest:
    """See ``ChatDialect.parse_request``; ``max_tokens`` is required, as by Anthropic."""
    request = parse_object(body)
    if request.get("max_tokens") is None:
        raise missing("max_tokens")
    return build_request(request, headers)


def build_request(request: dict[str, Any], headers: Mapping[str, str]) -> NativeRequest:
    """Return the canonical request, with the client's own beside it; see ``parse_request``."""
    check_model(request)
    check_stream(request)
    check_integer(request, "max_tokens", 0, MOST_TOKENS)
    check_number(request, "temperature", 0, 1)
    check_number(request, "top_p", 0, 1)
    if not isinstance(request.get("messages"), list):
        if request.get("messages") is None:
            raise missing("messages")
        raise wrong_type("messages", "an array", request["messages"])
    messages, lost = build_messages(request["messages"])
    canonical: dict[str, Any] = {
        "model": request["model"],
        "messages": [*build_system(request.get("system")), *messages],
        "stream": request.get("stream") is True,
    }
    if request.get("max_tokens") is not None:
        canonical["max_tokens"] = request["max_tokens"]
    for name, ours in _RENAMED.items():
        if request.get(name) not in (None, []):
            canonical[ours] = request[name]
    _add_output_format(canonical, request)
    user = _object(request, "metadata").get("user_id")
    if isinstance(user, str):
        canonical["user"] = _shorten_user(user)
    tools, foreign_tools = build_tools(request)
    canonical |= tools
    return NativeRequest(
        canonical,
        DIALECT,
        request,
        {name: headers[name] for name in HEADERS if name in headers},
        (*(name for name in _UNTRANSLATED if request.get(name) is not None), *lost),
        (*(name for name in _NATIVE_ONLY if request.get(name)), *foreign_tools),
        preferences=_build_preferences(request),
    )


def _shorten_user(user: str) -> str:
    """Return a user's id that OpenAI takes, the same for the same user; agents send longer ones."""
    if len(user) <= _LONGEST_USER:
        return user
    return hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()


def _add_output_format(canonical: dict[str, Any], request: dict[str, Any]) -> None:
    wanted = _object(request, "output_config").get("format") or request.get("output_format")
    if wanted is None:
        return
    if not isinstance(wanted, dict) or not isinstance(wanted.get("schema"), dict):
        raise wrong_value(
            "output_config.format",
            '`output_config.format` must be {"type": "json_schema", "schema": {...}}.',
        )
    canonical["response_format"] = {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": wanted["schema"], "strict": True},
    }


def _build_preferences(request: dict[str, Any]) -> dict[str, Any]:
    """Return how much thought is wished for.

    Agents ask for thinking whatever the model: one that can't think may answer all the same.
    """
    thinking = _object(request, "thinking")
    effort = _object(request, "output_config").get("effort")
    if effort is not None and effort not in _EFFORTS:
        raise wrong_value(
            "output_config.effort", f"`output_config.effort` must be one of {', '.join(_EFFORTS)}."
        )
    kind = thinking.get("type")
    if kind in _NOT_THINKING:
        return {"reasoning_effort": "none"}
    if kind == "enabled":
        check_integer(thinking, "budget_tokens", 0, MOST_TOKENS, "thinking.budget_tokens")
        return {"reasoning_effort": effort or _effort_of(thinking.get("budget_tokens") or 0)}
    if kind == "adaptive" or effort is not None:
        return {"reasoning_effort": effort or "high"}
    if kind is not None:
        raise wrong_value(
            "thinking.type",
            "`thinking.type` must be 'enabled', 'adaptive', 'between_tools' or 'disabled'.",
        )
    return {}


def _effort_of(budget: int) -> str:
    return next((effort for most, effort in _BUDGETS if budget < most), "high")


def _object(request: dict[str, Any], name: str) -> dict[str, Any]:
    check_object(request, name)
    return request.get(name) or {}
