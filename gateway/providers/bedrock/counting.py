"""How many tokens a prompt has, as Bedrock counts before anything is generated.

Knows ``CountTokens`` (recorded, and botocore 1.44). It takes the id of a model, not that of an
inference profile, and counts for Claude only.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from gateway.config.settings import Target
from gateway.errors import UpstreamError
from gateway.providers.bedrock.request import build_chat, build_model_path
from gateway.serialization import dumps, loads_lenient
from gateway.types import ChatRequest, UpstreamRequest

_CLAUDE = re.compile(r"(?:[a-z-]+\.)?(anthropic\.claude-[a-z0-9.:-]+)")
_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")


def build_token_count(request: ChatRequest, target: Target) -> UpstreamRequest | None:
    """Return the request that counts; None for a model that nothing is counted for."""
    claude = _CLAUDE.fullmatch(target.model)
    if claude is None:
        return None
    (chat,) = build_chat({**request, "n": 1}, target).requests
    converse: dict[str, Any] = loads_lenient(chat.body or b"{}")
    counted = {name: converse[name] for name in _COUNTED if name in converse}
    path = f"{build_model_path(replace(target, model=claude[1]))}/count-tokens"
    return UpstreamRequest("POST", path, dumps({"input": {"converse": counted}}))


def parse_token_count(body: bytes) -> int:
    """Parse ``{"inputTokens": 11}``; raises ``UpstreamError``."""
    try:
        value = loads_lenient(body)
    except ValueError:
        value = None
    count = value.get("inputTokens") if isinstance(value, dict) else None
    if isinstance(count, bool) or not isinstance(count, int):
        raise UpstreamError("The provider's count of tokens is not one.")
    return count
