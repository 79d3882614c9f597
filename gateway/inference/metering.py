"""Noting what goes by: usage, finish reasons, and content where that is switched on.

Knows OpenAI's chunks and the record of a request. Must not know where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.telemetry import RequestRecord
from gateway.types import ChatCompletion, Chunk


def metered(
    batches: Iterator[list[Chunk]], record: RequestRecord, with_content: bool
) -> Iterator[list[Chunk]]:
    """Note in ``record`` what goes by: usage, finish reason, number of chunks."""
    for batch in batches:
        if batch:
            record.chunks += len(batch)
            if record.chunks > record.chunks_reserved and record.bill is not None:
                record.bill.extend(record)
            for chunk in batch:
                if chunk.get("usage"):
                    record.usage = chunk["usage"]
                for choice in chunk.get("choices", ()):
                    if choice.get("finish_reason"):
                        record.finish_reason = choice["finish_reason"] or ""
                    delta = choice.get("delta")
                    if delta and type(text := delta.get("content")) is str:
                        record.characters += len(text)
                    if with_content:
                        record.answer.append((choice.get("delta") or {}).get("content") or "")
        yield batch


def record_completion(
    completion: ChatCompletion, record: RequestRecord, with_content: bool
) -> None:
    record.usage = completion.get("usage") or record.usage
    for choice in completion.get("choices", ()):
        record.finish_reason = choice.get("finish_reason") or ""
        if with_content and not record.answer:
            record.answer.append((choice.get("message") or {}).get("content") or "")
