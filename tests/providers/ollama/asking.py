"""Ways to ask the Ollama provider, shared by its tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from gateway.config.settings import ModelSettings, ProviderSettings, Target
from gateway.errors import GatewayError, InvalidRequestError
from gateway.providers.ollama import Ollama
from gateway.providers.ollama.chat import OllamaChat
from gateway.types import Chunk, ModelInfo
from tests.providers.answers import read_stream, read_stream_until_error

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"

Line = dict[str, Any]


def target(model: str = "tiny", requested: str = "my-model", **settings: Any) -> Target:
    """Return a target of an Ollama provider with these settings."""
    provider = ProviderSettings("local", "ollama", "http://127.0.0.1:11434", **settings)
    return Target(provider, model, requested)


def with_capabilities(*capabilities: str) -> Target:
    """Return a target whose capabilities are configured."""
    known = ModelSettings(capabilities=frozenset(capabilities))
    return target(models={"tiny": known})


def ask(
    asked_target: Target | None = None, info: ModelInfo | None = None, **fields: Any
) -> OllamaChat:
    """Build a chat call; ``messages`` and ``model`` have defaults."""
    request = {"model": "my-model", "messages": [{"role": "user", "content": "hi"}], **fields}
    call = Ollama().build_chat(request, asked_target or target(), info)
    assert isinstance(call, OllamaChat)
    return call


def sent(asked_target: Target | None = None, **fields: Any) -> dict[str, Any]:
    """Return the body that is sent upstream for a request."""
    (request,) = ask(asked_target, **fields).requests
    body: dict[str, Any] = orjson.loads(request.body or b"")
    return body


def sent_messages(*messages: Any, **fields: Any) -> list[dict[str, Any]]:
    """Return the messages that are sent upstream for these."""
    built: list[dict[str, Any]] = sent(messages=list(messages), **fields)["messages"]
    return built


def refusal(asked_target: Target | None = None, **fields: Any) -> InvalidRequestError:
    """Return the error with which a request is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        ask(asked_target, **fields)
    return caught.value


def line(content: str = "", **fields: Any) -> Line:
    """Return a line with content; ``thinking`` and ``tool_calls`` go into the message."""
    message: dict[str, Any] = {"role": "assistant", "content": content}
    for name in ("thinking", "tool_calls"):
        if name in fields:
            message[name] = fields.pop(name)
    return {
        "model": "tiny",
        "created_at": "2026-01-01T00:00:00.123456789Z",
        "message": message,
        "done": False,
        **fields,
    }


def end(content: str = "", **fields: Any) -> Line:
    """Return the last line of an answer."""
    return line(
        content,
        **{"done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 7, **fields},
    )


def called(name: str, arguments: Any, **fields: Any) -> dict[str, Any]:
    """Return a native tool call."""
    return {**fields, "function": {"name": name, "arguments": arguments}}


def encode(*lines: Line) -> bytes:
    """Return lines as the body Ollama sends."""
    return b"".join(orjson.dumps(each) + b"\n" for each in lines)


def read(*lines: Line, call: OllamaChat | None = None) -> list[Chunk]:
    """Return all chunks of an answer, which must be whole."""
    return read_pieces([encode(*lines)], call)


def read_pieces(
    pieces: Iterable[bytes], call: OllamaChat | None = None, index: int = 0
) -> list[Chunk]:
    """Return all chunks of an answer in pieces, which must be whole."""
    return read_stream(call or ask(), pieces, index)


def read_until_error(
    body: bytes, call: OllamaChat | None = None
) -> tuple[list[Chunk], GatewayError]:
    """Return the chunks that came before the error a body must end with, and the error."""
    return read_stream_until_error(call or ask(), body)
