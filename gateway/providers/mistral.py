"""Mistral: OpenAI's format, with other names, thoughts as parts of content, and short tool ids.

Knows what its API refuses (mistralai-python 3.7.0; unknown fields are a 422). What
its answers depart in is put right by ``gateway.providers.openai``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from typing import Any

from gateway.config.settings import Target
from gateway.errors import InvalidRequestError
from gateway.providers.openai import OpenAI, OpenAIEmbeddingsCall
from gateway.types import ChatRequest, EmbeddingsRequest

_TOOL_ID = re.compile(r"[A-Za-z0-9]{9}")
_EMBEDDINGS = {"dimensions": "output_dimension"}
_NO_EMBEDDINGS = ("user",)


class Mistral(OpenAI):
    """Implements ``gateway.providers.base.Provider``."""

    def adapt_body(self, body: ChatRequest, target: Target) -> tuple[ChatRequest, list[str]]:
        """Return a chat request as Mistral takes it, and the names of what is dropped."""
        body, dropped = super().adapt_body(body, target)
        if isinstance(body.get("messages"), list):
            body["messages"] = [_adapt_message(message) for message in body["messages"]]
            _mark_prefix(body["messages"])
        if isinstance(body.get("tools"), list):
            body["tools"] = [_with_parameters(tool) for tool in body["tools"]]
        # Null is refused where OpenAI takes it for "not given".
        return {name: value for name, value in body.items() if value is not None}, dropped

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> OpenAIEmbeddingsCall:
        """Build an embeddings request; token ids, which only OpenAI's models have, are refused."""
        given = request.get("input")
        if isinstance(given, list) and not all(isinstance(text, str) for text in given):
            message = "'input' must be a text or a list of texts: Mistral takes no token ids."
            raise InvalidRequestError(message, param="input", code="invalid_type")
        body = {
            _EMBEDDINGS.get(name, name): value
            for name, value in request.items()
            if value is not None and name not in _NO_EMBEDDINGS
        }
        dropped = tuple(name for name in _NO_EMBEDDINGS if request.get(name) is not None)
        return replace(super().build_embeddings(body, target), dropped_params=dropped)


def _adapt_message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    adapted = dict(message)
    if adapted.get("role") != "tool":
        adapted.pop("name", None)
    if isinstance(adapted.get("tool_calls"), list):
        adapted["tool_calls"] = [_adapt_call(call) for call in adapted["tool_calls"]]
    if isinstance(adapted.get("tool_call_id"), str):
        adapted["tool_call_id"] = _shorten(adapted["tool_call_id"])
    thought = adapted.pop("reasoning_content", None)
    if isinstance(thought, str):
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
        adapted["content"] = [thinking, *_as_parts(adapted.get("content"))]
    return adapted


def _as_parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else []


def _adapt_call(call: Any) -> Any:
    if not (isinstance(call, dict) and isinstance(call.get("id"), str)):
        return call
    return {**call, "id": _shorten(call["id"])}


def _shorten(tool_id: str) -> str:
    """Return an id of nine letters and digits: the same for the same id, as calls and results go
    together by it."""
    if _TOOL_ID.fullmatch(tool_id):
        return tool_id
    digest = hashlib.sha256(tool_id.encode("utf-8", "replace")).digest()
    return base64.b32encode(digest).decode("ascii")[:9]


def _mark_prefix(messages: list[Any]) -> None:
    """Let the model go on with an answer that the client has begun."""
    last = messages[-1] if messages else None
    if isinstance(last, dict) and last.get("role") == "assistant" and not last.get("tool_calls"):
        last["prefix"] = True


def _with_parameters(tool: Any) -> Any:
    """Return a tool whose function has ``parameters``, which Mistral requires."""
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or function.get("parameters") is not None:
        return tool
    empty = {"type": "object", "properties": {}}
    return {**tool, "function": {**function, "parameters": empty}}
