"""What a strict client of OpenAI's API accepts: the official SDK's types, without its leniency.

Knows openai-python's types. Unknown fields are allowed, values outside an enumeration
and missing fields are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

_COMPLETION: TypeAdapter[ChatCompletion] = TypeAdapter(ChatCompletion)
_CHUNK: TypeAdapter[ChatCompletionChunk] = TypeAdapter(ChatCompletionChunk)


def check_completion(completion: Any) -> ChatCompletion:
    """Return a whole answer as the SDK's type; raises where it is not one, to the letter."""
    assert "content" in completion["choices"][0]["message"]
    assert completion["id"]
    assert completion["model"]
    return _COMPLETION.validate_python(completion, strict=True)


def check_stream(chunks: Sequence[Any]) -> list[ChatCompletionChunk]:
    """Return a stream's chunks as the SDK's types; raises where together they are no stream.

    One id, creation time and model; the role once and first; tool calls numbered as they
    come, each with an id of its own; one finish reason; at most one usage, without choices.
    """
    parsed = [_CHUNK.validate_python(chunk, strict=True) for chunk in chunks]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in parsed}) == 1
    assert parsed[0].id
    assert parsed[0].model
    usages = [chunk for chunk in parsed if chunk.usage]
    assert len(usages) <= 1
    assert all(not chunk.choices for chunk in usages)
    choices = [choice for chunk in parsed for choice in chunk.choices]
    for index in {choice.index for choice in choices}:
        _check_choice([choice for choice in choices if choice.index == index])
    return parsed


def _check_choice(choices: Sequence[Any]) -> None:
    assert [choice.delta.role for choice in choices if choice.delta.role] == ["assistant"]
    assert choices[0].delta.role
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    assert len(reasons) <= 1
    pieces = [piece for choice in choices for piece in choice.delta.tool_calls or ()]
    begun = [piece for piece in pieces if piece.id]
    assert [piece.index for piece in begun] == list(range(len(begun)))
    assert len({piece.id for piece in begun}) == len(begun)
    assert all(piece.type == "function" and piece.function.name is not None for piece in begun)
    assert {piece.index for piece in pieces} == {piece.index for piece in begun}
    if reasons == ["stop"]:
        ended = [bool(choice.finish_reason) for choice in choices].index(True)
        assert not any(choice.delta.tool_calls for choice in choices[: ended + 1])
