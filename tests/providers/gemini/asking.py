"""Ways to ask the Gemini provider, shared by its tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pytest
from google.genai import types
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import GatewayError, InvalidRequestError
from gateway.providers.gemini import Gemini, Vertex
from gateway.providers.gemini.chat import GeminiChat
from gateway.types import Chunk
from tests.providers.answers import read_stream, read_stream_until_error

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
PIXEL_URI = f"data:image/png;base64,{PIXEL}"
HI = {"role": "user", "content": "hi"}

_OUTSIDE_CONFIG = frozenset({"contents", "generationConfig"})


def target(model: str = "gemini-3-flash-preview", **settings: Any) -> Target:
    """Return a target of a Gemini provider with these settings."""
    provider = ProviderSettings("google", "gemini", "http://127.0.0.1:1/v1beta", **settings)
    return Target(provider, model, "my-model")


def vertex_target(model: str = "gemini-3-flash-preview", **settings: Any) -> Target:
    """Return a target of a Vertex provider with these settings."""
    provider = ProviderSettings("cloud", "vertex", "http://127.0.0.1:1/v1beta1", **settings)
    return Target(provider, model, "my-model")


def ask(asked_target: Target | None = None, **fields: Any) -> GeminiChat:
    """Build a chat call; ``messages`` and ``model`` have defaults."""
    request = {"model": "my-model", "messages": [HI], **fields}
    asked_target = asked_target or target()
    provider = Vertex() if asked_target.provider.kind == "vertex" else Gemini()
    return provider.build_chat(request, asked_target, None)


def sent(asked_target: Target | None = None, **fields: Any) -> dict[str, Any]:
    """Return the body that is sent for a request, which Google's own types know in full."""
    (request,) = ask(asked_target, **fields).requests
    body: dict[str, Any] = orjson.loads(request.body or b"")
    check_sent(body)
    return body


def sent_config(asked_target: Target | None = None, **fields: Any) -> dict[str, Any]:
    """Return the ``generationConfig`` that is sent for a request."""
    config: dict[str, Any] = sent(asked_target, **fields).get("generationConfig", {})
    return config


def sent_contents(*messages: Any, asked_target: Target | None = None) -> list[dict[str, Any]]:
    """Return the contents that are sent for these messages."""
    contents: list[dict[str, Any]] = sent(asked_target, messages=list(messages))["contents"]
    return contents


def check_sent(body: Mapping[str, Any]) -> None:
    """Fail where google-genai's types don't know something of a request."""
    config = {name: value for name, value in body.items() if name not in _OUTSIDE_CONFIG}
    types._GenerateContentParameters.model_validate_json(
        json.dumps(
            {
                "model": "models/m",
                "contents": body["contents"],
                "config": {**config, **body.get("generationConfig", {})},
            }
        )
    )


def refusal(asked_target: Target | None = None, **fields: Any) -> InvalidRequestError:
    """Return the error with which a request is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        ask(asked_target, **fields)
    return caught.value


def part(text: str = "", **fields: Any) -> dict[str, Any]:
    """Return a part, of text where it says nothing else."""
    return fields if fields and not text else {"text": text, **fields}


def called(name: str, args: Any = None, signature: str | None = None, **more: Any) -> Any:
    """Return a part that is a call."""
    call = {"name": name, "args": args or {}, **more}
    return {"functionCall": call, **({"thoughtSignature": signature} if signature else {})}


def piece(*parts: Any, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return an answer, or a piece of one, with one candidate."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}
    return {"candidates": [candidate], "usageMetadata": usage, **fields}


def encode(*pieces: Any) -> bytes:
    """Return pieces as the events Google sends."""
    return b"".join(b"data: %b\r\n\r\n" % orjson.dumps(each) for each in pieces)


def read(*pieces: Any, call: GeminiChat | None = None) -> list[Chunk]:
    """Return all chunks of a streamed answer, which must be whole."""
    return read_pieces([encode(*pieces)], call)


def read_pieces(pieces: Iterable[bytes], call: GeminiChat | None = None) -> list[Chunk]:
    """Return all chunks of a streamed answer in pieces of bytes, strictly OpenAI's."""
    call = call or ask(stream=True)
    chunks = read_stream(call, pieces)
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)
    return chunks


def read_until_error(
    body: bytes, call: GeminiChat | None = None
) -> tuple[list[Chunk], GatewayError]:
    """Return the chunks that came before the error a body must end with, and the error."""
    return read_stream_until_error(call or ask(stream=True), body)


def read_whole(body: Any, call: GeminiChat | None = None) -> dict[str, Any]:
    """Return a whole answer, strictly OpenAI's; ``body`` is bytes, or a value for JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    completion = (call or ask()).parse_response(data)
    ChatCompletion.model_validate_json(json.dumps(completion), strict=True)
    return completion
