"""Calls of earlier turns and their results as Gemini's ``functionCall`` and ``functionResponse``.

Knows that a result names its call's function, and what of a call has to be signed.
Must not know the messages around them.
"""

from __future__ import annotations

from typing import Any

from gateway.config.settings import Target
from gateway.providers.gemini.generations import generation_of
from gateway.providers.gemini.media import Part
from gateway.providers.gemini.signatures import DUMMY, is_foreign, parse_id, read_extra_content
from gateway.providers.tool_arguments import parse_arguments

_NOBODY_KNOWS = 2**31


class Calls:
    """The calls of a conversation so far, by id."""

    def __init__(self, target: Target) -> None:
        self._target = target.name
        self._generation = generation_of(target.model)
        self._names: dict[str, str] = {}
        self._order: dict[str, int] = {}

    def build_parts(self, message: dict[str, Any]) -> list[Part]:
        """Return the parts for an assistant's calls.

        The first call of a turn is signed, and only that one is sure to be. A model that
        demands it takes the dummy where the call was made elsewhere.
        """
        calls = message.get("tool_calls") or ()
        parts = [self._build_call(call) for call in calls]
        if message.get("function_call"):
            parts.append({"functionCall": _build_function_call(message["function_call"])})
        if parts and self._generation.has_levels:
            parts[0].setdefault("thoughtSignature", DUMMY)
        return parts

    def build_result(
        self, message: dict[str, Any], text: str, media: list[Part]
    ) -> tuple[Part, list[Part]]:
        """Return the part for a result, and the media that have to stand beside it.

        Only Gemini 3 and later take media in a result (Google's documentation of
        multimodal function responses).
        """
        if message["role"] == "function":
            response = {"name": message["name"]}
        else:
            call_id = parse_id(message["tool_call_id"], self._target).id
            response = {"id": call_id, "name": self._names.get(call_id) or message["name"]}
        built: dict[str, Any] = {**response, "response": {"result": text}}
        if media and self._generation.has_levels:
            built["parts"] = media
            media = []
        return {"functionResponse": built}, media

    def order_of(self, call_id: str | None) -> int:
        """Return at which place a call was made; calls without an id come last."""
        return self._order.get(call_id or "", _NOBODY_KNOWS)

    def _build_call(self, call: dict[str, Any]) -> Part:
        call_id, signature = parse_id(call["id"], self._target)
        if signature is None and not is_foreign(call["id"], self._target):
            signature = read_extra_content(call)
        name = call["function"]["name"]
        self._names[call_id] = name
        self._order[call_id] = len(self._order)
        part: Part = {"functionCall": {"id": call_id, **_build_function_call(call["function"])}}
        if signature is not None:
            part["thoughtSignature"] = signature
        return part


def _build_function_call(function: dict[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "args": parse_arguments(function["arguments"])}
