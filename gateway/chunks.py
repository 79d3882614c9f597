"""Putting the chunks of streams together: into one whole answer, or several into one stream.

Knows OpenAI's chunks. Must not know where they come from. The way back, from a
whole answer to a stream, is ``gateway.resilience.replay``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gateway.types import ChatCompletion, Chunk, Usage

_CONTENT = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call")
_TEXTS = ("reasoning_content", "reasoning", "refusal")
_LISTS = ("annotations", "citations", "thinking_blocks", "content_blocks", "reasoning_details")
"""Lists that come in pieces: what an answer refers to, and what has to be sent back of it."""

_CHUNK_FIELDS = {"id", "object", "created", "model", "choices", "usage", "obfuscation"}
_CHOICE_FIELDS = {"index", "delta", "logprobs", "finish_reason"}
_DELTA_FIELDS = {"role", "extra_content", *_CONTENT, *_LISTS}
_TOOL_CALL_FIELDS = {"index", "id", "type", "function", "custom", "extra_content"}


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
    gathering = Gathering()
    for batch in batches:
        gathering.add(batch)
    return gathering.to_completion()


class Gathering:
    """A stream put together while it goes by.

    Fields that OpenAI's API doesn't know keep their last value. Only of pieces of a
    kind that isn't known (in a delta) nothing can be made: ``is_whole`` is False then.
    """

    def __init__(self) -> None:
        self.is_whole = True
        self._head: Chunk = {}
        self._more: dict[str, Any] = {}
        self._usage: Usage | None = None
        self._choices: dict[int, _Choice] = {}

    @property
    def size(self) -> int:
        """Characters of text gathered so far."""
        return sum(choice.size for choice in self._choices.values())

    def add(self, batch: list[Chunk]) -> None:
        """Take in the stream's next chunks, which are left as they are."""
        for chunk in batch:
            self._head = self._head or chunk
            self._usage = chunk.get("usage") or self._usage
            if not chunk.keys() <= _CHUNK_FIELDS:
                self._more |= _unknown(chunk, _CHUNK_FIELDS)
            for choice in chunk.get("choices", ()):
                index = choice.get("index", 0)
                if index not in self._choices:
                    self._choices[index] = _Choice(index)
                if not self._choices[index].add(choice):
                    self.is_whole = False

    def to_completion(self) -> ChatCompletion:
        """Return the ``chat.completion`` that the chunks so far amount to."""
        completion: ChatCompletion = {
            "id": self._head.get("id"),
            "object": "chat.completion",
            "created": self._head.get("created"),
            "model": self._head.get("model"),
            "choices": [self._choices[index].to_dict() for index in sorted(self._choices)],
            **self._more,
        }
        if self._usage is not None:
            completion["usage"] = self._usage
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


def in_turn(streams: Iterable[Iterator[list[Chunk]]]) -> Iterator[list[Chunk]]:
    """Put the streams of several choices one behind the other, with one summed usage chunk last.

    The next one is taken when the one before has ended.
    """
    usages: list[Chunk] = []
    for stream in streams:
        usage: Chunk | None = None
        for batch in stream:
            usage = next((chunk for chunk in reversed(batch) if chunk.get("usage")), usage)
            yield [chunk for chunk in batch if not chunk.get("usage")]
        if usage is not None:
            usages.append(usage)
    if usages:
        yield [_sum_usage(usages)]


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
        self.size = 0
        self.content: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.lists: dict[str, list[Any]] = {}
        self.tool_calls: dict[int, dict[str, Any]] = {}
        self.function_call: dict[str, Any] | None = None
        self.logprobs: dict[str, Any] | None = None
        self.finish_reason: str | None = None
        self.extra_content: Any = None
        self.more: dict[str, Any] = {}

    def add(self, choice: Any) -> bool:
        """Take in one chunk's part of this choice; False if some of it is of no known kind."""
        delta = choice.get("delta") or {}
        content = delta.get("content")
        is_known = True
        if content and type(content) is str:
            self.content.append(content)
            self.size += len(content)
            if len(delta) == 1 and len(choice) == 3:  # as nearly always: a piece of text
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
                return True
        elif content:
            is_known = False
        for name in _TEXTS:
            if delta.get(name):
                self.texts.setdefault(name, []).append(delta[name])
                self.size += len(delta[name])
        for name in _LISTS:
            if isinstance(delta.get(name), list):
                self.lists.setdefault(name, []).extend(delta[name])
                self.size += len(str(delta[name]))
        self.extra_content = delta.get("extra_content") or self.extra_content
        if _unknown(delta, _DELTA_FIELDS):
            is_known = False
        for call in delta.get("tool_calls") or ():
            is_known = is_known and call.keys() <= _TOOL_CALL_FIELDS
            self._add_tool_call(call)
        if delta.get("function_call"):
            self.function_call = _joined(self.function_call, delta["function_call"])
        if choice.get("logprobs"):
            self._add_logprobs(choice["logprobs"])
        self.more |= _unknown(choice, _CHOICE_FIELDS)
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return is_known

    def to_dict(self) -> dict[str, Any]:
        content = "".join(self.content)
        texts = {name: "".join(pieces) for name, pieces in self.texts.items()}
        calls = [
            {name: value for name, value in self.tool_calls[index].items() if name != "index"}
            for index in sorted(self.tool_calls)
        ]
        says_otherwise = bool(calls or self.function_call or "refusal" in texts)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": content if content or not says_otherwise else None,
            "refusal": None,
            **texts,
            **self.lists,
        }
        if calls:
            message["tool_calls"] = calls
        if self.function_call:
            message["function_call"] = self.function_call
        if self.extra_content:
            message["extra_content"] = self.extra_content
        return {
            "index": self.index,
            "message": message,
            "logprobs": self.logprobs,
            "finish_reason": self.finish_reason,
            **self.more,
        }

    def _add_tool_call(self, call: dict[str, Any]) -> None:
        index = call.get("index", 0)
        known = self.tool_calls.get(index)
        kind, argument = ("custom", "input") if "custom" in call else ("function", "arguments")
        more = call.get(kind) or {}
        self.size += len(more.get(argument) or "")
        if known is None:
            self.tool_calls[index] = {**call, kind: dict(more)}
        else:
            known[kind] = _joined(known.get(kind), more, argument)

    def _add_logprobs(self, logprobs: dict[str, Any]) -> None:
        if self.logprobs is None:
            self.logprobs = {"content": None, "refusal": None}
        for name in ("content", "refusal"):
            if logprobs.get(name) is not None:
                self.logprobs[name] = (self.logprobs[name] or []) + logprobs[name]


def _joined(
    known: dict[str, Any] | None, more: dict[str, Any], argument: str = "arguments"
) -> dict[str, Any]:
    """Add a call's next fragment: the name comes once, its ``argument`` in pieces."""
    joined = dict(known or {})
    joined["name"] = joined.get("name") or more.get("name") or ""
    joined[argument] = (joined.get(argument) or "") + (more.get(argument) or "")
    return joined


def _unknown(fields: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Return what is said in fields that aren't ``known``."""
    if fields.keys() <= known:
        return {}
    return {name: value for name, value in fields.items() if value and name not in known}
