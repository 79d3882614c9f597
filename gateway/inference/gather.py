"""Putting the chunks of streams together: into one whole answer, or several into one stream.

Knows OpenAI's chunks. Must not know where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gateway.types import ChatCompletion, Chunk, Usage

_CONTENT = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call")


def has_content(chunk: Chunk) -> bool:
    """Tell whether a chunk says something: text, reasoning, a tool call, audio, or its end."""
    for choice in chunk.get("choices", ()):
        if choice.get("finish_reason"):
            return True
        delta = choice.get("delta")
        if delta and (any(delta.get(name) for name in _CONTENT) or delta.get("audio")):
            return True
    return False


def gather(batches: Iterable[list[Chunk]]) -> ChatCompletion:
    """Read a stream to its end and return the ``chat.completion`` that it amounts to.

    Raises what the stream raises.
    """
    head: Chunk = {}
    usage: Usage | None = None
    choices: dict[int, _Choice] = {}
    for batch in batches:
        for chunk in batch:
            head = head or chunk
            usage = chunk.get("usage") or usage
            for choice in chunk.get("choices", ()):
                index = choice.get("index", 0)
                if index not in choices:
                    choices[index] = _Choice(index)
                choices[index].add(choice)
    completion: ChatCompletion = {
        "id": head.get("id"),
        "object": "chat.completion",
        "created": head.get("created"),
        "model": head.get("model"),
        "choices": [choices[index].to_dict() for index in sorted(choices)],
    }
    if usage is not None:
        completion["usage"] = usage
    return completion


def merge(
    streams: list[Iterator[list[Chunk]]], wait: Callable[[list[int]], bool]
) -> Iterator[list[Chunk]]:
    """Interleave the streams of several choices into one, with one summed usage chunk last.

    The streams must yield ``[]`` instead of waiting; ``wait`` waits for those whose
    numbers it is given, and returns False when a ping is due, which yields ``[]``.
    """
    usages: dict[int, Chunk] = {}
    running = dict(enumerate(streams))
    while running:
        merged: list[Chunk] = []
        for index, stream in list(running.items()):
            batch = next(stream, None)
            if batch is None:
                del running[index]
                continue
            for chunk in batch:
                if chunk.get("usage"):
                    usages[index] = chunk
                else:
                    merged.append(chunk)
        if merged or (running and not wait(list(running))):
            yield merged
    if usages:
        yield [_sum_usage([usages[index] for index in sorted(usages)])]


def _sum_usage(chunks: list[Chunk]) -> Chunk:
    """Count the prompt once, as OpenAI does, and the completions together."""
    total: dict[str, Any] = dict(chunks[0]["usage"] or {})
    total["completion_tokens"] = sum(
        (chunk["usage"] or {}).get("completion_tokens", 0) for chunk in chunks
    )
    total["total_tokens"] = total.get("prompt_tokens", 0) + total["completion_tokens"]
    summed: Any = {**chunks[0], "usage": total}
    chunk: Chunk = summed
    return chunk


class _Choice:
    """One choice of a whole answer, put together from its deltas."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.content: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.tool_calls: dict[int, dict[str, Any]] = {}
        self.function_call: dict[str, Any] | None = None
        self.logprobs: dict[str, Any] | None = None
        self.finish_reason: str | None = None

    def add(self, choice: Any) -> None:
        delta = choice.get("delta") or {}
        if delta.get("content"):
            self.content.append(delta["content"])
            if len(delta) == 1 and len(choice) == 3:  # as nearly always: a piece of text
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
                return
        for name in ("reasoning_content", "refusal"):
            if delta.get(name):
                self.texts.setdefault(name, []).append(delta[name])
        for call in delta.get("tool_calls") or ():
            self._add_tool_call(call)
        if delta.get("function_call"):
            self.function_call = _joined(self.function_call, delta["function_call"])
        if choice.get("logprobs"):
            self._add_logprobs(choice["logprobs"])
        self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def to_dict(self) -> dict[str, Any]:
        text = "".join(self.content)
        calls = [
            {name: value for name, value in self.tool_calls[index].items() if name != "index"}
            for index in sorted(self.tool_calls)
        ]
        called = bool(calls or self.function_call)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text if text or not called else None,
            "refusal": "".join(self.texts["refusal"]) if "refusal" in self.texts else None,
        }
        if "reasoning_content" in self.texts:
            message["reasoning_content"] = "".join(self.texts["reasoning_content"])
        if calls:
            message["tool_calls"] = calls
        if self.function_call:
            message["function_call"] = self.function_call
        return {
            "index": self.index,
            "message": message,
            "logprobs": self.logprobs,
            "finish_reason": self.finish_reason,
        }

    def _add_tool_call(self, call: dict[str, Any]) -> None:
        index = call.get("index", 0)
        known = self.tool_calls.get(index)
        if known is None:
            self.tool_calls[index] = dict(call, function=dict(call.get("function") or {}))
        else:
            known["function"] = _joined(known["function"], call.get("function") or {})

    def _add_logprobs(self, logprobs: dict[str, Any]) -> None:
        if self.logprobs is None:
            self.logprobs = {"content": None, "refusal": None}
        for name in ("content", "refusal"):
            if logprobs.get(name) is not None:
                self.logprobs[name] = (self.logprobs[name] or []) + logprobs[name]


def _joined(known: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    """Add a function's next fragment: the name comes once, arguments in pieces."""
    joined = dict(known or {})
    joined["name"] = joined.get("name") or more.get("name") or ""
    joined["arguments"] = (joined.get("arguments") or "") + (more.get("arguments") or "")
    return joined
