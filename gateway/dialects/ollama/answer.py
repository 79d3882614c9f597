"""Canonical answers as Ollama's: a line for each piece, and a last one with counts.

Knows the lines of chats and completions (Ollama v0.33 source, recorded). Must not know
what a request asks for. What came in this format already goes on as it came.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.dialects.ollama.request import started_at
from gateway.dialects.streaming import iter_encoded
from gateway.dialects.tool_arguments import is_whole, read_arguments
from gateway.errors import GatewayError
from gateway.serialization import dumps_ascii
from gateway.types import ChatCompletion, ChatRequest, Chunk, NativeChunk, NativeCompletion

Saying = dict[str, Any]
"""What a line says: ``content``, and ``thinking`` and ``tool_calls`` where there are any."""

PartOf = Callable[[Saying], dict[str, Any]]
"""Returns the part of a line that says something: ``message_of`` or ``response_of``."""

_DONE_REASONS = {"tool_calls": "stop", "function_call": "stop"}
"""Ollama has no reason of its own for calls; other reasons have the same name."""


def message_of(saying: Saying) -> dict[str, Any]:
    """Return the part of a chat's line that says something."""
    return {"message": {"role": "assistant", **saying}}


def response_of(saying: Saying) -> dict[str, Any]:
    """Return the part of a completion's line that says something."""
    return {"response": saying["content"], **{k: v for k, v in saying.items() if k != "content"}}


def encode_line(fields: Mapping[str, Any]) -> bytes:
    """Return a line of a stream."""
    return dumps_ascii(fields) + b"\n"


def encode_error(error: GatewayError) -> Any:
    """See ``ChatDialect.encode_error``."""
    return {"error": error.message}


def encode_error_line(error: GatewayError) -> bytes:
    """Return the line that tells of a failure; nothing comes after it."""
    return encode_line(encode_error(error))


def encode_answer(
    completion: ChatCompletion, request: ChatRequest, dialect: str, part_of: PartOf
) -> Any:
    """Return a whole answer to ``request``; for the rest see ``AnswerWriter``."""
    if isinstance(completion, NativeCompletion) and completion.dialect == dialect:
        return completion.raw
    elapsed = time.monotonic_ns() - started_at(request)
    return build_whole(completion, request["model"], part_of, elapsed)


def iter_lines(
    batches: Iterator[list[Chunk]], request: ChatRequest, dialect: str, part_of: PartOf
) -> Iterator[bytes]:
    """Encode a stream that answers ``request``, as ``ChatDialect.iter_frames`` says."""
    writer = AnswerWriter(request["model"], dialect, part_of, started_at(request))
    yield from iter_encoded(batches, writer.encode, encode_error_line)
    yield writer.end()


class AnswerWriter:
    """Writes one stream: ``encode`` each batch, then the ``end``.

    ``part_of`` is ``message_of`` or ``response_of``, ``dialect`` the name of the API whose native
    chunks go on as they came. Times count from ``started``, ``time.monotonic_ns()``.
    """

    def __init__(self, model: str, dialect: str, part_of: PartOf, started: int) -> None:
        self._model = model
        self._dialect = dialect
        self._part_of = part_of
        self._started = started
        self._is_native = False
        self._calls: dict[int, dict[str, Any]] = {}
        self._told: set[int] = set()
        self._reason = "stop"
        self._usage: Mapping[str, Any] = {}

    def encode(self, batch: list[Chunk]) -> bytes:
        """Return a batch's lines; raises ``UpstreamError`` for arguments that are no object."""
        return b"".join(self._iter_lines(batch))

    def end(self) -> bytes:
        """Return the last line, b"" where it came with the chunks."""
        if self._is_native:
            return b""
        return encode_line(
            self._line({"content": ""})
            | _build_end(self._reason, self._usage, time.monotonic_ns() - self._started)
        )

    def _iter_lines(self, batch: list[Chunk]) -> Iterator[bytes]:
        for chunk in batch:
            if isinstance(chunk, NativeChunk) and chunk.dialect == self._dialect:
                self._is_native = True
                yield chunk.raw
                continue
            self._usage = chunk.get("usage") or self._usage
            for choice in chunk["choices"]:
                yield from self._iter_choice(choice)

    def _iter_choice(self, choice: Mapping[str, Any]) -> Iterator[bytes]:
        delta = choice.get("delta") or {}
        self._reason = choice.get("finish_reason") or self._reason
        for call in delta.get("tool_calls") or ():
            self._add_call(call)
        saying: Saying = {"content": delta.get("content") or delta.get("refusal") or ""}
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        if thinking:
            saying["thinking"] = thinking
        if saying["content"] or thinking:
            line = self._line(saying)
            logprobs = (choice.get("logprobs") or {}).get("content")
            if logprobs:
                line["logprobs"] = logprobs
            yield encode_line(line)
        calls = self._take_calls(is_end=bool(choice.get("finish_reason")))
        if calls:
            yield encode_line(self._line({"content": "", "tool_calls": calls}))

    def _line(self, saying: Saying) -> dict[str, Any]:
        line = {"model": self._model, "created_at": format_now(), **self._part_of(saying)}
        return line | {"done": False}

    def _add_call(self, call: Mapping[str, Any]) -> None:
        if call.get("index", 0) in self._told:
            return  # after a whole object there is only white space
        nothing = {"id": "", "name": "", "arguments": ""}
        known = self._calls.setdefault(call.get("index", 0), nothing)
        function = call.get("function") or {}
        known["id"] = known["id"] or call.get("id") or ""
        known["name"] = known["name"] or function.get("name") or ""
        known["arguments"] += function.get("arguments") or ""

    def _take_calls(self, *, is_end: bool) -> list[dict[str, Any]]:
        """Return the calls that are complete, for another has begun or nothing more comes."""
        calls = []
        for index in sorted(self._calls):
            call = self._calls[index]
            if not is_end and (len(self._calls) == 1 or not is_whole(call["arguments"])):
                break
            calls.append(_build_call(call["id"], call["name"], call["arguments"], index))
            self._told.add(index)
            del self._calls[index]
        return calls


def build_whole(
    completion: ChatCompletion,
    model: str,
    part_of: PartOf,
    elapsed: int,
) -> dict[str, Any]:
    """Return a whole answer; ``elapsed`` is in nanoseconds."""
    choice = completion["choices"][0]
    message = choice["message"]
    saying: Saying = {"content": message.get("content") or message.get("refusal") or ""}
    thinking = message.get("reasoning_content") or message.get("reasoning")
    if thinking:
        saying["thinking"] = thinking
    calls = message.get("tool_calls")
    if calls:
        saying["tool_calls"] = [
            _build_call(
                call.get("id") or "", call["function"]["name"], call["function"]["arguments"], index
            )
            for index, call in enumerate(calls)
        ]
    answer = {"model": model, "created_at": format_now(), **part_of(saying)}
    logprobs = (choice.get("logprobs") or {}).get("content")
    if logprobs:
        answer["logprobs"] = logprobs
    reason = choice.get("finish_reason") or "stop"
    return answer | _build_end(reason, completion.get("usage") or {}, elapsed)


def _build_end(reason: str, usage: Mapping[str, Any], elapsed: int) -> dict[str, Any]:
    """Return what only the last object has: the reason, nanoseconds, and tokens but for 0."""
    counts = {
        "prompt_eval_count": usage.get("prompt_tokens"),
        "eval_count": usage.get("completion_tokens"),
        "prompt_eval_cached_count": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
    }
    return {
        "done": True,
        "done_reason": _DONE_REASONS.get(reason, reason),
        "total_duration": elapsed,
        **{name: count for name, count in counts.items() if count},
    }


def _build_call(call_id: str, name: str, arguments: str, index: int) -> dict[str, Any]:
    """Return a tool call, whose arguments are an object; raises ``UpstreamError``."""
    function = {"index": index, "name": name, "arguments": read_arguments(name, arguments)}
    return {"id": call_id, "function": function} if call_id else {"function": function}


def format_now() -> str:
    """Return the time as Ollama writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
