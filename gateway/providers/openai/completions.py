"""Completions of a prompt in OpenAI's own format: passed on as they came.

Knows the older endpoint ``/completions``, which few of OpenAI's models and most local servers
have. Must not know chats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gateway.config.settings import Target
from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai.completions_whole import iter_events_of, join_events
from gateway.providers.openai.errors import build_stream_error
from gateway.providers.openai.first_piece import is_whole_body, iter_first, iter_whole_body
from gateway.providers.request_body import dump_body
from gateway.serialization import (
    JSONDecodeError,
    dumps_ascii,
    loads_lenient,
    loads_strict,
)
from gateway.sse import encode_event, is_event_stream, iter_events, parse_event
from gateway.types import NativeChunk, NativeCompletion, NativeRequest, UpstreamRequest

DIALECT = "completions"
PATH = "/completions"

_MODELS = re.compile(r"davinci-002|babbage-002|gpt-3\.5-turbo-instruct(-\d+)?")
"""OpenAI's own models that complete prompts; all others there only chat."""


def completes_prompts(target: Target) -> bool:
    """Tell whether the target has the endpoint: by its name, or the capability ``insert``."""
    capabilities = target.capabilities
    if capabilities is not None and "insert" in capabilities:
        return True
    return _MODELS.fullmatch(target.model) is not None


@dataclass(frozen=True)
class OpenAICompletionsCall:
    """A ``gateway.types.ChatCall`` for a prompt."""

    requests: tuple[UpstreamRequest, ...]
    streamed: bool
    dropped_params: tuple[str, ...] = ()

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Any]]:
        """Yield the events of the answer, each with its bytes; raises as ``ChatCall`` says."""
        first = yield from iter_first(pieces)
        if is_whole_body(first):
            answer, _ = _parse_whole((yield from iter_whole_body(first, pieces)))
            yield [_read_chunk(dumps_ascii(event)) for event in iter_events_of(answer)]
            return
        is_complete = False
        for events in iter_events(chain((first,), pieces)):
            batch: list[Any] = []
            try:
                for raw in events:
                    data = parse_event(raw).data
                    if data is None:
                        continue
                    if data.strip() == b"[DONE]":
                        yield batch
                        return
                    chunk = _read_chunk(data)
                    is_complete |= any(each["finish_reason"] for each in chunk["choices"])
                    batch.append(chunk)
            except GatewayError:
                yield batch
                raise
            yield batch
        if not is_complete:
            raise UpstreamError("The provider's stream was cut before its end.")

    def parse_response(self, body: bytes) -> NativeCompletion:
        """Parse a whole answer; raises ``UpstreamError``, or the error told inside it."""
        if is_event_stream(body):
            chunks = chain.from_iterable(self.iter_chunks(iter((body,)), 0))
            events = (loads_strict(parse_event(chunk.raw).data or b"") for chunk in chunks)
            body = dumps_ascii(join_events(events))
        answer, raw = _parse_whole(body)
        completion = NativeCompletion(answer)
        completion["choices"] = [
            {
                "index": choice.get("index", 0),
                "message": {"role": "assistant", "content": choice.get("text") or ""},
                "finish_reason": choice.get("finish_reason"),
            }
            for choice in answer["choices"]
        ]
        completion.dialect, completion.raw = DIALECT, raw
        return completion


def build_prompt_call(request: NativeRequest, model: str, path: str) -> OpenAICompletionsCall:
    """Pass a prompt on, with the target's model; streams are asked for their usage."""
    body = {**request.native, "model": model}
    streamed = bool(request.get("stream"))
    if streamed:
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    upstream = UpstreamRequest("POST", path, dump_body(body), {"Content-Type": "application/json"})
    return OpenAICompletionsCall((upstream,), streamed)


def _read_chunk(data: bytes) -> NativeChunk:
    event, raw = _parse(data)
    native = NativeChunk(event)
    native["choices"] = [
        {
            "index": choice.get("index", 0),
            "delta": {"content": choice.get("text") or ""},
            "finish_reason": choice.get("finish_reason"),
        }
        for choice in event["choices"]
    ]
    native.dialect, native.raw = DIALECT, encode_event(raw.replace(b"\n", b" "))
    return native


def _parse_whole(body: bytes) -> tuple[dict[str, Any], bytes]:
    answer, raw = _parse(body)
    if not answer["choices"]:
        raise UpstreamError("The provider's answer has no choices.")
    return answer, raw


def _parse(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return a completion, or a part of one, with its bytes, written anew if not strict JSON."""
    try:
        value = loads_strict(data)
    except JSONDecodeError:
        try:
            value = loads_lenient(data)
        except ValueError:
            raise UpstreamError("The provider's answer is not JSON.") from None
        data = dumps_ascii(value)
    if isinstance(value, dict) and value.get("error"):
        raise build_stream_error(value)
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not all(isinstance(each, dict) for each in choices):
        raise UpstreamError("The provider's answer has no list 'choices'.")
    return value, data
