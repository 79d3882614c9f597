"""Requests in Ollama's own format to Ollama: passed on, but for what the operator decides.

Knows ``/api/chat`` and ``/api/generate`` (Ollama v0.33 source). The client's body goes on with
the target's model; ``num_ctx``, other options that reload models and ``keep_alive`` are the
operator's unless ``allow_client_options``, and no prompt is cut in silence.

A stream is asked for always: Ollama loses tool calls from whole answers (recorded),
and only a stream tells whether it was complete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.chunks import gather
from gateway.config.settings import Target
from gateway.errors import UpstreamError
from gateway.ndjson import iter_lines
from gateway.providers.ollama.answer import Answer, build_answer
from gateway.providers.ollama.capabilities import resolve_capabilities
from gateway.providers.ollama.messages import build_messages
from gateway.providers.ollama.response import iter_chunks
from gateway.providers.ollama.tools import build_tool_plan
from gateway.providers.request_body import dump_body
from gateway.serialization import dumps, dumps_ascii, loads_lenient
from gateway.types import (
    ChatCompletion,
    Chunk,
    ModelInfo,
    NativeChunk,
    NativeCompletion,
    NativeRequest,
    UpstreamRequest,
)

PATHS = {"ollama_chat": "/api/chat", "ollama_generate": "/api/generate"}
"""The dialects that go on as they are, and where to."""

LOAD_OPTIONS = frozenset(
    {"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict"}
)
"""A change of these makes Ollama load the model anew."""


@dataclass(frozen=True)
class OllamaNativeChat:
    """A ``gateway.types.ChatCall`` whose answer goes to the client as it came."""

    requests: Sequence[UpstreamRequest]
    dropped_params: Sequence[str]
    answer: Answer
    dialect: str
    streamed: bool

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate the answer, each line of it with its bytes."""
        waiting: deque[bytes | None] = deque()
        canonical = iter_chunks(_iter_waiting(waiting), self.answer, index)
        for lines in iter_lines(pieces):
            batch: list[Any] = []
            try:
                for line in lines:
                    waiting.append(self._as_chat_line(line))
                    # What a line without chunks is about shows at the second look: an error.
                    chunks = next(canonical, []) or next(canonical, [])
                    batch += self._with_bytes(chunks, line)
            except Exception:
                yield batch
                raise
            yield batch
        waiting.append(None)
        next(canonical, None)  # raises where the end mark is missing

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Put an answer's lines together; raises ``UpstreamError`` where the last is missing."""
        lines = [line for lines in iter_lines([body]) for line in lines]
        canonical = gather(self.iter_chunks(iter([body]), 0))
        whole = NativeCompletion(canonical)
        whole.dialect = self.dialect
        whole.raw = dumps_ascii(_join([_parse(line) for line in lines], self._model))
        return whole

    @property
    def _model(self) -> str:
        return self.answer.target.requested_model

    def _with_bytes(self, chunks: list[Chunk], line: bytes) -> list[NativeChunk]:
        """Return the chunks of one line, the first of them with its bytes."""
        natives = [NativeChunk(chunk) for chunk in chunks] or [NativeChunk(choices=[])]
        for native in natives:
            native.dialect, native.raw = self.dialect, b""
        natives[0].raw = self._renamed(line)
        return natives

    def _renamed(self, line: bytes) -> bytes:
        """Return the line with the model's name that the client used."""
        if self.answer.target.model == self._model:
            return line + b"\n"
        beginning = b'{"model":%b,' % dumps(self.answer.target.model)
        if line.startswith(beginning):
            return b'{"model":%b,%b\n' % (dumps_ascii(self._model), line[len(beginning) :])
        return dumps_ascii({**_parse(line), "model": self._model}) + b"\n"

    def _as_chat_line(self, line: bytes) -> bytes:
        return line + b"\n" if self.dialect == "ollama_chat" else as_chat_line(line)


def as_chat_line(line: bytes) -> bytes:
    """Return a line of ``/api/generate`` as ``/api/chat`` would have it."""
    try:
        parsed = _parse(line)
    except UpstreamError:
        return line + b"\n"
    if "error" not in parsed:
        parsed["message"] = {
            "role": "assistant",
            "content": parsed.pop("response", ""),
            "thinking": parsed.pop("thinking", ""),
            "tool_calls": parsed.pop("tool_calls", None),
        }
    return dumps(parsed) + b"\n"


def build_native_chat(
    request: NativeRequest, target: Target, info: ModelInfo | None
) -> OllamaNativeChat:
    """Build the call; raises ``InvalidRequestError`` for what the model is known to lack."""
    capabilities = resolve_capabilities(target, info)
    build_messages(request["messages"], capabilities)
    plan = build_tool_plan(request, capabilities)
    body = {"truncate": False, **request.native, "model": target.model, "stream": True}
    body.pop("name", None)
    options, dropped = _build_options(request.native.get("options") or {}, target)
    if options or "options" in body:
        body["options"] = options
    if not target.provider.allow_client_options and body.pop("keep_alive", None) is not None:
        dropped.append("keep_alive")
    return OllamaNativeChat(
        (UpstreamRequest("POST", PATHS[request.dialect], dump_body(body)),),
        dropped,
        build_answer(request, target, plan, options.get("num_ctx")),
        request.dialect,
        streamed=bool(request.get("stream")),
    )


def _build_options(given: dict[str, Any], target: Target) -> tuple[dict[str, Any], list[str]]:
    """Return the options to send, and the names of those that the client may not choose."""
    num_ctx = target.provider.model_settings(target.model).num_ctx
    fixed = {} if num_ctx is None else {"num_ctx": num_ctx}
    if target.provider.allow_client_options:
        return {**fixed, **given}, []
    kept = {name: value for name, value in given.items() if name not in LOAD_OPTIONS}
    dropped = [f"options.{name}" for name in given if name in LOAD_OPTIONS]
    return {**kept, **fixed}, dropped


def _iter_waiting(waiting: deque[bytes | None]) -> Iterator[bytes]:
    """Yield what waits whenever it is asked for, b"" where nothing does, and end at a None."""
    while not waiting or waiting[0] is not None:
        yield waiting.popleft() or b"" if waiting else b""


def _parse(line: bytes) -> dict[str, Any]:
    try:
        parsed = loads_lenient(line)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise UpstreamError("The provider sent a line that is not a JSON object.")
    return parsed


def _join(lines: list[dict[str, Any]], model: str) -> dict[str, Any]:
    """Return the one object that the lines of a stream amount to: texts and lists put together."""
    whole: dict[str, Any] = {**lines[-1], "model": model}
    if any("message" in line for line in lines):
        messages = [line.get("message") or {} for line in lines]
        whole["message"] = {**messages[-1], "role": "assistant", **_joined(messages, "content")}
    else:
        whole |= _joined(lines, "response")
    logprobs = [each for line in lines for each in line.get("logprobs") or ()]
    return whole | ({"logprobs": logprobs} if logprobs else {})


def _joined(parts: list[dict[str, Any]], text: str) -> dict[str, Any]:
    joined: dict[str, Any] = {text: "".join(part.get(text) or "" for part in parts)}
    thinking = "".join(part.get("thinking") or "" for part in parts)
    calls = [call for part in parts for call in part.get("tool_calls") or ()]
    return (
        joined
        | ({"thinking": thinking} if thinking else {})
        | ({"tool_calls": calls} if calls else {})
    )
