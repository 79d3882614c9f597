"""Ways to ask the Anthropic provider, shared by its tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson
import pytest
from anthropic.types import message_create_params
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import GatewayError, InvalidRequestError
from gateway.providers.anthropic import Anthropic
from gateway.providers.anthropic.chat import AnthropicChat
from gateway.types import Chunk
from tests.providers.answers import read_stream, read_stream_until_error

NEW = "claude-opus-5"
OLD = "claude-sonnet-4-20250514"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
HELLO = [{"role": "user", "content": "hi"}]


def target(model: str = NEW, requested: str = "my-model") -> Target:
    """Return a target of an Anthropic provider."""
    provider = ProviderSettings("claude", "anthropic", "https://api.anthropic.com")
    return Target(provider, model, requested)


def ask(model: str = NEW, **fields: Any) -> AnthropicChat:
    """Build a chat call; ``messages`` and ``model`` have defaults. What is sent is checked."""
    request = {"model": "my-model", "messages": HELLO, **fields}
    before = json.dumps(request)
    call = Anthropic().build_chat(request, target(model), None)
    assert json.dumps(request) == before
    assert isinstance(call, AnthropicChat)
    for sent_request in call.requests:
        check_params(orjson.loads(sent_request.body or b""))
    return call


def sent(model: str = NEW, **fields: Any) -> dict[str, Any]:
    """Return the body that is sent upstream for a request."""
    body: dict[str, Any] = orjson.loads(ask(model, **fields).requests[0].body or b"")
    return body


def sent_messages(*messages: Any, model: str = NEW) -> list[dict[str, Any]]:
    """Return the messages that are sent upstream for these."""
    built: list[dict[str, Any]] = sent(model, messages=list(messages))["messages"]
    return built


def dropped(model: str = NEW, **fields: Any) -> list[str]:
    """Return the names of what a request asks for in vain."""
    return list(ask(model, **fields).dropped_params)


def refusal(model: str = NEW, **fields: Any) -> InvalidRequestError:
    """Return the error with which a request is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        ask(model, **fields)
    return caught.value


def check_params(body: dict[str, Any]) -> None:
    """Check a body against the types of Anthropic's own SDK."""
    _params("MessageCreateParamsStreaming" if body.get("stream") else _WHOLE).validate_python(body)


_WHOLE = "MessageCreateParamsNonStreaming"


@cache
def _params(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(getattr(message_create_params, name))


def event(kind: str, **fields: Any) -> bytes:
    """Return an event framed as Anthropic does it, with spaces after the JSON."""
    data = orjson.dumps({"type": kind, **fields})
    return b"event: %b\ndata: %b   \n\n" % (kind.encode(), data)


def start(**usage: int) -> bytes:
    """Return the event that begins a message."""
    counts = {"input_tokens": 5, "output_tokens": 1, **usage}
    message = {"id": "msg_1", "role": "assistant", "content": [], "usage": counts}
    return event("message_start", message=message)


def block(place: int, content: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    """Return the events of one block."""
    return b"".join(
        [
            event("content_block_start", index=place, content_block=content),
            *(event("content_block_delta", index=place, delta=delta) for delta in deltas),
            event("content_block_stop", index=place),
        ]
    )


def text_block(place: int, *texts: str) -> bytes:
    """Return the events of a block of text."""
    deltas = [{"type": "text_delta", "text": text} for text in texts]
    return block(place, {"type": "text", "text": ""}, *deltas)


def tool_block(place: int, name: str, *pieces: str, call_id: str = "toolu_1") -> bytes:
    """Return the events of a call."""
    content = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block(place, content, *deltas)


def end(stop_reason: str | None = "end_turn", **delta: Any) -> bytes:
    """Return the last events of a message."""
    return event(
        "message_delta", delta={"stop_reason": stop_reason, **delta}, usage={"output_tokens": 7}
    ) + event("message_stop")


def read(*events: bytes, call: AnthropicChat | None = None) -> list[Chunk]:
    """Return all chunks of an answer, which must be whole."""
    return read_pieces([b"".join(events)], call)


def read_pieces(
    pieces: Iterable[bytes], call: AnthropicChat | None = None, index: int = 0
) -> list[Chunk]:
    """Return all chunks of an answer in pieces, which must be whole."""
    return read_stream(call or ask(), pieces, index)


def read_until_error(
    body: bytes, call: AnthropicChat | None = None
) -> tuple[list[Chunk], GatewayError]:
    """Return the chunks that came before the error a body must end with, and the error."""
    return read_stream_until_error(call or ask(), body)


def read_whole(call: AnthropicChat | None = None, **fields: Any) -> dict[str, Any]:
    """Return the message of a whole answer with these fields."""
    message = {
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 7},
        **fields,
    }
    completion = (call or ask()).parse_response(orjson.dumps(message))
    check_completion(completion)
    choice: dict[str, Any] = completion["choices"][0]
    return choice


def check_completion(completion: dict[str, Any]) -> None:
    """Check a whole answer strictly against the types of OpenAI's own SDK."""
    ChatCompletion.model_validate(completion, strict=True)


def check_chunks(chunks: Iterable[Chunk]) -> None:
    """Check chunks strictly against the types of OpenAI's own SDK."""
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
