"""Which fields of a chat-completion request are translated, refused, left out or passed on.

Knows OpenAI's fields (openai-python 3.3.1), those of local servers, and who a request is from.
What neither OpenAI's API nor local servers know goes on as it came: Anthropic's own fields.
Must not know messages or tools.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.types import ChatRequest
from gateway.validation.fields import check_object, unsupported_parameter, unsupported_value

_REFUSED = {
    "logit_bias": "Token ids differ from model to model, so `logit_bias` can't be honoured.",
    "logprobs": "This model tells no log probabilities.",
    "top_logprobs": "This model tells no log probabilities.",
    "audio": "This model gives no audio, so `audio` can't be honoured.",
    "web_search_options": "Give the tool `web_search_20250305` instead of `web_search_options`.",
    "moderation": "This provider has no moderation.",
}
_ASKED_BY_EMPTY = ("web_search_options",)
_TRANSLATED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_completion_tokens",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "n",
        "reasoning_effort",
        "reasoning",
        "think",
        "thinking",
        "output_config",
        "user",
        "safety_identifier",
        "metadata",
        "service_tier",
        "modalities",
        "anthropic_beta",
    }
)
_LEFT_OUT = frozenset(
    {
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "prediction",
        "verbosity",
        "store",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "min_p",
        "typical_p",
        "repeat_penalty",
        "num_ctx",
        "keep_alive",
        "options",
        "extra_body",
    }
)
"""What OpenAI's API or local servers know and Anthropic has nothing like."""

SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_PERSONAL = re.compile(r"@|^\+?[\d\s().-]{7,}$")
"""E-mail addresses and telephone numbers: Anthropic refuses them (as litellm 1.106 knows)."""


def refuse_unsupported(request: ChatRequest) -> None:
    """Raise ``InvalidRequestError`` for what is asked and can't be left out in silence."""
    for name, message in _REFUSED.items():
        if request.get(name) or (name in _ASKED_BY_EMPTY and request.get(name) == {}):
            raise unsupported_parameter(name, message)
    if "audio" in (request.get("modalities") or ()):
        raise unsupported_value("modalities", "This model gives text only.")
    check_object(request, "output_config")


def build_metadata(request: ChatRequest) -> dict[str, str]:
    """Return who asks, as the provider may see it; OpenAI's other metadata are for its store."""
    user = _read_user(request)
    return {"user_id": user} if user and not _PERSONAL.search(user) else {}


def pick_own_fields(request: ChatRequest) -> dict[str, Any]:
    """Return the fields that go on as they came."""
    return {
        name: value
        for name, value in request.items()
        if value is not None
        and name not in _TRANSLATED
        and name not in _LEFT_OUT
        and name not in _REFUSED
    }


def list_dropped(request: ChatRequest) -> list[str]:
    """Return the names of the fields that are left out, though they ask for something."""
    dropped = [
        name
        for name in request
        if name in _LEFT_OUT and request[name] not in (None, 0, False, "", {}, [])
    ]
    tier = request.get("service_tier")
    if tier is not None and tier not in SERVICE_TIERS:
        dropped.append("service_tier")
    user = _read_user(request)
    if user and _PERSONAL.search(user):
        dropped.append("user" if request.get("user") == user else "safety_identifier")
    return dropped


def _read_user(request: ChatRequest) -> str | None:
    user_id = (request.get("metadata") or {}).get("user_id")
    return request.get("safety_identifier") or request.get("user") or user_id
