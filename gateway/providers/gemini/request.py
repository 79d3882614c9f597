"""A chat-completion request as a request to ``:generateContent``.

Knows which of OpenAI's fields (openai-python 3.54) are translated, refused or
left out, and puts the request together from what its neighbours translate. Must
not know answers.
"""

from __future__ import annotations

from typing import Any

from gateway.config.settings import Target
from gateway.providers.gemini import extras, options
from gateway.providers.gemini.answer import build_answer
from gateway.providers.gemini.chat import GeminiChat
from gateway.providers.gemini.generations import generation_of
from gateway.providers.gemini.messages import build_conversation
from gateway.providers.gemini.paths import Door
from gateway.providers.gemini.reasoning import build_thinking
from gateway.providers.gemini.tools import build_tool_plan, build_tools
from gateway.providers.request_body import dump_body
from gateway.types import ChatRequest, UpstreamRequest
from gateway.validation import check_chat_request
from gateway.validation.fields import unsupported_parameter, unsupported_value

_REFUSED = {
    "logit_bias": "Token ids differ from model to model, so `logit_bias` can't be honoured.",
    "audio": "This model gives no audio, so `audio` can't be honoured.",
    "moderation": "This provider has no moderation.",
}
_HONOURED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "reasoning_effort",
        "reasoning",
        "modalities",
        "web_search_options",
        *options.NAMES,
        *extras.NAMES,
    }
)
_WITHOUT_EFFECT = frozenset({"user", "safety_identifier", "metadata", *_REFUSED})
"""Mere information, and what is refused unless it is empty."""


def build_chat(request: ChatRequest, target: Target, door: Door) -> GeminiChat:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    check_chat_request(request)
    _refuse_unsupported(request)
    generation = generation_of(target.model)
    conversation = build_conversation(request["messages"], target)
    plan = build_tool_plan(request, generation)
    thinking, dropped_reasoning = build_thinking(request, generation)
    config = options.build_options(request)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    body: dict[str, Any] = {"contents": conversation.contents}
    if conversation.system is not None:
        body["systemInstruction"] = conversation.system
    body.update(build_tools(plan))
    if request.get("web_search_options") is not None:
        body["tools"] = [*body.get("tools", ()), {"googleSearch": {}}]
    if config:
        body["generationConfig"] = config
    body.update(options.build_service_tier(request))
    extras.add_extras(body, request, all_allowed=target.provider.allow_client_options)
    streamed = bool(request.get("stream"))
    method = ":streamGenerateContent?alt=sse" if streamed else ":generateContent"
    return GeminiChat(
        requests=(_build_request(door.model_path(target) + method, body),),
        dropped_params=(
            *_list_dropped(request),
            *plan.dropped,
            *dropped_reasoning,
            *conversation.dropped,
        ),
        streamed=streamed,
        answer=build_answer(request, target, plan),
    )


def _refuse_unsupported(request: ChatRequest) -> None:
    for name in _REFUSED.keys() & request.keys():
        is_empty = name == "logit_bias" and request[name] == {}
        if request[name] is not None and not is_empty:
            raise unsupported_parameter(name, _REFUSED[name])
    if "audio" in (request.get("modalities") or ()):
        raise unsupported_value("modalities", "This model gives text only, no audio.")


def _build_request(path: str, body: dict[str, Any]) -> UpstreamRequest:
    return UpstreamRequest("POST", path, dump_body(body))


def _list_dropped(request: ChatRequest) -> list[str]:
    dropped = [
        name
        for name, value in request.items()
        if value is not None
        and name not in _HONOURED
        and name not in _WITHOUT_EFFECT
        and not (name == "store" and value is False)
    ]
    if options.is_dropped_tier(request):
        dropped.append("service_tier")
    return dropped + [
        f"web_search_options.{name}"
        for name, value in (request.get("web_search_options") or {}).items()
        if value is not None
    ]
