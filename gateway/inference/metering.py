"""Noting what goes by: usage, finish reasons, and content where that is switched on.

Knows OpenAI's chunks and the record of a request. Must not know where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.telemetry import RequestRecord
from gateway.types import ChatCompletion, Chunk

_TEXTS = ("reasoning_content", "reasoning", "refusal")
"""Where a delta has text beside its content; reasoning may stand there under both names."""


def metered(
    batches: Iterator[list[Chunk]], record: RequestRecord, with_content: bool
) -> Iterator[list[Chunk]]:
    """Note in ``record`` what goes by: usage, finish reason, number of chunks."""
    for batch in batches:
        if batch:
            record.chunks += len(batch)
            for chunk in batch:
                if chunk.get("usage"):
                    record.usage = chunk["usage"]
                for choice in chunk.get("choices", ()):
                    if choice.get("finish_reason"):
                        record.finish_reason = choice["finish_reason"] or ""
                    if delta := choice.get("delta"):
                        record.characters += _characters(delta)
                    if with_content:
                        record.answer.append((choice.get("delta") or {}).get("content") or "")
            if record.received > record.reserved and record.bill is not None:
                record.bill.extend(record)
        yield batch


def _characters(delta: Mapping[str, Any]) -> int:
    """Return how many characters a delta says: text, reasoning, what tools are called with."""
    if type(text := delta.get("content")) is str:
        count = len(text)
        if len(delta) == 1:
            return count
    else:
        count = 0
    for name in _TEXTS:
        if type(text := delta.get(name)) is str:
            count += len(text)
            break
    calls = [call.get("function") or call.get("custom") for call in delta.get("tool_calls") or ()]
    for called in (*calls, delta.get("function_call")):
        if called:
            said = called.get("arguments") or called.get("input") or ""
            count += len(called.get("name") or "") + len(said)
    return count


def record_completion(
    completion: ChatCompletion, record: RequestRecord, with_content: bool
) -> None:
    """Note in ``record`` what a whole answer tells: usage, finish reason, content."""
    record.usage = completion.get("usage") or record.usage
    for choice in completion.get("choices", ()):
        record.finish_reason = choice.get("finish_reason") or ""
        if with_content and not record.answer:
            record.answer.append((choice.get("message") or {}).get("content") or "")
