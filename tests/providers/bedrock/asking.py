"""Ways to ask the Bedrock provider, shared by its tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import GatewayError, InvalidRequestError
from gateway.providers.bedrock import Bedrock
from gateway.providers.bedrock.chat import BedrockChat
from gateway.types import Chunk
from tests.event_streams import encode_event
from tests.providers.answers import read_stream, read_stream_until_error

OPUS = "us.anthropic.claude-opus-4-6-v1"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
FABLE = "anthropic.claude-fable-5-1"
NOVA = "us.amazon.nova-2-lite-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"
OSS = "openai.gpt-oss-120b-1:0"

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def target(model: str = SONNET) -> Target:
    provider = ProviderSettings("bedrock", "bedrock", "http://127.0.0.1:9", api_keys=("key",))
    return Target(provider, model, "my-model")


def ask(model: str = SONNET, **fields: Any) -> BedrockChat:
    """Build a chat call; ``messages`` and ``model`` have defaults."""
    request = {"model": "my-model", "messages": [{"role": "user", "content": "hi"}], **fields}
    return Bedrock().build_chat(request, target(model), None)


def sent(model: str = SONNET, **fields: Any) -> dict[str, Any]:
    """Return the body that is sent upstream for a request of one choice."""
    (request,) = ask(model, **fields).requests
    body: dict[str, Any] = orjson.loads(request.body or b"")
    return body


def refusal(model: str = SONNET, **fields: Any) -> InvalidRequestError:
    """Return the error with which a request is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        ask(model, **fields)
    return caught.value


def delta(block: int, **said: Any) -> bytes:
    return encode_event("contentBlockDelta", {"contentBlockIndex": block, "delta": said})


def start_call(block: int, name: str, call_id: str = "tooluse_1", **more: Any) -> bytes:
    use = {"toolUse": {"name": name, "toolUseId": call_id, **more}}
    return encode_event("contentBlockStart", {"contentBlockIndex": block, "start": use})


def stop_block(block: int) -> bytes:
    return encode_event("contentBlockStop", {"contentBlockIndex": block})


def end(reason: str = "end_turn", **usage: int) -> bytes:
    """Return the two messages every answer ends with."""
    counts = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12, **usage}
    return encode_event("messageStop", {"stopReason": reason}) + encode_event(
        "metadata", {"usage": counts, "metrics": {"latencyMs": 1}}
    )


def read(pieces: Iterable[bytes], call: BedrockChat | None = None) -> list[Chunk]:
    """Return all chunks of an answer in pieces, which must be whole."""
    return read_stream(call or ask(stream=True), pieces)


def read_until_error(
    body: bytes, call: BedrockChat | None = None
) -> tuple[list[Chunk], GatewayError]:
    """Return the chunks that came before the error a body must end with, and the error."""
    return read_stream_until_error(call or ask(stream=True), body)
