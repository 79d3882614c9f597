"""A chat-completion request as requests to Bedrock's Converse or ConverseStream.

Knows which of OpenAI's fields are translated, refused or left out, and puts the
request together from what its neighbours translate. Converse's own fields go to it
under their names; what neither API knows goes to the model (``additionalModelRequestFields``).
Must not know answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gateway.config.settings import Target
from gateway.providers.answer import begin_answer
from gateway.providers.bedrock.answer import Answer
from gateway.providers.bedrock.chat import BedrockChat
from gateway.providers.bedrock.families import Family, find_family
from gateway.providers.bedrock.messages import build_messages
from gateway.providers.bedrock.reasoning import Plan, plan_reasoning
from gateway.providers.bedrock.tools import ToolPlan, build_tool_plan
from gateway.providers.request_body import dump_body
from gateway.providers.status_errors import build_model_not_found
from gateway.types import ChatRequest, UpstreamRequest
from gateway.validation import check_chat_request
from gateway.validation.fields import check_number, unsupported_parameter, unsupported_value

_REFUSED = {
    "logit_bias": "Token ids differ from model to model, so `logit_bias` can't be honoured.",
    "logprobs": "Bedrock tells no logprobs.",
    "audio": "This model gives no audio, so `audio` can't be honoured.",
    "web_search_options": "This model can't search the web.",
    "moderation": "This provider has no moderation.",
}
_STRUCTURED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_completion_tokens",
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "n",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "response_format",
        "reasoning_effort",
        "service_tier",
        "modalities",
    }
)
_WITHOUT_EFFECT = frozenset({"user", "safety_identifier", "metadata", *_REFUSED})
"""Mere information, and what is refused unless it is empty."""

_DROPPED = frozenset(
    {
        "frequency_penalty",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "seed",
        "store",
        "top_logprobs",
        "verbosity",
    }
)
_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "store": (False,),
    "top_logprobs": (0,),
}
_CONVERSE_FIELDS = frozenset(
    {
        "additionalModelResponseFieldPaths",
        "guardrailConfig",
        "performanceConfig",
        "projectIdentifier",
        "promptVariables",
        "requestMetadata",
        "serviceTier",
    }
)
_ADDITIONAL = "additionalModelRequestFields"
_OUTPUT = "outputConfig"
_SERVICE_TIERS = ("priority", "flex")
_SAMPLING = {"temperature": "temperature", "top_p": "topP"}


def build_chat(request: ChatRequest, target: Target) -> BedrockChat:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    check_chat_request(request)
    _refuse_unsupported(request)
    family = find_family(target.model)
    system, messages = build_messages(request["messages"])
    tools = build_tool_plan(request, family, messages)
    max_tokens = request.get("max_completion_tokens") or request.get("max_tokens")
    reasoning = plan_reasoning(
        request.get("reasoning_effort"),
        family,
        max_tokens=max_tokens,
        may_use_budget=not tools.forced and _has_signed_turn(messages),
    )
    inference, dropped_inference = _build_inference(request, max_tokens, family, reasoning)
    body: dict[str, Any] = {
        **{name: request[name] for name in _CONVERSE_FIELDS & request.keys()},
        "messages": messages,
        **_filled(
            system=system,
            inferenceConfig=inference,
            toolConfig=tools.config,
            outputConfig=_build_output(request, tools, reasoning),
            serviceTier=_build_service_tier(request),
            additionalModelRequestFields=_build_additional(request, reasoning, target.model),
        ),
    }
    n = request.get("n") or 1
    streamed = bool(request.get("stream")) or n > 1
    path = f"{build_model_path(target)}/{'converse-stream' if streamed else 'converse'}"
    return BedrockChat(
        requests=(UpstreamRequest("POST", path, dump_body(body)),) * n,
        dropped_params=(
            *_list_dropped(request),
            *dropped_inference,
            *reasoning.dropped,
            *tools.dropped,
        ),
        streamed=streamed,
        answer=Answer(
            begin_answer(target),
            json_tool=tools.json_tool,
            only_first_call=request.get("parallel_tool_calls") is False,
        ),
    )


def build_model_path(target: Target) -> str:
    """Return ``/model/<id>``; raises ``NotFoundError`` for a name no path can hold."""
    if target.model in (".", ".."):
        raise build_model_not_found(target.requested_model)
    return f"/model/{quote(target.model, safe='')}"


def _refuse_unsupported(request: ChatRequest) -> None:
    for name in _REFUSED.keys() & request.keys():
        is_empty = name != "web_search_options" and request[name] in (False, {})
        if request[name] is not None and not is_empty:
            raise unsupported_parameter(name, _REFUSED[name])
    if "audio" in (request.get("modalities") or ()):
        raise unsupported_value("modalities", "This model gives text only, no audio.")
    check_number(request, "temperature", 0, 1)


def _has_signed_turn(messages: list[dict[str, Any]]) -> bool:
    """Tell whether a turn that waits for tool results begins with reasoning, if there is one.

    Claude with a budget refuses one that does not.
    """
    if len(messages) < 2 or not any("toolResult" in b for b in messages[-1]["content"]):
        return True
    return "reasoningContent" in messages[-2]["content"][0]


def _build_inference(
    request: ChatRequest, max_tokens: int | None, family: Family, reasoning: Plan
) -> tuple[dict[str, Any], list[str]]:
    """Return ``inferenceConfig``, and the names of what can't stand in it."""
    inference: dict[str, Any] = {}
    dropped: list[str] = []
    if max_tokens is not None:
        if "maxTokens" in reasoning.unset:
            dropped += [n for n in ("max_completion_tokens", "max_tokens") if request.get(n)]
        else:
            inference["maxTokens"] = max_tokens
    for name, renamed in _SAMPLING.items():
        value = request.get(name)
        if value is None:
            continue
        if renamed in reasoning.unset or not family.sampling:
            # 1 is what both are anyway.
            dropped += [name] if value != 1 else []
        else:
            inference[renamed] = value
    stop = request.get("stop")
    if stop:
        inference["stopSequences"] = [stop] if isinstance(stop, str) else stop
    return inference, dropped


def _build_output(request: ChatRequest, tools: ToolPlan, reasoning: Plan) -> dict[str, Any]:
    output = _filled(textFormat=tools.text_format, effort=reasoning.effort)
    given = request.get(_OUTPUT)
    return {**output, **given} if isinstance(given, dict) else output


def _build_service_tier(request: ChatRequest) -> dict[str, Any] | None:
    tier = request.get("service_tier")
    if tier in _SERVICE_TIERS:
        return {"type": tier}
    given: dict[str, Any] | None = request.get("serviceTier")
    return given


def _build_additional(request: ChatRequest, reasoning: Plan, model: str) -> dict[str, Any]:
    """Return the model's own fields: what an effort becomes, and what only the model can know."""
    known = _STRUCTURED | _WITHOUT_EFFECT | _DROPPED | _CONVERSE_FIELDS | {_ADDITIONAL, _OUTPUT}
    unknown = {name: value for name, value in request.items() if name not in known}
    if "top_k" in unknown and "nova-" in model:
        unknown["inferenceConfig"] = {"topK": unknown.pop("top_k")}
    given = request.get(_ADDITIONAL)
    return {**reasoning.additional, **unknown, **(given if isinstance(given, dict) else {})}


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _list_dropped(request: ChatRequest) -> list[str]:
    dropped = [
        name
        for name in request
        if name in _DROPPED
        and request[name] is not None
        and request[name] not in _DEFAULTS.get(name, ())
    ]
    if request.get("service_tier") not in (None, "auto", "default", *_SERVICE_TIERS):
        dropped.append("service_tier")
    return dropped
