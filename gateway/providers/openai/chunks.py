"""The chunks of one stream, made what OpenAI's clients read whoever sends them.

Knows what a stream owes its readers: one ``id``, ``created`` and ``model``; the role
once and first; numbered tool calls; one finish reason a choice; one usage chunk.
Must not know events. A chunk in which nothing has to change keeps its bytes.
"""

from __future__ import annotations

import logging
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.openai.envelope import CHUNK, SERVICE_TIERS, complete_envelope, read_envelope
from gateway.providers.openai.errors import build_stream_error
from gateway.providers.openai.finish_reasons import read_finish_reason
from gateway.providers.openai.logprobs import read_logprobs
from gateway.providers.openai.message_fields import drop_malformed
from gateway.providers.openai.reasoning import ThinkSplitter, move_reasoning
from gateway.providers.openai.tool_calls import CallNumbering
from gateway.providers.openai.usage import find_usage
from gateway.serialization import dumps_ascii
from gateway.sse import encode_event
from gateway.types import RawChunk, Usage

logger = logging.getLogger("gateway.providers.openai")

_WRONG_CHOICES = "The provider sent a chunk whose choices are not those of a completion."
_WITH_WHOLE_CALLS = ("tool_calls", "function_call", "stop")
_SAID = ("content", "reasoning_content", "refusal", "tool_calls", "function_call", "audio")


class ChunkNormaliser:
    """Takes the chunks of one stream as they come; ``model`` is the name where they tell none."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._envelope: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._held: list[RawChunk] = []
        self._usage: Usage | None = None
        self._usage_chunk: RawChunk | None = None
        self._is_usage_told = False

    def take(self, chunk: RawChunk) -> list[RawChunk]:
        """Return the chunks to pass on for this one, which is changed in place.

        Those before the stream has told its id (Azure's first one) wait for it. Raises
        the error that a choice tells, ``UpstreamError`` for garbage.
        """
        if self._envelope:
            return self._pass(chunk)
        if not chunk["choices"] and not chunk.get("id"):
            self._held.append(chunk)
            return []
        self._envelope = read_envelope(chunk, CHUNK, self._model)
        held, self._held = self._held, []
        return [passed for each in (*held, chunk) for passed in self._pass(each)]

    def finish(self) -> list[RawChunk]:
        """Return what is left at the stream's end mark, last chunks of unfinished choices too."""
        unfinished = [index for index, choice in self._choices.items() if not choice.reason]
        if not self._choices:
            raise UpstreamError("The provider ended its stream without an answer.")
        if unfinished:
            name = self._envelope.get("model")
            logger.warning("stream of %r ended without a finish_reason", name)
        last = [
            self._build(choices=[self._choices[index].build_end(index)])
            for index in sorted(unfinished)
        ]
        return last + self.flush_usage()

    def flush_usage(self) -> list[RawChunk]:
        """Return the usage chunk that is still owed, if one is."""
        usage, self._usage = self._usage, None
        chunk, self._usage_chunk = self._usage_chunk, None
        if chunk is None and usage is not None:
            chunk = self._build(choices=[], usage=usage)
        if chunk is None or self._is_usage_told:
            return []
        self._is_usage_told = True
        return [chunk]

    @property
    def is_complete(self) -> bool:
        """Whether every choice that has begun has had its finish reason."""
        return bool(self._choices) and all(choice.reason for choice in self._choices.values())

    def _pass(self, chunk: RawChunk) -> list[RawChunk]:
        envelope, choices = self._envelope, chunk["choices"]
        is_changed = False
        if (
            chunk.get("id") != envelope["id"]
            or chunk.get("created") != envelope["created"]
            or type(chunk["created"]) is not int
            or chunk.get("model") != envelope["model"]
            or chunk.get("object") != CHUNK
            or chunk.get("service_tier") not in SERVICE_TIERS
        ):
            is_changed = complete_envelope(chunk, envelope)
        tells_usage = chunk.get("usage") is not None or "x_groq" in chunk
        if "x_groq" in chunk:
            _check_groq(chunk["x_groq"])
        for choice in choices:
            is_changed = self._take_choice(choice) or is_changed
            tells_usage = tells_usage or "usage" in choice
        if tells_usage:
            is_changed = self._take_usage(chunk) or is_changed
            if not choices and "usage" not in chunk:
                return []
        if is_changed:
            _encode(chunk)
        if self._usage_chunk is None:
            return [chunk]
        return [] if chunk is self._usage_chunk else [*self.flush_usage(), chunk]

    def _take_choice(self, choice: Any) -> bool:
        if not isinstance(choice, dict):
            raise UpstreamError(_WRONG_CHOICES)
        if choice.get("error"):
            raise build_stream_error(choice)
        index = choice.get("index")
        is_changed = False
        if index is None:
            index = choice["index"] = 0
            is_changed = True
        if type(index) is not int:
            raise UpstreamError(_WRONG_CHOICES)
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _Choice()
        return state.take(choice) or is_changed

    def _take_usage(self, chunk: RawChunk) -> bool:
        """Keep the usage that a chunk tells for a chunk of its own; tells whether it changed.

        That comes when something else does, for what is told again takes its place.
        """
        usage = find_usage(chunk)
        told = chunk.get("usage")
        is_owed = bool(told) and self.is_complete and not self._is_usage_told
        if is_owed and all(map(_is_empty, chunk["choices"])):
            if usage is not None:
                self._usage_chunk = chunk
            is_changed = bool(chunk["choices"]) or told is not usage
            chunk["choices"] = []
            chunk["usage"] = usage
            return is_changed
        if usage is not None:
            self._usage, self._usage_chunk = usage, None
        if told is None:
            return False
        del chunk["usage"]
        return True

    def _build(self, **fields: Any) -> RawChunk:
        chunk = RawChunk({**self._envelope, **fields})
        _encode(chunk)
        return chunk


class _Choice:
    """One choice of the stream. ``reason`` is its finish reason, None before."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._has_begun = False
        self._calls = CallNumbering()
        self._think = ThinkSplitter()

    def take(self, choice: dict[str, Any]) -> bool:
        """Normalise this choice's part of a chunk in place; tells whether that changed it."""
        delta = choice.get("delta")
        reason = choice.get("finish_reason")
        if (
            self._has_begun
            and reason is None
            and self._think.is_past
            and type(delta) is dict
            and len(delta) == 1
            and type(delta.get("content")) is str
            and not choice.get("logprobs")
            and "message" not in choice
        ):
            return False  # as nearly always: a piece of text
        is_changed = self._take_delta(choice)
        delta = choice["delta"]
        if delta.get("tool_calls") is not None:
            is_changed |= self._calls.take(delta["tool_calls"])
            if is_changed and not delta["tool_calls"]:
                del delta["tool_calls"]
        is_changed |= move_reasoning(delta)
        is_changed |= self._split_content(delta)
        if choice.get("logprobs") is not None:
            told = choice["logprobs"]
            choice["logprobs"] = read_logprobs(told)
            is_changed |= choice["logprobs"] is not told
        if reason is not None:
            is_changed |= self._take_reason(choice, reason)
        return is_changed

    def build_end(self, index: int) -> dict[str, Any]:
        """Return the last part of this choice where the stream ended without one."""
        self.reason = "tool_calls" if self._calls else "stop"
        delta: dict[str, Any] = {}
        self._flush(delta)
        self._calls.finish(delta, is_whole=True)
        return {"index": index, "delta": delta, "finish_reason": self.reason}

    def _take_delta(self, choice: dict[str, Any]) -> bool:
        """See that there is a delta, and the role once and first."""
        delta = choice.get("delta")
        is_changed = False
        message = choice.pop("message", None)  # Perplexity's repeats all that was said
        if message is not None:
            is_changed = True
        if delta is None:
            delta = self._find_delta(choice, message)
            is_changed = True
        if not isinstance(delta, dict):
            raise UpstreamError(_WRONG_CHOICES)
        choice["delta"] = delta
        is_changed |= drop_malformed(delta)
        role = None if self._has_begun else "assistant"
        self._has_begun = True
        if delta.get("role") == role:
            return is_changed
        if role is None:
            del delta["role"]
        else:
            choice["delta"] = {"role": role, **delta} if "role" not in delta else delta
            choice["delta"]["role"] = role
        return True

    def _find_delta(self, choice: dict[str, Any], message: Any) -> dict[str, Any]:
        """Return what a choice without a delta says otherwise: in a message, as ``text``."""
        if isinstance(message, dict) and not self._has_begun:
            return message
        text = choice.pop("text", None)
        return {"content": text} if isinstance(text, str) else {}

    def _split_content(self, delta: dict[str, Any]) -> bool:
        content = delta.get("content")
        if self._think.is_past or not content:
            return False
        text, thought = self._think.feed(content)
        if text == content:
            return False
        delta["content"] = text
        if thought:
            delta["reasoning_content"] = (delta.get("reasoning_content") or "") + thought
        return True

    def _take_reason(self, choice: dict[str, Any], told: Any) -> bool:
        reason = None if self.reason else read_finish_reason(told, bool(self._calls))
        is_changed: bool = reason != told
        choice["finish_reason"] = reason
        if reason is not None:
            self.reason = reason
            is_changed |= self._flush(choice["delta"])
            is_whole = reason in _WITH_WHOLE_CALLS
            is_changed |= self._calls.finish(choice["delta"], is_whole=is_whole)
        return is_changed

    def _flush(self, delta: dict[str, Any]) -> bool:
        text, thought = self._think.flush()
        for name, more in (("content", text), ("reasoning_content", thought)):
            if more:
                delta[name] = (delta.get(name) or "") + more
        return bool(text or thought)


def _check_groq(told: Any) -> None:
    """Raise the error that Groq tells beside a chunk when it stops early (groq-python's types)."""
    if isinstance(told, dict) and told.get("error"):
        raise build_stream_error(told)


def _is_empty(choice: dict[str, Any]) -> bool:
    delta = choice["delta"]
    return not choice.get("finish_reason") and not any(delta.get(name) for name in _SAID)


def _encode(chunk: RawChunk) -> None:
    chunk.raw = encode_event(dumps_ascii(chunk))
