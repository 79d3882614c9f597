"""Streams of completions: canonical chunks as events, those of several prompts as one stream.

Knows the events (openai-python 3.54). Must not know how requests are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.completions.answer import (
    add_usage,
    build_envelope,
    translate_finish_reason,
)
from gateway.dialects.completions.logprobs import LegacyLogprobs
from gateway.dialects.completions.request import DIALECT, CompletionsRequest
from gateway.dialects.openai_chat import DONE
from gateway.serialization import dumps_ascii, loads_strict
from gateway.sse import encode_event, parse_event
from gateway.types import Chunk, NativeChunk


class EventWriter:
    """Writes one stream, of the answers to one prompt or several."""

    def __init__(self) -> None:
        self._envelope: dict[str, Any] = {}
        self._echo = ""
        self._first_index = 0
        self._is_one_of_many = False
        self._shows_usage = False
        self._usage: dict[str, int] = {}
        self._logprobs: dict[int, LegacyLogprobs] = {}

    def iter_batches(
        self, answers: Iterator[tuple[Iterator[list[Chunk]], Any]]
    ) -> Iterator[list[Chunk]]:
        """Yield the batches of all answers, each written for its own request."""
        for batches, request in answers:
            self._begin(request)
            yield from batches

    def encode(self, batch: list[Chunk]) -> bytes:
        """Return the events of a batch."""
        return b"".join(map(self._encode, batch))

    def end(self) -> bytes:
        """Return the last events: the usage of all prompts, if it was asked for, and the mark."""
        if not (self._usage and self._shows_usage):
            return DONE
        return (
            encode_event(dumps_ascii({**self._envelope, "choices": [], "usage": self._usage}))
            + DONE
        )

    def _begin(self, request: CompletionsRequest) -> None:
        self._envelope = self._envelope or build_envelope(request["model"])
        self._echo = request.prompt if request.native.get("echo") else ""
        self._first_index = request.first_index
        self._is_one_of_many = request.is_one_of_many
        self._shows_usage = _wants_usage(request)
        self._logprobs.clear()

    def _encode(self, chunk: Chunk) -> bytes:
        if isinstance(chunk, NativeChunk) and chunk.dialect == DIALECT:
            return self._encode_native(chunk)
        add_usage(self._usage, chunk.get("usage"))
        choices = [self._build_choice(choice) for choice in chunk["choices"]]
        if not choices:
            return b""
        event = {**self._envelope, "choices": choices}
        return encode_event(dumps_ascii(event | ({"usage": None} if self._shows_usage else {})))

    def _encode_native(self, chunk: NativeChunk) -> bytes:
        """Return the event as it came, but for a usage that the client did not ask for.

        And for what the answers to several prompts have in common, or number together.
        """
        is_shown = self._shows_usage or "usage" not in chunk
        if is_shown and not self._is_one_of_many:
            return chunk.raw
        event = loads_strict(parse_event(chunk.raw).data or b"{}")
        usage = event.pop("usage", None)
        if self._is_one_of_many:
            add_usage(self._usage, usage)
            event |= self._envelope | ({"usage": None} if self._shows_usage else {})
            for choice in event["choices"]:
                choice["index"] = self._first_index + choice.get("index", 0)
        return encode_event(dumps_ascii(event)) if event.get("choices") else b""

    def _build_choice(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        index = choice.get("index", 0)
        delta = choice.get("delta") or {}
        text = delta.get("content") or delta.get("refusal") or ""
        if index not in self._logprobs:
            self._logprobs[index] = LegacyLogprobs()
            text = f"{self._echo}{text}"
        return {
            "text": text,
            "index": self._first_index + index,
            "logprobs": self._logprobs[index].add(choice.get("logprobs")),
            "finish_reason": translate_finish_reason(choice.get("finish_reason")),
        }


def _wants_usage(request: CompletionsRequest) -> bool:
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
