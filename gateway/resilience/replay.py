"""A whole answer told again as a stream: the way back of ``gateway.chunks.gather``.

Knows OpenAI's chunks. Must not know where the answer was kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.types import ChatCompletion, Chunk

_CHUNKS_AT_ONCE = 64
# At least 64 characters, then to the end of a word (or of what may be none).
_PIECE = re.compile(r".{64}\S{0,192}\s{0,64}|.+", re.DOTALL)
_TEXTS = ("reasoning_content", "reasoning", "content", "refusal")
_OTHERS = ("role", "tool_calls", "function_call")
_ENVELOPE = ("object", "choices", "usage")


def iter_replayed(completion: ChatCompletion) -> Iterator[list[Chunk]]:
    """Yield the chunks that ``completion`` could have come as, its usage in the last one.

    A choice's reasoning comes first, then its text in pieces that end with a word (with
    log probabilities: in its tokens), refusal and tool calls, and its finish reason.
    ``id``, ``created`` and whatever else there is are those of ``completion``.
    """
    envelope = {name: value for name, value in completion.items() if name not in _ENVELOPE}
    envelope["object"] = "chat.completion.chunk"
    batch: list[Any] = []
    for place, choice in enumerate(completion["choices"]):
        index = choice.get("index", place)
        for part in _iter_parts(choice):
            batch.append({**envelope, "choices": [{"index": index, **part}]})
            if len(batch) == _CHUNKS_AT_ONCE:
                yield batch
                batch = []
    if completion.get("usage"):
        batch.append({**envelope, "choices": [], "usage": completion["usage"]})
    if batch:
        yield batch


def _iter_parts(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what each chunk says of a choice: its delta, log probabilities, finish reason."""
    role = {"role": "assistant"}
    for delta, logprobs in _iter_deltas(choice):
        part: dict[str, Any] = {"delta": role | delta, "finish_reason": None}
        if logprobs:
            part["logprobs"] = logprobs
        yield part
        role = {}
    said = ("index", "message", "logprobs", "finish_reason")
    more = {name: value for name, value in choice.items() if name not in said}
    yield {"delta": role, "finish_reason": choice.get("finish_reason"), **more}


def _iter_deltas(
    choice: Mapping[str, Any],
) -> Iterator[tuple[dict[str, Any], Mapping[str, Any] | None]]:
    """Yield each delta with the log probabilities of what is in it."""
    message = choice["message"]
    logprobs: Mapping[str, Any] | None = choice.get("logprobs")
    for name in _TEXTS:
        text = message.get(name) or ""
        if name == "content" and logprobs:
            yield from _iter_tokens(text, logprobs)
        else:
            for piece in _PIECE.findall(text) if isinstance(text, str) else (text,):
                yield {name: piece}, None
    calls = message.get("tool_calls")
    if calls:
        yield {"tool_calls": [{**call, "index": at} for at, call in enumerate(calls)]}, None
    if message.get("function_call"):
        yield {"function_call": message["function_call"]}, None
    others = {
        name: value
        for name, value in message.items()
        if value and name not in _TEXTS and name not in _OTHERS
    }
    if others:
        yield others, None


def _iter_tokens(
    text: Any, logprobs: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Yield the text token by token, or at once where the tokens don't add up to it."""
    tokens: list[Any] = logprobs.get("content") or []
    if logprobs.get("refusal") or "".join(token["token"] for token in tokens) != text:
        yield ({"content": text} if text else {}), logprobs
        return
    for token in tokens:
        yield {"content": token["token"]}, {**logprobs, "content": [token]}
