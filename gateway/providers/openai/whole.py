"""Whole answers in OpenAI's format: a completion, a list of embeddings.

Knows when a body is one, and how to cut a whole completion into the chunks of a
stream, for upstreams that ignore ``stream``. Must not know what a dialect makes of it.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.openai.completion import normalise_completion, open_result
from gateway.providers.openai.embeddings import normalise_embeddings
from gateway.providers.openai.error_body import read_error
from gateway.providers.openai.errors import build_stream_error
from gateway.serialization import JSONDecodeError, dumps_ascii, loads_lenient, loads_strict
from gateway.sse import encode_event
from gateway.types import RawChunk, RawCompletion


def parse_whole(body: bytes, items: str) -> RawCompletion:
    """Parse an answer: a JSON object with the list ``items`` (``choices`` or ``data``) of objects.

    ``raw`` is the body as it came, re-encoded only where it was not strict JSON.
    Raises ``UpstreamError`` where it is not one, or the error told inside it.
    """
    raw = body
    try:
        value = loads_strict(body)
    except JSONDecodeError:
        try:
            value = loads_lenient(body)
        except ValueError:
            raise UpstreamError("The provider's answer is not JSON.") from None
        raw = dumps_ascii(value)
    if isinstance(value, list) and read_error(value) is not None:
        raise build_stream_error(value)
    if isinstance(value, dict):
        if value.get("error"):
            raise build_stream_error(value)
        inner = open_result(value)
        if inner is not value:
            value, raw = inner, dumps_ascii(inner)
    if not (isinstance(value, dict) and _is_list_of_objects(value.get(items))):
        raise UpstreamError(f"The provider's answer has no list {items!r}.")
    if items == "choices" and not value[items]:
        raise UpstreamError("The provider's answer has no choices.")
    for item in value[items]:
        if item.get("error"):
            raise build_stream_error(item)
    answer = RawCompletion(value)
    answer.raw = raw
    return answer


def parse_completion(body: bytes, model: str) -> RawCompletion:
    """Parse a completion that OpenAI's clients read, whoever sent it.

    ``raw`` is the body as it came where nothing had to change. ``model`` is the name
    where it tells none. Raises as ``parse_whole`` does.
    """
    answer = parse_whole(body, "choices")
    if normalise_completion(answer, model):
        answer.raw = dumps_ascii(answer)
    return answer


def parse_embeddings(body: bytes, model: str, *, as_base64: bool, are_bytes: bool) -> RawCompletion:
    """Parse a list of embeddings that OpenAI's clients read, whoever sent it.

    As ``parse_completion``; for the rest see ``normalise_embeddings``.
    """
    answer = parse_whole(body, "data")
    if normalise_embeddings(answer, model, as_base64=as_base64, are_bytes=are_bytes):
        answer.raw = dumps_ascii(answer)
    return answer


def cut_into_chunks(completion: RawCompletion) -> list[RawChunk]:
    """Return the chunks that a completion could have come as."""
    common = {key: completion[key] for key in completion if key not in ("choices", "usage")}
    common["object"] = "chat.completion.chunk"
    chunks = []
    for choice in completion["choices"]:
        rest = {key: choice[key] for key in choice if key not in ("message", "finish_reason")}
        begin = {**rest, "delta": _build_delta(choice["message"]), "finish_reason": None}
        chunks.append(_build_chunk(common, choices=[begin]))
        end = {"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}
        chunks.append(_build_chunk(common, choices=[end]))
    if completion.get("usage"):
        chunks.append(_build_chunk(common, choices=[], usage=completion["usage"]))
    return chunks


def _build_delta(message: dict[str, Any]) -> dict[str, Any]:
    """Return a whole message as a delta, in which each tool call has its ``index``."""
    delta = {key: value for key, value in message.items() if key != "tool_calls"}
    calls = message.get("tool_calls")
    if calls:
        delta["tool_calls"] = [{**call, "index": index} for index, call in enumerate(calls)]
    return delta


def _build_chunk(common: dict[str, Any], **fields: Any) -> RawChunk:
    chunk = RawChunk({**common, **fields})
    chunk.raw = encode_event(dumps_ascii(chunk))
    return chunk


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
