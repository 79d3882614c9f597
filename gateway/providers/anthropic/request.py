"""A chat-completion request as requests to Anthropic's ``/v1/messages``.

Puts the request together from what its neighbours translate. Must not know answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.config.settings import Target
from gateway.providers.anthropic.answer import build_answer
from gateway.providers.anthropic.chat import AnthropicChat
from gateway.providers.anthropic.content import Block
from gateway.providers.anthropic.earlier_thinking import agree
from gateway.providers.anthropic.families import family_of
from gateway.providers.anthropic.fields import (
    SERVICE_TIERS,
    build_metadata,
    list_dropped,
    pick_own_fields,
    refuse_unsupported,
)
from gateway.providers.anthropic.messages import build_conversation
from gateway.providers.anthropic.reasoning import Reasoning, build_reasoning
from gateway.providers.anthropic.response_format import Format, build_format
from gateway.providers.anthropic.sampling import build_sampling, build_stop, choose_max_tokens
from gateway.providers.anthropic.tools import build_tool_plan, is_own_tool
from gateway.providers.request_body import check_choices, dump_body
from gateway.types import ChatRequest, UpstreamRequest
from gateway.validation import check_chat_request
from gateway.validation.fields import unsupported_value

PATH = "/v1/messages"


def build_chat(request: ChatRequest, target: Target) -> AnthropicChat:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    own_tools = _list_own_tools(request)
    check_chat_request(_with_functions_for(own_tools, request))
    refuse_unsupported(request)
    family = family_of(target.model)
    conversation = build_conversation(request["messages"], family, target.model)
    max_tokens = choose_max_tokens(request, family)
    reasoning = build_reasoning(request, family, max_tokens)
    plan = build_tool_plan(request, own_tools, family)
    messages, reasoning, betas = agree(
        conversation.messages, reasoning, family, is_forced=plan.is_forced
    )
    answer_format = build_format(request, plan, family, reasoning)
    plan = answer_format.plan
    sampling, dropped_sampling = build_sampling(request, family, reasoning)
    n = request.get("n") or 1
    streamed = bool(request.get("stream")) or n > 1
    body = {
        "model": target.model,
        "max_tokens": max_tokens,
        "messages": messages,
        **_build_optional(request, conversation.system, reasoning, answer_format),
        **sampling,
        **pick_own_fields(request),
        **({"stream": True} if streamed else {}),
    }
    return AnthropicChat(
        requests=_build_requests(body, _build_headers(request, betas), n),
        dropped_params=[
            *list_dropped(request),
            *conversation.dropped,
            *dropped_sampling,
            *reasoning.dropped,
            *plan.dropped,
            *answer_format.dropped,
        ],
        answer=build_answer(target, plan),
        streamed=streamed,
    )


def _build_optional(
    request: ChatRequest,
    system: str | list[Block] | None,
    reasoning: Reasoning,
    answer_format: Format,
) -> dict[str, Any]:
    """Return the members of the body that are there only where something is asked of them."""
    output_config = {
        "effort": reasoning.effort,
        "format": answer_format.output_format,
        **(request.get("output_config") or {}),
    }
    members = {
        "system": _add_instruction(system, answer_format.instruction),
        "stop_sequences": build_stop(request),
        "thinking": reasoning.thinking,
        "output_config": {name: value for name, value in output_config.items() if value},
        "tools": list(answer_format.plan.tools),
        "tool_choice": answer_format.plan.choice,
        "metadata": build_metadata(request),
        "service_tier": SERVICE_TIERS.get(request.get("service_tier") or ""),
    }
    return {name: value for name, value in members.items() if value}


def _list_own_tools(request: ChatRequest) -> list[dict[str, Any]]:
    tools = request.get("tools")
    return [tool for tool in tools if is_own_tool(tool)] if isinstance(tools, list) else []


def _with_functions_for(own_tools: list[dict[str, Any]], request: ChatRequest) -> ChatRequest:
    """Return what can be checked: OpenAI's API knows nothing of Anthropic's own tools."""
    if not own_tools:
        return request
    functions = [
        {"type": "function", "function": {"name": tool.get("name") or tool["type"]}}
        if tool in own_tools
        else tool
        for tool in request["tools"]
    ]
    return {**request, "tools": functions}


def build_request(
    body: Mapping[str, Any], headers: Mapping[str, str], path: str = PATH
) -> UpstreamRequest:
    """Return a request with this body; raises ``InvalidRequestError`` if it is too deep."""
    return UpstreamRequest("POST", path, dump_body(body), headers)


def _add_instruction(system: str | list[Block] | None, instruction: str | None) -> Any:
    if instruction is None:
        return system
    if isinstance(system, list):
        return [*system, {"type": "text", "text": instruction}]
    return f"{system}\n\n{instruction}" if system else instruction


def _build_headers(request: ChatRequest, needed: tuple[str, ...]) -> dict[str, str]:
    """Return the header for ``anthropic_beta``: names of features, as a list or with commas."""
    betas = request.get("anthropic_beta") or ()
    names = [*(betas if isinstance(betas, list | tuple) else [betas]), *needed]
    if not all(isinstance(name, str) and re.fullmatch(r"[\w.,-]+", name) for name in names):
        raise unsupported_value("anthropic_beta", "`anthropic_beta` must hold names of features.")
    return {"anthropic-beta": ",".join(names)} if names else {}


def _build_requests(
    body: dict[str, Any], headers: dict[str, str], n: int
) -> tuple[UpstreamRequest, ...]:
    """Return one request a choice, all alike."""
    request = build_request(body, headers)
    check_choices(request.body or b"", n)
    return (request,) * n
