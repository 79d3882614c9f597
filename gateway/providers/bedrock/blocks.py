"""The content blocks of a stream, as deltas of OpenAI's.

Knows ``contentBlockStart``, ``contentBlockDelta`` and ``contentBlockStop``. Text blocks
begin without a start (recorded). Must not know framing or ends.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.answer import require_text
from gateway.providers.bedrock.answer import Answer
from gateway.providers.bedrock.thinking_blocks import build_redacted_thinking, build_thinking


@dataclass
class _Call:
    """An open tool call. ``index`` is None where the call is the answer in JSON."""

    index: int | None
    has_input: bool = False


@dataclass
class _Reasoning:
    """An open block of reasoning, kept until it is signed."""

    texts: list[str] = field(default_factory=list)
    signature: str = ""
    redacted: list[str] = field(default_factory=list)


class Blocks:
    """What is open of a stream; ``calls`` counts the client's calls so far."""

    def __init__(self, answer: Answer) -> None:
        self.calls = 0
        self._answer = answer
        self._open_calls: dict[int, _Call] = {}
        self._open_reasoning: dict[int, _Reasoning] = {}
        self._skipped: set[int] = set()

    def read(self, name: str, event: dict[str, Any]) -> dict[str, Any] | None:
        """Return the delta that an event amounts to, None for one that says nothing."""
        if name == "contentBlockDelta":
            delta = event.get("delta")
            return self._extend(_read_index(event), delta) if isinstance(delta, dict) else None
        if name == "contentBlockStart":
            start = event.get("start")
            use = start.get("toolUse") if isinstance(start, dict) else None
            return self._start_call(_read_index(event), use) if isinstance(use, dict) else None
        if name == "contentBlockStop":
            return self._end(_read_index(event))
        return None

    def _start_call(self, block: int, use: dict[str, Any]) -> dict[str, Any] | None:
        """Begin a call, unless it is the answer in JSON, the server's own, or one too many."""
        name = use.get("name")
        if not isinstance(name, str) or not name:
            raise UpstreamError("The provider sent a tool call that can't be read.")
        if name == self._answer.json_tool:
            self._open_calls[block] = _Call(None)
            return None
        is_too_many = self.calls > 0 and self._answer.only_first_call
        if use.get("type") == "server_tool_use" or is_too_many:
            self._skipped.add(block)
            return None
        self._open_calls[block] = _Call(self.calls)
        call = {
            "index": self.calls,
            "id": str(use.get("toolUseId") or f"call_{secrets.token_hex(12)}"),
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        self.calls += 1
        return {"tool_calls": [call]}

    def _extend(self, block: int, delta: dict[str, Any]) -> dict[str, Any] | None:
        text = delta.get("text")
        if text:
            return {"content": require_text(text)}
        use = delta.get("toolUse")
        if isinstance(use, dict):
            return self._extend_call(block, use.get("input"))
        reasoning = delta.get("reasoningContent")
        if isinstance(reasoning, dict):
            return self._extend_reasoning(block, reasoning)
        if isinstance(delta.get("citation"), dict):
            return {"citations": [delta["citation"]]}
        return None

    def _extend_call(self, block: int, text: Any) -> dict[str, Any] | None:
        if not text or block in self._skipped:
            return None
        call = self._open_calls.get(block)
        if call is None:
            raise UpstreamError("The provider sent arguments of a tool call that did not begin.")
        call.has_input = True
        return _build_input(call, require_text(text))

    def _extend_reasoning(self, block: int, delta: dict[str, Any]) -> dict[str, Any] | None:
        reasoning = self._open_reasoning.setdefault(block, _Reasoning())
        if delta.get("signature"):
            reasoning.signature += require_text(delta["signature"])
        if delta.get("redactedContent"):
            reasoning.redacted.append(require_text(delta["redactedContent"]))
        if not delta.get("text"):
            return None
        reasoning.texts.append(require_text(delta["text"]))
        return {"reasoning_content": reasoning.texts[-1]}

    def _end(self, block: int) -> dict[str, Any] | None:
        """End a block: a call without arguments says that it has none, reasoning its signature."""
        call = self._open_calls.pop(block, None)
        if call is not None and not call.has_input:
            return _build_input(call, "{}")
        reasoning = self._open_reasoning.pop(block, None)
        if reasoning is None or not (reasoning.signature or reasoning.redacted):
            return None
        thinking = [build_redacted_thinking(data) for data in reasoning.redacted]
        if reasoning.signature:
            thinking.append(build_thinking("".join(reasoning.texts), reasoning.signature))
        return {"thinking_blocks": thinking}


def _read_index(event: dict[str, Any]) -> int:
    index = event.get("contentBlockIndex")
    return index if isinstance(index, int) else 0


def _build_input(call: _Call, text: str) -> dict[str, Any]:
    if call.index is None:
        return {"content": text}
    return {"tool_calls": [{"index": call.index, "function": {"arguments": text}}]}
