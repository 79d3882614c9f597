"""How many tokens a prompt has, by ``:countTokens`` (recorded).

Knows what of a request counts as its prompt. Must not know what is generated from it.
"""

from __future__ import annotations

from typing import Any

from gateway.config.settings import Target
from gateway.errors import InvalidRequestError, UpstreamError
from gateway.providers.gemini.generations import generation_of
from gateway.providers.gemini.messages import build_conversation
from gateway.providers.gemini.paths import Door
from gateway.providers.gemini.tools import build_tool_plan, build_tools
from gateway.providers.request_body import dump_body
from gateway.serialization import loads_lenient
from gateway.types import ChatRequest, UpstreamRequest
from gateway.validation import check_chat_request


def build_token_count(request: ChatRequest, target: Target, door: Door) -> UpstreamRequest | None:
    """Return the request for the count; None for what can't be sent without being fetched first.

    Raises ``InvalidRequestError`` as for the request itself.
    """
    check_chat_request(request)
    try:
        conversation = build_conversation(request["messages"], target)
    except InvalidRequestError as error:
        if error.code == "unsupported_value":
            return None
        raise
    body: dict[str, Any] = {"contents": conversation.contents}
    if conversation.system is not None:
        body["systemInstruction"] = conversation.system
    tools = build_tools(build_tool_plan(request, generation_of(target.model)))
    if tools:
        body["tools"] = tools["tools"]
    if not door.is_vertex:
        model = f"models/{door.short_name(target.model)}"
        body = {"generateContentRequest": {"model": model, **body}}
    return UpstreamRequest("POST", f"{door.model_path(target)}:countTokens", dump_body(body))


def parse_token_count(body: bytes) -> int:
    """Return the count; raises ``UpstreamError`` where there is none. A missing one is 0."""
    try:
        parsed = loads_lenient(body)
    except ValueError:
        parsed = None
    count = parsed.get("totalTokens", 0) if isinstance(parsed, dict) else None
    if type(count) is not int:
        raise UpstreamError("The provider sent something that is not a count of tokens.")
    return count
