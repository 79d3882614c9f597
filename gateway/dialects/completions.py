"""OpenAI's older completions of a prompt, as spoken to clients.

A ``gateway.dialects.base.ChatDialect`` for one prompt; ``split_request`` makes several of a
request with several. Knows OpenAI's wire format (openai-python 3.54). Must not know Flask,
sockets or providers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.completions_logprobs import LegacyLogprobs
from gateway.dialects.envelope import check_model, check_stream, parse_object
from gateway.dialects.openai_chat import DONE, encode_error, encode_error_event, encode_note
from gateway.dialects.streaming import iter_encoded
from gateway.serialization import dumps_ascii, loads_strict
from gateway.sse import encode_event, parse_event
from gateway.types import (
    ChatCompletion,
    ChatRequest,
    Chunk,
    NativeChunk,
    NativeCompletion,
    NativeRequest,
)
from gateway.validation.fields import (
    check_boolean,
    check_integer,
    check_object,
    wrong_type,
    wrong_value,
)

__all__ = [
    "CONTENT_TYPE",
    "add_usage",
    "encode_completion",
    "encode_error",
    "encode_note",
    "iter_frames",
    "iter_frames_of_all",
    "join_completions",
    "parse_request",
    "split_request",
]

CONTENT_TYPE = "text/event-stream; charset=utf-8"
DIALECT = "completions"
MAX_PROMPTS = 2048

_SAME = (
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "user",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "stream_options",
)


class CompletionsRequest(NativeRequest):
    """A request for completions; ``first_index`` is that of its prompt's first choice.

    ``is_one_of_many``: there are other prompts, whose answers are told together with its own.
    """

    __slots__ = ("first_index", "is_one_of_many", "prompt")

    def __init__(
        self, native: dict[str, Any], prompt: Any, place: int, *, is_one_of_many: bool
    ) -> None:
        canonical: dict[str, Any] = {name: native[name] for name in _SAME if name in native}
        canonical["model"] = native["model"]
        canonical["messages"] = [{"role": "user", "content": prompt}]
        canonical["stream"] = native.get("stream") is True
        logprobs = native.get("logprobs")
        if logprobs is not None:
            canonical |= {"logprobs": True, "top_logprobs": logprobs}
        super().__init__(
            canonical,
            DIALECT,
            {**native, "prompt": prompt},
            native_only=_find_native_only(native, prompt),
        )
        self.prompt = prompt
        self.first_index = place * (native.get("n") or 1)
        self.is_one_of_many = is_one_of_many


def parse_request(body: bytes, headers: Mapping[str, str]) -> CompletionsRequest:
    """See ``ChatDialect.parse_request``; of several prompts the first. See ``split_request``."""
    return split_request(body)[0]


def split_request(body: bytes) -> list[CompletionsRequest]:
    """Return a request for each prompt of the one in ``body``; raises ``InvalidRequestError``."""
    native = parse_object(body)
    check_model(native)
    check_stream(native)
    check_integer(native, "n", 1, 128)
    check_integer(native, "best_of", 0, 128)
    check_integer(native, "logprobs", 0, 20)
    check_boolean(native, "echo")
    check_object(native, "stream_options")
    prompts = _read_prompts(native.get("prompt"))
    return [
        CompletionsRequest(native, prompt, place, is_one_of_many=len(prompts) > 1)
        for place, prompt in enumerate(prompts)
    ]


def encode_completion(completion: ChatCompletion, request: ChatRequest) -> Any:
    """See ``ChatDialect.encode_completion``."""
    if isinstance(completion, NativeCompletion) and completion.dialect == DIALECT:
        return completion.raw
    return join_completions([completion], [request])


def join_completions(completions: list[ChatCompletion], requests: list[Any]) -> dict[str, Any]:
    """Return one answer with the choices of all prompts, in their order, and the summed usage."""
    choices: list[dict[str, Any]] = []
    usage: dict[str, int] = {}
    for completion, request in zip(completions, requests, strict=True):
        choices += _read_choices(completion, request)
        add_usage(usage, completion.get("usage"))
    return {**_begin(requests[0]["model"]), "choices": choices, "usage": usage or None}


def iter_frames(batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
    """See ``ChatDialect.iter_frames``."""
    return iter_frames_of_all(iter([(batches, request)]))


def iter_frames_of_all(answers: Iterator[tuple[Iterator[list[Chunk]], Any]]) -> Iterator[bytes]:
    """Encode the streams of several prompts as one, one after the other; as ``iter_frames``."""
    writer = _Writer()
    yield from iter_encoded(writer.iter_batches(answers), writer.encode, encode_error_event)
    yield writer.end()


class _Writer:
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
        self._envelope = self._envelope or _begin(request["model"])
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
            "finish_reason": _finish_reason(choice.get("finish_reason")),
        }


def add_usage(total: dict[str, int], usage: Mapping[str, Any] | None) -> None:
    """Add the counts of ``usage`` to those of ``total``."""
    for name, count in (usage or {}).items():
        if isinstance(count, int):
            total[name] = total.get(name, 0) + count


def _wants_usage(request: CompletionsRequest) -> bool:
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _read_choices(completion: ChatCompletion, request: Any) -> list[dict[str, Any]]:
    if isinstance(completion, NativeCompletion) and completion.dialect == DIALECT:
        choices = loads_strict(completion.raw)["choices"]
        return [{**each, "index": request.first_index + each.get("index", 0)} for each in choices]
    echoed = request.prompt if request.native.get("echo") else ""
    return [
        {
            "text": echoed + (choice["message"].get("content") or ""),
            "index": request.first_index + choice.get("index", 0),
            "logprobs": LegacyLogprobs().add(choice.get("logprobs")),
            "finish_reason": _finish_reason(choice.get("finish_reason")) or "stop",
        }
        for choice in completion["choices"]
    ]


def _begin(model: str) -> dict[str, Any]:
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
    }


def _finish_reason(reason: str | None) -> str | None:
    """Return the reason; completions have no tools, so that a call is just an end."""
    return "stop" if reason in ("tool_calls", "function_call") else reason


def _read_prompts(prompt: Any) -> list[Any]:
    """Return the prompts: strings, or token ids, which only their own model can read."""
    if prompt is None:
        return [""]
    if isinstance(prompt, str):
        return [prompt]
    if not isinstance(prompt, list):
        raise wrong_type("prompt", "a string or an array", prompt)
    if not prompt or len(prompt) > MAX_PROMPTS:
        raise wrong_value("prompt", f"`prompt` must hold 1 to {MAX_PROMPTS} prompts.")
    if all(type(each) is int for each in prompt):
        return [prompt]
    for place, each in enumerate(prompt):
        is_tokens = isinstance(each, list) and all(type(token) is int for token in each)
        if not isinstance(each, str) and not is_tokens:
            raise wrong_type(f"prompt[{place}]", "a string or an array of token ids", each)
    return prompt


def _find_native_only(native: dict[str, Any], prompt: Any) -> tuple[str, ...]:
    """Return what a chat has no way to do."""
    names = []
    if not isinstance(prompt, str):
        names.append("prompt")
    if native.get("suffix"):
        names.append("suffix")
    if (native.get("best_of") or 1) > (native.get("n") or 1):
        names.append("best_of")
    if native.get("echo") and native.get("logprobs") is not None:
        names.append("echo")
    return tuple(names)
