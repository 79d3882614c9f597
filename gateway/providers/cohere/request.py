"""A chat-completion request as a request to Cohere's ``/v2/chat``.

Knows which of OpenAI's fields are translated, refused or left out, and puts the
request together from what its neighbours translate. What OpenAI doesn't know
(``k``, ``documents``, ``safety_mode``, ``citation_options``, ``thinking`` …) goes to Cohere
as it is. Must not know answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config.settings import Target
from gateway.providers.answer import begin_answer
from gateway.providers.cohere.chat import CohereChat
from gateway.providers.cohere.messages import build_messages
from gateway.providers.cohere.tools import build_tools
from gateway.providers.request_body import dump_body
from gateway.types import ChatRequest, UpstreamRequest
from gateway.validation import check_chat_request
from gateway.validation.fields import unsupported_parameter, unsupported_value

CHAT_PATH = "/v2/chat"
LARGEST_P = 0.99
THINKING_BUDGETS = {"minimal": 512, "low": 1024, "medium": 4096}
"""Tokens a model may think for; higher efforts leave it to the model, which thinks by default."""

_RENAMED = {
    "temperature": "temperature",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "logprobs": "logprobs",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
}
_STRUCTURED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "stop",
        "top_p",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "response_format",
        "reasoning_effort",
        "modalities",
    }
)
_REFUSED = {
    "logit_bias": "Token ids differ from model to model, so `logit_bias` can't be honoured.",
    "audio": "This model gives no audio, so `audio` can't be honoured.",
    "web_search_options": "This model can't search the web.",
    "moderation": "This provider has no moderation.",
}
_WITHOUT_EFFECT = frozenset({"user", "safety_identifier", "metadata", *_REFUSED})
"""Mere information, and what is refused unless it is empty."""

_DROPPED = frozenset(
    {
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "service_tier",
        "store",
        "top_logprobs",
        "verbosity",
    }
)
_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "store": (False,),
    "service_tier": ("auto", "default"),
    "top_logprobs": (0,),
}


def build_chat(request: ChatRequest, target: Target) -> CohereChat:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    check_chat_request(request)
    _refuse_unsupported(request)
    thinks = does_think(target)
    messages, documents = build_messages(request["messages"], thinks=thinks)
    tools, dropped_tools = build_tools(request)
    n = request.get("n") or 1
    streamed = bool(request.get("stream")) or n > 1
    body: dict[str, Any] = {
        **_pass_through(request),
        "model": target.model,
        "messages": messages,
        "stream": streamed,
        **_build_sampling(request),
        **tools,
        **_build_format(request.get("response_format")),
    }
    if documents:
        body["documents"] = [*_read_documents(request), *documents]
    if "thinking" not in body:
        body.update(_build_thinking(request.get("reasoning_effort"), thinks))
    return CohereChat(
        requests=_build_requests(body, n),
        dropped_params=(*_list_dropped(request), *dropped_tools),
        streamed=streamed,
        head=begin_answer(target),
        only_first_call=request.get("parallel_tool_calls") is False,
    )


def does_think(target: Target) -> bool:
    """Tell whether a model is known to think, by its name or by what is configured of it."""
    return "reasoning" in target.model or "thinking" in (target.capabilities or ())


def _refuse_unsupported(request: ChatRequest) -> None:
    for name in _REFUSED.keys() & request.keys():
        is_empty = name != "web_search_options" and request[name] == {}
        if request[name] is not None and not is_empty:
            raise unsupported_parameter(name, _REFUSED[name])
    if "audio" in (request.get("modalities") or ()):
        raise unsupported_value("modalities", "This model gives text only, no audio.")


def _pass_through(request: ChatRequest) -> dict[str, Any]:
    """Return what OpenAI's API doesn't know: it is meant for Cohere."""
    known = _RENAMED.keys() | _STRUCTURED | _WITHOUT_EFFECT | _DROPPED
    return {name: value for name, value in request.items() if name not in known}


def _build_sampling(request: ChatRequest) -> dict[str, Any]:
    fields = {
        renamed: request[name]
        for name, renamed in _RENAMED.items()
        if request.get(name) is not None
    }
    if request.get("top_p") is not None:
        fields["p"] = min(request["top_p"], LARGEST_P)
    stop = request.get("stop")
    if stop:
        fields["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    return fields


def _build_format(response_format: Any) -> dict[str, Any]:
    kind = (response_format or {"type": "text"})["type"]
    if kind == "text":
        return {}
    built: dict[str, Any] = {"type": "json_object"}
    if kind == "json_schema":
        built["json_schema"] = response_format["json_schema"]["schema"]
    return {"response_format": built}


def _build_thinking(effort: str | None, thinks: bool) -> dict[str, Any]:
    """Return ``thinking``; a model that is not known to think needs no telling that it must not."""
    if effort is None or (effort == "none" and not thinks):
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    thinking: dict[str, Any] = {"type": "enabled"}
    if effort in THINKING_BUDGETS:
        thinking["token_budget"] = THINKING_BUDGETS[effort]
    return {"thinking": thinking}


def _read_documents(request: ChatRequest) -> list[Any]:
    given = request.get("documents")
    return given if isinstance(given, list) else []


def _build_requests(body: dict[str, Any], n: int) -> tuple[UpstreamRequest, ...]:
    """Return one request a choice, alike but for the seed."""
    seed = body.get("seed")
    bodies = [body] if n == 1 or seed is None else [{**body, "seed": seed + i} for i in range(n)]
    requests = [UpstreamRequest("POST", CHAT_PATH, dump_body(each)) for each in bodies]
    return tuple(requests) if len(requests) == n else tuple(requests * n)


def _list_dropped(request: ChatRequest) -> list[str]:
    dropped = [
        name
        for name in request
        if name in _DROPPED
        and request[name] is not None
        and request[name] not in _DEFAULTS.get(name, ())
    ]
    if (request.get("top_p") or 0) > LARGEST_P:
        dropped.append("top_p")
    return dropped
