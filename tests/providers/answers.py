"""What tests look for in an answer, whichever provider gave it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.errors import GatewayError
from gateway.types import ChatCall, Chunk


def read_stream(call: ChatCall, pieces: Iterable[bytes], index: int = 0) -> list[Chunk]:
    """Return all chunks of an answer in pieces, which must be whole."""
    return [chunk for chunks in call.iter_chunks(iter(pieces), index) for chunk in chunks]


def read_stream_until_error(call: ChatCall, body: bytes) -> tuple[list[Chunk], GatewayError]:
    """Return the chunks that came before the error a body must end with, and the error."""
    chunks: list[Chunk] = []
    try:
        for batch in call.iter_chunks(iter([body]), 0):
            chunks += batch
    except GatewayError as error:
        return chunks, error
    raise AssertionError("the answer ended without an error")


def deltas(chunks: Iterable[Chunk]) -> list[dict[str, Any]]:
    """Return the deltas of chunks, the empty one of the finish included."""
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def text(chunks: Iterable[Chunk], name: str = "content") -> str:
    """Return the text of chunks, joined."""
    return "".join(delta.get(name) or "" for delta in deltas(chunks))


def finish_reason(chunks: Iterable[Chunk]) -> str | None:
    """Return the one finish reason of chunks."""
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    (reason,) = [each["finish_reason"] for each in choices if each["finish_reason"]]
    return reason


def tool_calls(chunks: Iterable[Chunk]) -> list[dict[str, Any]]:
    """Return the tool calls of chunks, in order."""
    return [call for delta in deltas(chunks) for call in delta.get("tool_calls", ())]


def usage(chunks: list[Chunk]) -> Any:
    """Return the usage that the last chunk tells."""
    return chunks[-1]["usage"]
