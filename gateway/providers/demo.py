"""The built-in demo: a provider that needs nothing, and is no AI.

``demo/echo`` says what it is and repeats a part of what it was told, so that a
fresh installation can be tried. Knows both sides: how the gateway asks (OpenAI's
format) and what this upstream, which lives in the same process, answers. Must
not know how its answers travel.
"""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from gateway.config.settings import Target
from gateway.errors import InvalidRequestError, NotFoundError
from gateway.providers.openai import OpenAI, OpenAIChatCall, OpenAIEmbeddingsCall
from gateway.serialization import dumps_ascii, loads_lenient
from gateway.sse import encode_event
from gateway.types import (
    ChatRequest,
    EmbeddingsRequest,
    ModelInfo,
    PassthroughRequest,
    UpstreamRequest,
)

MODEL = "echo"

EMBEDDING_DIMENSIONS = 8
MAX_EMBEDDING_DIMENSIONS = 4096

_INTRODUCTION = (
    "This is the gateway's built-in demo provider. It is no AI: it only repeats what it was told."
)
_SECONDS_A_WORD = 0.03
_SECONDS_A_LETTER = 0.002
_LETTERS_PACED = 10
_SECONDS_A_WHOLE_ANSWER = 0.2
_MAX_ECHO_WORDS = 30
_MAX_WORD_LETTERS = 40

# OpenAI's parameters that would change what a model says, or how it is told.
_DROPPED_PARAMS = (
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "modalities",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "verbosity",
    "web_search_options",
)


class Demo(OpenAI):
    """Implements ``gateway.providers.base.Provider`` for the one model ``echo``."""

    def build_passthrough(
        self, request: PassthroughRequest, target: Target
    ) -> UpstreamRequest | None:
        """Return None: the model chats, and nothing else."""
        return None

    def build_chat(
        self, request: ChatRequest, target: Target, info: ModelInfo | None
    ) -> OpenAIChatCall:
        """Build a chat request; token limits count words, most other parameters are dropped.

        Raises ``NotFoundError`` for another model, ``InvalidRequestError`` for more
        than one choice or a limit that is no positive integer.
        """
        _check_model(target)
        if request.get("n") not in (None, 1):
            raise InvalidRequestError("The demo gives one choice: 'n' must be 1.", param="n")
        for name in ("max_completion_tokens", "max_tokens"):
            if request.get(name) is not None:
                _check_integer(request[name], name, None)
        dropped = tuple(name for name in _DROPPED_PARAMS if request.get(name) is not None)
        named = replace(target, model=target.requested_model)  # what the answer is to say
        return replace(self.build_completion(request, named), dropped_params=dropped)

    def build_embeddings(self, request: EmbeddingsRequest, target: Target) -> OpenAIEmbeddingsCall:
        """Build an embeddings request; raises as ``build_chat`` does."""
        _check_model(target)
        if request.get("dimensions") is not None:
            _check_integer(request["dimensions"], "dimensions", MAX_EMBEDDING_DIMENSIONS)
        if request.get("encoding_format") not in (None, "float", "base64"):
            message = "'encoding_format' must be 'float' or 'base64'."
            raise InvalidRequestError(message, param="encoding_format")
        if not _is_embeddable(request.get("input")):
            message = "'input' must be a text, a list of texts, or token ids; none of them empty."
            raise InvalidRequestError(message, param="input")
        return super().build_embeddings(request, target)


def answer(method: str, path: str, body: bytes | None) -> Iterator[tuple[float, bytes]]:
    """Answer any request that ``Demo`` builds; yields as ``iter_answer`` does."""
    if body is None:
        yield 0.0, answer_models()
    elif path == "/embeddings":
        yield 0.0, answer_embeddings(body)
    else:
        yield from iter_answer(body)


def iter_answer(
    body: bytes, clock: Callable[[], float] = time.time
) -> Iterator[tuple[float, bytes]]:
    """Answer a chat request as ``Demo.build_chat`` builds it.

    Yields the seconds to wait before each piece, and the piece: of an event
    stream, a word at a time, or one whole JSON answer where ``stream`` is not true.
    ``clock`` gives Unix seconds.
    """
    request = loads_lenient(body)
    words = [word for message in request["messages"] for word in _text_of(message).split()]
    answer, finish_reason = _build_answer(request)
    usage = {
        "prompt_tokens": len(words),
        "completion_tokens": len(answer),
        "total_tokens": len(words) + len(answer),
    }
    common = {
        "id": f"chatcmpl-demo-{secrets.token_hex(12)}",
        "created": int(clock()),
        "model": request["model"],
    }
    if request.get("stream"):
        yield from _iter_stream(common, answer, finish_reason, usage)
        return
    message = {"role": "assistant", "content": " ".join(answer), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    whole = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
    yield _SECONDS_A_WHOLE_ANSWER, dumps_ascii(whole)


def answer_models() -> bytes:
    """Answer a request for the list of models."""
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "demo"}
    return dumps_ascii({"object": "list", "data": [model]})


def answer_embeddings(body: bytes) -> bytes:
    """Answer an embeddings request as ``Demo.build_embeddings`` builds it.

    Each vector is made from a hash of its input: of length 1, always the same, and
    without meaning. Tokens are counted in words (or token ids).
    """
    request = loads_lenient(body)
    inputs = request["input"]
    if isinstance(inputs, str) or isinstance(inputs[0], int):
        inputs = [inputs]
    dimensions = request.get("dimensions") or EMBEDDING_DIMENSIONS
    as_base64 = request.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(inputs):
        vector = _build_vector(text, dimensions)
        packed = struct.pack(f"<{dimensions}f", *vector)
        embedding = base64.b64encode(packed).decode("ascii") if as_base64 else vector
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    tokens = sum(len(text.split() if isinstance(text, str) else text) for text in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return dumps_ascii({"object": "list", "data": data, "model": MODEL, "usage": usage})


def _check_model(target: Target) -> None:
    if target.model != MODEL:
        message = f"The model {target.requested_model!r} does not exist: the demo has only 'echo'."
        raise NotFoundError(message, param="model", code="model_not_found")


def _check_integer(value: Any, name: str, maximum: int | None) -> None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or value < 1 or (maximum is not None and value > maximum):
        limits = "of 1 or more" if maximum is None else f"from 1 to {maximum}"
        raise InvalidRequestError(f"{name!r} must be an integer {limits}.", param=name)


def _is_embeddable(value: Any) -> bool:
    if isinstance(value, str):
        return value != ""
    if not (isinstance(value, list) and value):
        return False
    return _is_tokens(value) or all(
        (isinstance(item, str) and item != "") or _is_tokens(item) for item in value
    )


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def _text_of(message: Any) -> str:
    """Return a message's text; what is no text, or no message, has none."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return " ".join(text for text in texts if isinstance(text, str))


def _build_answer(request: ChatRequest) -> tuple[list[str], str]:
    """Return the answer's words, within the limit asked for, and the finish reason."""
    asked = (
        message
        for message in reversed(request["messages"])
        if isinstance(message, dict) and message.get("role") == "user"
    )
    words = f"{_INTRODUCTION} {_echo(_text_of(next(asked, None)).split())}".split()
    limits = (request.get("max_completion_tokens"), request.get("max_tokens"))
    limit = next((limit for limit in limits if limit is not None), len(words))
    return words[:limit], "length" if limit < len(words) else "stop"


def _echo(words: list[str]) -> str:
    if not words:
        return "You wrote nothing."
    shown = " ".join(
        word if len(word) <= _MAX_WORD_LETTERS else word[:_MAX_WORD_LETTERS] + "…"
        for word in words[:_MAX_ECHO_WORDS]
    )
    more = len(words) - _MAX_ECHO_WORDS
    return f'You wrote: "{shown}"' + (f" and {more} more words." if more > 0 else ".")


def _iter_stream(
    common: dict[str, Any], words: list[str], finish_reason: str, usage: dict[str, int]
) -> Iterator[tuple[float, bytes]]:
    def encode(choices: list[dict[str, Any]], **fields: Any) -> bytes:
        chunk = {**common, "object": "chat.completion.chunk", "choices": choices, **fields}
        return encode_event(dumps_ascii(chunk))

    def encode_delta(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        return encode([{"index": 0, "delta": delta, "finish_reason": finish_reason}])

    yield 0.0, encode_delta({"role": "assistant", "content": ""})
    for position, word in enumerate(words):
        delay = _SECONDS_A_WORD + _SECONDS_A_LETTER * min(len(word), _LETTERS_PACED)
        yield delay, encode_delta({"content": word if position == 0 else f" {word}"})
    end = (encode_delta({}, finish_reason), encode([], usage=usage), encode_event(b"[DONE]"))
    yield 0.0, b"".join(end)


def _build_vector(value: Any, dimensions: int) -> list[float]:
    """Return a unit vector; no number in it is zero before scaling, so that its length isn't."""
    digest = hashlib.shake_256(dumps_ascii(value)).digest(4 * dimensions)
    numbers = [(number + 0.5) / 2**31 - 1 for number in struct.unpack(f"<{dimensions}I", digest)]
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]
