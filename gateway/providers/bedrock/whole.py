"""Converse's whole answers as chat completions (recorded, and botocore 1.44)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.answer import require_text
from gateway.providers.bedrock.answer import (
    Answer,
    read_extras,
    read_finish_reason,
    read_usage,
)
from gateway.providers.bedrock.thinking_blocks import build_redacted_thinking, build_thinking
from gateway.serialization import dumps_ascii, loads_lenient
from gateway.types import ChatCompletion


def parse_whole(body: bytes, answer: Answer) -> ChatCompletion:
    """Translate a whole answer; raises ``UpstreamError`` where it is not one."""
    try:
        value = loads_lenient(body)
    except ValueError:
        raise UpstreamError("The provider's answer is not JSON.") from None
    output = value.get("output") if isinstance(value, dict) else None
    message = output.get("message") if isinstance(output, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        raise UpstreamError("The provider's answer has no message.")
    built = _Message(answer)
    for block in content:
        if isinstance(block, dict):
            built.add(block)
    completion = answer.head.build_completion(
        built.to_dict(),
        read_finish_reason(value.get("stopReason"), was_called=bool(built.calls)),
        read_usage(value.get("usage")),
    )
    return {**completion, **read_extras(value)}


class _Message:
    """A message, put together from its blocks; blocks of unknown types say nothing."""

    def __init__(self, answer: Answer) -> None:
        self.calls: list[dict[str, Any]] = []
        self._answer = answer
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._thinking: list[dict[str, Any]] = []
        self._citations: list[Any] = []

    def add(self, block: dict[str, Any]) -> None:
        if "text" in block:
            self._texts.append(require_text(block["text"]))
        elif isinstance(block.get("toolUse"), dict):
            self._add_call(block["toolUse"])
        elif isinstance(block.get("reasoningContent"), dict):
            self._add_reasoning(block["reasoningContent"])
        elif isinstance(block.get("citationsContent"), dict):
            cited = block["citationsContent"]
            self._texts.extend(_iter_texts(cited.get("content")))
            citations = cited.get("citations")
            self._citations += citations if isinstance(citations, list) else []

    def to_dict(self) -> dict[str, Any]:
        has_text = bool(self._texts) or not self.calls
        message: dict[str, Any] = {"content": "".join(self._texts) if has_text else None}
        if self._thoughts:
            message["reasoning_content"] = "".join(self._thoughts)
        if self._thinking:
            message["thinking_blocks"] = self._thinking
        if self.calls:
            message["tool_calls"] = self.calls
        if self._citations:
            message["citations"] = self._citations
        return message

    def _add_call(self, use: dict[str, Any]) -> None:
        """Add a call, unless it is the answer in JSON, the server's own, or one too many."""
        name, arguments = use.get("name"), use.get("input")
        if not isinstance(name, str) or not name:
            raise UpstreamError("The provider sent a tool call that can't be read.")
        text = _dump_input({} if arguments is None else arguments)
        if name == self._answer.json_tool:
            self._texts.append(text)
        elif use.get("type") != "server_tool_use" and not (
            self.calls and self._answer.only_first_call
        ):
            call_id = use.get("toolUseId") or f"call_{secrets.token_hex(12)}"
            function = {"name": name, "arguments": text}
            self.calls.append({"id": str(call_id), "type": "function", "function": function})

    def _add_reasoning(self, reasoning: dict[str, Any]) -> None:
        if isinstance(reasoning.get("redactedContent"), str):
            self._thinking.append(build_redacted_thinking(reasoning["redactedContent"]))
        signed = reasoning.get("reasoningText")
        if isinstance(signed, dict):
            text = require_text(signed.get("text") or "")
            self._thoughts += [text] if text else []
            if isinstance(signed.get("signature"), str):
                self._thinking.append(build_thinking(text, signed["signature"]))


def _dump_input(arguments: Any) -> str:
    try:
        return dumps_ascii(arguments).decode()
    except RecursionError:
        raise UpstreamError("The provider sent a tool call that can't be read.") from None


def _iter_texts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and "text" in part:
            yield require_text(part["text"])
