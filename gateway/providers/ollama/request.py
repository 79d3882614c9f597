"""A chat-completion request as requests to Ollama's ``/api/chat``.

Knows which of OpenAI's fields (openai-python 3.3.1) are translated, refused or
left out, and puts the request together from what its neighbours translate. Must
not know answers.
"""

from __future__ import annotations

import random
from typing import Any

from gateway.config.settings import Target
from gateway.errors import InvalidRequestError
from gateway.providers.ollama.answer import build_answer
from gateway.providers.ollama.capabilities import resolve_capabilities
from gateway.providers.ollama.chat import OllamaChat
from gateway.providers.ollama.messages import Message, build_messages
from gateway.providers.ollama.options import CLIENT_OPTIONS, LARGEST_SEED, build_options
from gateway.providers.ollama.reasoning import build_think
from gateway.providers.ollama.tools import (
    ToolPlan,
    build_forced_format,
    build_forced_instruction,
    build_tool_plan,
)
from gateway.providers.request_body import check_choices, dump_body
from gateway.types import ChatRequest, ModelInfo, UpstreamRequest
from gateway.validation import check_chat_request
from gateway.validation.fields import unsupported_parameter, unsupported_value

_REFUSED = {
    "logit_bias": "Token ids differ from model to model, so `logit_bias` can't be honoured.",
    "audio": "This model gives no audio, so `audio` can't be honoured.",
    "web_search_options": "This model can't search the web.",
    "moderation": "This provider has no moderation.",
}
_HONOURED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_completion_tokens",
        "max_tokens",
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "stop",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "reasoning_effort",
        "reasoning",
        "think",
        "logprobs",
        "top_logprobs",
        "n",
        "modalities",
        "top_k",
        "min_p",
        "typical_p",
        "repeat_penalty",
    }
)
_WITHOUT_EFFECT = frozenset({"user", "safety_identifier", "metadata", *_REFUSED})
"""Mere information, and what is refused unless it is empty."""


_DEPENDING_ON_MODEL = ("tools", "functions", "reasoning_effort", "reasoning", "think")


def needs_model_info(request: ChatRequest) -> bool:
    """Tell whether a request has images, audio, tools or reasoning; a wrong one needs none."""
    if not any(request.get(name) for name in _DEPENDING_ON_MODEL) and not _has_media(request):
        return False
    try:
        check_chat_request(request)
    except InvalidRequestError:
        return False
    return True


def build_chat(request: ChatRequest, target: Target, info: ModelInfo | None) -> OllamaChat:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    check_chat_request(request)
    _refuse_unsupported(request)
    capabilities = resolve_capabilities(target, info)
    messages, dropped_parts = build_messages(request["messages"], capabilities)
    think, dropped_reasoning = build_think(request, capabilities)
    plan = build_tool_plan(request, capabilities)
    options = build_options(request, target)
    body: dict[str, Any] = {
        "model": target.model,
        "messages": messages,
        "stream": True,
        "truncate": False,
    }
    if plan.forced_finish_reason:
        body["messages"] = _add_instruction(messages, build_forced_instruction(plan))
        body["format"] = build_forced_format(plan)
    else:
        body.update(_build_tools(plan))
        body.update(_build_format(request))
    if think is not None:
        body["think"] = think
    if request.get("logprobs"):
        body["logprobs"] = True
        body["top_logprobs"] = request.get("top_logprobs") or 0
    if target.provider.allow_client_options and request.get("keep_alive") is not None:
        body["keep_alive"] = request["keep_alive"]
    return OllamaChat(
        requests=_build_requests(body, options, request.get("n") or 1),
        dropped_params=(*_list_dropped(request, target), *dropped_reasoning, *dropped_parts),
        answer=build_answer(request, target, plan, options.get("num_ctx")),
    )


def _has_media(request: ChatRequest) -> bool:
    """Tell whether any part of a message, which may be wrong yet, is an image or audio."""
    messages = request.get("messages")
    contents = [
        message.get("content")
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, dict)
    ]
    return any(
        isinstance(part, dict) and part.get("type") in ("image_url", "input_audio")
        for content in contents
        if isinstance(content, list)
        for part in content
    )


def _refuse_unsupported(request: ChatRequest) -> None:
    for name in _REFUSED.keys() & request.keys():
        is_empty = name == "logit_bias" and request[name] == {}
        if request[name] is not None and not is_empty:
            raise unsupported_parameter(name, _REFUSED[name])
    if "audio" in (request.get("modalities") or ()):
        raise unsupported_value("modalities", "This model gives text only, no audio.")


def _build_tools(plan: ToolPlan) -> dict[str, Any]:
    if not plan.functions:
        return {}
    return {"tools": [{"type": "function", "function": each} for each in plan.functions]}


def _build_format(request: ChatRequest) -> dict[str, Any]:
    response_format = request.get("response_format") or {"type": "text"}
    if response_format["type"] == "json_object":
        return {"format": "json"}
    if response_format["type"] == "json_schema":
        return {"format": response_format["json_schema"]["schema"]}
    return {}


def _add_instruction(messages: list[Message], instruction: str) -> list[Message]:
    """Return the messages with an instruction in the first of them, a system message."""
    first, *rest = messages
    if first["role"] != "system":
        return [{"role": "system", "content": instruction}, *messages]
    return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *rest]


def _build_requests(
    body: dict[str, Any], options: dict[str, Any], n: int
) -> tuple[UpstreamRequest, ...]:
    """Return one request a choice, alike but for the seed."""
    if n == 1:
        return (_build_request({**body, "options": options} if options else body),)
    check_choices(dump_body(body), n)
    return tuple(
        _build_request({**body, "options": {**options, "seed": seed}})
        for seed in _choose_seeds(options.get("seed"), n)
    )


def _choose_seeds(seed: int | None, n: int) -> list[int]:
    """Return ``n`` distinct seeds: those that follow the client's, or any. -1 means "any"."""
    if seed is None or seed == -1:
        return random.sample(range(2**31), n)
    first = min(seed, LARGEST_SEED - n + 1)
    return list(range(first, first + n))


def _build_request(body: dict[str, Any]) -> UpstreamRequest:
    return UpstreamRequest("POST", "/api/chat", dump_body(body))


def _list_dropped(request: ChatRequest, target: Target) -> list[str]:
    others = [name for name in request if name not in _HONOURED and name not in _WITHOUT_EFFECT]
    if target.provider.allow_client_options:
        others = [name for name in others if name not in CLIENT_OPTIONS]
    return [
        name
        for name in others
        if request[name] is not None and not _is_default(name, request[name])
    ]


def _is_default(name: str, value: Any) -> bool:
    return (name == "store" and value is False) or (
        name == "service_tier" and value in ("auto", "default")
    )
