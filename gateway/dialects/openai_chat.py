"""OpenAI's chat completions as spoken to clients: requests in, answers and streams out.

Knows OpenAI's wire format. Must not know Flask, sockets or providers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from gateway.dialects.openai_usage import without_usage
from gateway.errors import GatewayError, InternalServerError, InvalidRequestError
from gateway.serialization import JSONDecodeError, dumps_ascii, loads_strict
from gateway.sse import encode_event
from gateway.types import ChatRequest, Chunk, EmbeddingsRequest, RawChunk

logger = logging.getLogger("gateway.stream")

MAX_MODEL_LENGTH = 512
MAX_MESSAGES = 100_000
DONE = b"data: [DONE]\n\n"


def parse_chat_request(body: bytes) -> ChatRequest:
    """Parse the envelope of a chat request: ``model``, ``messages`` as a list, ``stream``.

    All else is for the provider to judge. Raises ``InvalidRequestError``.
    """
    request = _parse_object(body)
    _check_model(request)
    if "messages" not in request:
        raise InvalidRequestError(
            "Missing required parameter: 'messages'.",
            param="messages",
            code="missing_required_parameter",
        )
    if not isinstance(request["messages"], list):
        raise InvalidRequestError(
            f"'messages' must be a list of messages, not {_kind(request['messages'])}.",
            param="messages",
            code="invalid_type",
        )
    if len(request["messages"]) > MAX_MESSAGES:
        raise InvalidRequestError(
            f"'messages' holds more than {MAX_MESSAGES} messages.",
            param="messages",
            code="array_above_max_length",
        )
    if not isinstance(request.get("stream"), bool | None):
        raise InvalidRequestError(
            f"'stream' must be true or false, not {_kind(request['stream'])}.",
            param="stream",
            code="invalid_type",
        )
    return request


def parse_embeddings_request(body: bytes) -> EmbeddingsRequest:
    """Parse the envelope of an embeddings request; raises ``InvalidRequestError``."""
    request = _parse_object(body)
    _check_model(request)
    if request.get("input") is None:
        raise InvalidRequestError(
            "Missing required parameter: 'input'.",
            param="input",
            code="missing_required_parameter",
        )
    return request


def wants_usage(request: ChatRequest) -> bool:
    """Tell whether the client asked for the usage chunk of a stream."""
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def iter_events(batches: Iterator[list[Chunk]], *, include_usage: bool) -> Iterator[bytes]:
    """Encode a stream: all chunks of a batch in one piece, then ``[DONE]``.

    A batch without chunks gives b"". A failure becomes an event with an ``error``
    object and is the end; nothing is made up after it.
    """
    try:
        for batch in batches:
            yield b"".join([_encode(chunk, include_usage) for chunk in batch])
    except GatewayError as error:
        yield encode_error(error)
        raise
    except Exception as error:
        logger.exception("a stream failed")
        failure = InternalServerError("The gateway failed while it streamed the answer.")
        yield encode_error(failure)
        raise failure from error
    yield DONE


def encode_error(error: GatewayError) -> bytes:
    """Encode a failure as an event that OpenAI's SDKs raise."""
    return encode_event(dumps_ascii(error.to_dict()))


def _encode(chunk: Chunk, include_usage: bool) -> bytes:
    if type(chunk) is RawChunk:
        if include_usage:
            return chunk.raw
        shown = without_usage(chunk)
        return shown.raw if shown is not None else b""
    if include_usage:
        chunk.setdefault("usage", None)
    elif "usage" in chunk:
        if not chunk["choices"]:
            return b""
        chunk = {**chunk}
        del chunk["usage"]
    return b"data: %b\n\n" % dumps_ascii(chunk)


def _parse_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise InvalidRequestError("The request body is empty; it must be a JSON object.")
    try:
        request = loads_strict(body)
    except JSONDecodeError as error:
        raise InvalidRequestError(
            f"The request body is not valid JSON: {error}.", code="invalid_json"
        ) from error
    if not isinstance(request, dict):
        raise InvalidRequestError(f"The request body must be a JSON object, not {_kind(request)}.")
    return request


def _check_model(request: dict[str, Any]) -> None:
    model = request.get("model")
    if model is None or model == "":
        raise InvalidRequestError(
            "Missing required parameter: 'model'.", param="model", code="missing_required_parameter"
        )
    if not isinstance(model, str):
        raise InvalidRequestError(
            f"'model' must be a string, not {_kind(model)}.", param="model", code="invalid_type"
        )
    if len(model) > MAX_MODEL_LENGTH or not model.isprintable() or model != model.strip():
        raise InvalidRequestError(
            "'model' must be the name of a model: at most "
            f"{MAX_MODEL_LENGTH} printable characters, without spaces around it.",
            param="model",
            code="invalid_value",
        )


def _kind(value: Any) -> str:
    """Name a JSON value's type as a reader of JSON knows it."""
    kinds = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return "null" if value is None else kinds.get(type(value), "a number")
