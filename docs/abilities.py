"""What each kind of provider can do, found out by asking its own code.

Knows requests that use one ability each, and what comes of them: no provider's name decides
an outcome. Must not know how the outcomes are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import GatewayError
from gateway.kinds import COMPATIBLE_KINDS, DEMO_KIND, DEMO_MODEL, KINDS
from gateway.providers import get_provider
from gateway.providers.base import Provider
from gateway.types import ChatRequest, ModelInfo, NativeRequest, PassthroughRequest

MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "azure": "gpt-4.1",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
    DEMO_KIND: DEMO_MODEL,
    "gemini": "gemini-2.5-flash",
    "mistral": "mistral-medium-latest",
    "openai": "gpt-4.1",
    "vertex": "gemini-2.5-flash",
}
"""The model that is asked for, where abilities depend on it; elsewhere any name does."""

EMBEDDING_MODELS = {
    "bedrock": "amazon.titan-embed-text-v2:0",
    "cohere": "embed-v4.0",
    DEMO_KIND: DEMO_MODEL,
    "gemini": "gemini-embedding-001",
    "vertex": "gemini-embedding-001",
}

DIALECTS = {
    "messages": "Messages",
    "responses": "Responses",
    "ollama_chat": "Ollama's chat",
    "ollama_generate": "Ollama's generate",
}
OPERATIONS = ("/images/generations", "/audio/speech", "/moderations", "/rerank")

YES, NO, DROPPED, FETCHED = "yes", "no", "dropped", "yes, fetched"
BY_THE_GATEWAY, LEFT_OUT = "yes, by the gateway", "left out"
AS_FUNCTIONS = "as functions"

_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
_LINK = "https://example.com/image.png"
_OBJECT = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": _OBJECT}}


def _part(kind: str, **content: Any) -> dict[str, Any]:
    """Return the fields of a request whose message has a text and a part of this type."""
    parts = [{"type": "text", "text": "What is this?"}, {"type": kind, kind: content}]
    return {"messages": [{"role": "user", "content": parts}]}


_TEXT_PART = {
    "messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"}]}]
}


class Probe(NamedTuple):
    """A request with one ability; ``without`` is the same request but for that."""

    fields: Mapping[str, Any]
    without: Mapping[str, Any] = {}


CHATS: dict[str, Probe] = {
    "tools": Probe({"tools": [_TOOL]}),
    "a tool that must be called (`tool_choice`)": Probe(
        {"tools": [_TOOL], "tool_choice": "required"}, {"tools": [_TOOL]}
    ),
    "one call at a time (`parallel_tool_calls`: false)": Probe(
        {"tools": [_TOOL], "parallel_tool_calls": False}, {"tools": [_TOOL]}
    ),
    "images as `data:` URIs": Probe(
        _part("image_url", url=f"data:image/png;base64,{_PNG}"), _TEXT_PART
    ),
    "images by their address": Probe(_part("image_url", url=_LINK), _TEXT_PART),
    "files": Probe(
        _part("file", filename="a.pdf", file_data="data:application/pdf;base64,JVBERi0xLjQ="),
        _TEXT_PART,
    ),
    "audio as input": Probe(_part("input_audio", data="UklGRg==", format="wav"), _TEXT_PART),
    "audio as output": Probe(
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    ),
    "JSON mode": Probe({"response_format": {"type": "json_object"}}),
    "JSON schema": Probe(
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "city", "schema": _OBJECT, "strict": True},
            }
        }
    ),
    "`reasoning_effort`": Probe({"reasoning_effort": "high"}),
    "`logprobs`": Probe({"logprobs": True}),
    "`n` of 2": Probe({"n": 2}),
    "`stop`": Probe({"stop": ["END"]}),
    "`max_completion_tokens`": Probe({"max_completion_tokens": 77}),
    "`temperature`": Probe({"temperature": 0.5}),
    "`seed`": Probe({"seed": 7}),
    "`presence_penalty`": Probe({"presence_penalty": 0.5}),
    "`logit_bias`": Probe({"logit_bias": {"1": 5}}),
    "`user`": Probe({"user": "somebody"}),
    "a field nobody knows": Probe({"some_unknown_field": 1}),
}
"""What a chat can ask for."""

_INFO = ModelInfo(
    "some-model",
    capabilities=frozenset({"completion", "tools", "vision", "audio", "thinking", "insert"}),
)
"""A model that can do whatever its provider can, as far as the provider asks for that."""


def find_abilities(kind: str) -> dict[str, str]:
    """Return what comes of each request to a provider of ``kind``, by the ability's name."""
    provider, target = get_provider(kind), _target(kind, MODELS)
    abilities = {
        "text": _accepts(provider, target, {}),
        "streams": _accepts(provider, target, {"stream": True}),
    }
    for name, probe in CHATS.items():
        abilities[name] = _find_outcome(provider, target, probe)
    takes_custom = provider.takes_custom_tools(target)
    abilities["custom tools"] = YES if takes_custom else AS_FUNCTIONS
    abilities["embeddings"] = _has_embeddings(provider, _target(kind, EMBEDDING_MODELS))
    abilities["tokens counted before (`count_tokens`)"] = _counts(provider, target)
    has_list = provider.has_model_list(target.provider) and provider.lists_names()
    abilities["list of models"] = YES if has_list else NO
    spoken = [name for dialect, name in DIALECTS.items() if provider.speaks(dialect, target)]
    abilities["passed on natively"] = ", ".join(spoken) or NO
    for operation in OPERATIONS:
        abilities[f"`/v1{operation}`"] = _passes(provider, target, operation)
    return abilities


def own_kinds() -> tuple[str, ...]:
    """Return the kinds that are more than a row of OpenAI-compatible ones."""
    return tuple(kind for kind in KINDS if kind not in COMPATIBLE_KINDS)


def _target(kind: str, models: dict[str, str]) -> Target:
    model = models.get(kind, "some-model")
    row = KINDS[kind]
    settings = ProviderSettings(kind, kind, row.base_url or "https://example.com", ("key",))
    return Target(settings, model, f"{kind}/{model}")


def _request(fields: Mapping[str, Any]) -> ChatRequest:
    messages = [{"role": "user", "content": "What is this?"}]
    return {"model": "some-model", "messages": messages, **fields}


def _accepts(provider: Provider, target: Target, fields: Mapping[str, Any]) -> str:
    call = provider.build_chat(_request(fields), target, _INFO)
    return YES if call.streamed or not fields else NO


def _find_outcome(provider: Provider, target: Target, probe: Probe) -> str:
    if _is_fetched(provider, probe):
        return FETCHED
    try:
        call = provider.build_chat(_request(probe.fields), target, _INFO)
    except GatewayError as error:
        return str(error.status)
    if call.dropped_params:
        return DROPPED
    plain = provider.build_chat(_request(probe.without), target, _INFO)
    if call.requests != plain.requests:
        return YES
    return LEFT_OUT if _how_it_is_read(call) == _how_it_is_read(plain) else BY_THE_GATEWAY


def _how_it_is_read(call: Any) -> Any:
    """Return all that a call keeps for its answer, but for what is new each time."""
    if not is_dataclass(call):
        return call
    names = {field.name for field in fields(call)} - {"id", "created"}
    return {name: _how_it_is_read(getattr(call, name)) for name in names}


def _is_fetched(provider: Provider, probe: Probe) -> bool:
    return probe.fields == _part("image_url", url=_LINK) and provider.needs_fetching(_LINK)


def _has_embeddings(provider: Provider, target: Target) -> str:
    try:
        provider.build_embeddings({"model": target.model, "input": ["one"]}, target)
    except GatewayError as error:
        return str(error.status)
    return YES


def _counts(provider: Provider, target: Target) -> str:
    native = {"model": target.model, **_request({})}
    asked = provider.build_token_count(NativeRequest(_request({}), "messages", native), target)
    return "estimated" if asked is None else YES


def _passes(provider: Provider, target: Target, operation: str) -> str:
    def build_body(model: str) -> bytes:
        return b"{}"

    request = PassthroughRequest(operation, target.model, "application/json", build_body, 2)
    return NO if provider.build_passthrough(request, target) is None else YES


def find_all(kinds: Sequence[str]) -> dict[str, list[str]]:
    """Return the outcomes of ``kinds``, in their order, by the ability's name."""
    found = [find_abilities(kind) for kind in kinds]
    return {name: [each[name] for each in found] for name in found[0]}
