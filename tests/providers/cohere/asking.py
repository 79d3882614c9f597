"""Ways to ask the Cohere provider, shared by its tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import GatewayError, InvalidRequestError
from gateway.providers.cohere import Cohere
from gateway.providers.cohere.chat import CohereChat
from gateway.types import Chunk
from tests.providers.answers import read_stream, read_stream_until_error

COMMAND = "command-a-03-2025"
REASONING = "command-a-reasoning-08-2025"

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def target(model: str = COMMAND) -> Target:
    provider = ProviderSettings("cohere", "cohere", "http://127.0.0.1:9", api_keys=("key",))
    return Target(provider, model, "my-model")


def ask(model: str = COMMAND, **fields: Any) -> CohereChat:
    """Build a chat call; ``messages`` and ``model`` have defaults."""
    request = {"model": "my-model", "messages": [{"role": "user", "content": "hi"}], **fields}
    return Cohere().build_chat(request, target(model), None)


def sent(model: str = COMMAND, **fields: Any) -> dict[str, Any]:
    """Return the body that is sent upstream for a request of one choice."""
    (request,) = ask(model, **fields).requests
    body: dict[str, Any] = orjson.loads(request.body or b"")
    return body


def refusal(model: str = COMMAND, **fields: Any) -> InvalidRequestError:
    """Return the error with which a request is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        ask(model, **fields)
    return caught.value


def event(kind: str, **fields: Any) -> bytes:
    """Return an event as Cohere frames it."""
    data = orjson.dumps({"type": kind, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def said(kind: str, **message: Any) -> bytes:
    """Return an event with something of a message in it."""
    return event(kind, index=0, delta={"message": message})


def end(reason: str = "COMPLETE", **tokens: Any) -> bytes:
    """Return the event every answer ends with, and what follows it."""
    usage = {
        "billed_units": {"input_tokens": 1, "output_tokens": 2},
        "tokens": {"input_tokens": 5, "output_tokens": 7, **tokens},
    }
    delta = {"finish_reason": reason, "usage": usage}
    return event("message-end", delta=delta) + b"data: [DONE]\n\n"


def read(pieces: Iterable[bytes], call: CohereChat | None = None) -> list[Chunk]:
    """Return all chunks of an answer in pieces, which must be whole."""
    return read_stream(call or ask(stream=True), pieces)


def read_until_error(
    body: bytes, call: CohereChat | None = None
) -> tuple[list[Chunk], GatewayError]:
    """Return the chunks that came before the error a body must end with, and the error."""
    return read_stream_until_error(call or ask(stream=True), body)
