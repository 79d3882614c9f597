"""Canonical chunks as the events of a response, in their order, numbered without gaps.

Knows which item a piece belongs to and how a stream begins, ends and fails. Events that
came in this format already go on as they came. Must not know requests beyond what
an answer repeats.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

from gateway.dialects.responses.answer import Present, ResponseBuilder, as_it_is, new_id
from gateway.dialects.responses.namespaces import read_names
from gateway.dialects.responses.output import CallItem, Event, MessageItem, ReasoningItem
from gateway.dialects.responses.reasoning import Extras
from gateway.dialects.responses.request import DIALECT
from gateway.errors import GatewayError
from gateway.serialization import dumps_ascii, loads_lenient
from gateway.sse import parse_event
from gateway.types import ChatCompletion, Chunk, NativeChunk

_WITH_RESPONSE = tuple(
    b"event: response.%b\n" % kind
    for kind in (b"created", b"queued", b"in_progress", b"completed", b"incomplete")
)


def build_response(completion: ChatCompletion, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole answer as a response object."""
    writer = EventWriter(request)
    writer.encode([_as_chunk(completion)])
    writer.end()
    return writer.response


def load_response(raw: bytes) -> dict[str, Any]:
    """Return the response object that an upstream's bytes are."""
    response: dict[str, Any] = loads_lenient(raw)
    return response


class EventWriter:
    """Writes one stream: ``encode`` each batch, then the ``end``, or what ``encode_error`` says.

    ``response`` is the whole response after the end of one that did not come in this format.
    ``present`` is asked how each response object is shown, also of those that came as they are.
    """

    def __init__(self, request: Mapping[str, Any], present: Present = as_it_is) -> None:
        self.response: dict[str, Any] = {}
        self._present = present
        self._builder = ResponseBuilder(request)
        self._names = read_names(request.get("tools"))
        self._sequence_number = 0
        self._has_begun = False
        self._is_native = False
        self._items: list[MessageItem | ReasoningItem | CallItem] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._call_ids: dict[int, str] = {}
        self._extras = Extras()
        self._finish_reason = "stop"
        self._usage: Mapping[str, Any] | None = None

    def encode(self, batch: list[Chunk]) -> bytes:
        """Return the events of a batch."""
        frames = []
        for chunk in batch:
            if isinstance(chunk, NativeChunk) and chunk.dialect == DIALECT:
                frames.append(self._pass(chunk))
            else:
                frames += self._number(self._iter_chunk(chunk))
        return b"".join(frames)

    def end(self) -> bytes:
        """Return the last events, b"" where they came with the chunks."""
        if self._is_native:
            return b""
        return b"".join(self._number(self._iter_end()))

    def encode_error(self, error: GatewayError) -> bytes:
        """Return what tells of a failure: an ``error``, and the response as ``failed``."""
        fields = {"code": error.code, "message": error.message, "param": error.param}
        unfinished = (self._open, *self._calls.values())
        output = [item.to_dict() for item in self._items if item not in unfinished]
        events: list[Event] = [
            {"type": "error", **fields},
            {"type": "response.failed", "response": self._builder.failed(output, error)},
        ]
        return b"".join(self._number([*self._iter_begin(), *events]))

    def _pass(self, chunk: NativeChunk) -> bytes:
        self._is_native = self._has_begun = True
        self._sequence_number += 1
        self._builder.id = chunk.get("id") or self._builder.id
        if self._present is as_it_is or not chunk.raw.startswith(_WITH_RESPONSE):
            return chunk.raw
        event = loads_lenient(parse_event(chunk.raw).data or b"{}")
        event["response"] = self._present(event["response"])
        return _frame(event)

    def _number(self, events: Iterable[Event]) -> Iterator[bytes]:
        for event in events:
            event["sequence_number"] = self._sequence_number
            self._sequence_number += 1
            if "response" in event:
                event["response"] = self._present(event["response"])
            yield _frame(event)

    def _iter_begin(self) -> Iterator[Event]:
        if self._has_begun:
            return
        self._has_begun = True
        for kind in ("created", "in_progress"):
            yield {"type": f"response.{kind}", "response": self._builder.in_progress()}

    def _iter_chunk(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        if not self._has_begun:
            self._builder.created_at = chunk.get("created") or self._builder.created_at
            self._builder.model = chunk.get("model") or self._builder.model
            self._builder.service_tier = chunk.get("service_tier")
            yield from self._iter_begin()
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            if choice.get("index", 0) == 0:
                yield from self._iter_choice(choice)

    def _iter_choice(self, choice: Mapping[str, Any]) -> Iterator[Event]:
        delta = choice.get("delta") or {}
        calls = delta.get("tool_calls") or ()
        self._extras.add_message(delta)
        for call in calls:
            index = call.get("index", 0)
            self._call_ids.setdefault(index, call.get("id") or new_id("call"))
            self._extras.add_call(self._call_ids[index], call)
        if self._extras and not self._items:
            yield from self._open_reasoning()
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning and isinstance(reasoning, str):
            item = yield from self._open_reasoning()
            yield from item.add_text(reasoning)
        if delta.get("content"):
            message = yield from self._open_message()
            logprobs = _read_logprobs(choice.get("logprobs"))
            yield from message.add_text(delta["content"], logprobs)
        for annotation in delta.get("annotations") or ():
            message = yield from self._open_message()
            yield from message.add_annotation(_flat(annotation))
        if delta.get("refusal"):
            message = yield from self._open_message()
            yield from message.add_refusal(delta["refusal"])
        for call in calls:
            yield from self._iter_call(call)
        self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def _open_reasoning(self) -> Generator[Event, None, ReasoningItem]:
        """Return the reasoning that is open, after it was opened where none was."""
        if isinstance(self._open, ReasoningItem):
            return self._open
        item = ReasoningItem(len(self._items))
        yield from self._begin(item)
        return item

    def _open_message(self) -> Generator[Event, None, MessageItem]:
        """Return the message that is open, after it was opened where none was."""
        if isinstance(self._open, MessageItem):
            return self._open
        item = MessageItem(len(self._items))
        yield from self._begin(item)
        return item

    def _begin(self, item: MessageItem | ReasoningItem) -> Iterator[Event]:
        yield from self._close_open("completed")
        self._open = item
        self._items.append(item)
        yield from item.open()

    def _iter_call(self, call: Mapping[str, Any]) -> Iterator[Event]:
        index = call.get("index", 0)
        kind = "custom" if call.get("type") == "custom" or "custom" in call else "function"
        told = call.get(kind) or {}
        item = self._calls.get(index)
        if item is None:
            yield from self._close_open("completed")
            flat = told.get("name") or ""
            namespace, name = self._names.get(flat, (None, flat))
            item = self._calls[index] = CallItem(
                len(self._items),
                self._call_ids[index],
                name,
                is_custom=kind == "custom",
                namespace=namespace,
            )
            self._items.append(item)
            yield from item.open()
        piece = told.get("input" if kind == "custom" else "arguments")
        if piece:
            yield from item.add(piece)

    def _close_open(self, status: str) -> Iterator[Event]:
        item, self._open = self._open, None
        if item is None:
            return
        if isinstance(item, ReasoningItem) and self._extras:
            item.encrypted_content = self._extras.pack()
            self._extras = Extras()
        yield from item.close(status)

    def _iter_end(self) -> Iterator[Event]:
        yield from self._iter_begin()
        is_cut = self._finish_reason in ("length", "content_filter")
        status = "incomplete" if is_cut else "completed"
        yield from self._close_open(status)
        for call in self._calls.values():
            yield from call.close(status)
        if self._extras:
            yield from self._open_reasoning()
            yield from self._close_open("completed")
        output = [item.to_dict() for item in self._items]
        self.response = self._builder.ended(output, self._finish_reason, self._usage)
        yield {"type": f"response.{self.response['status']}", "response": self.response}


def _frame(event: Event) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), dumps_ascii(event))


def _as_chunk(completion: ChatCompletion) -> Chunk:
    """Return a completion as a chunk that says all of its first choice at once."""
    choice = completion["choices"][0]
    message = choice["message"]
    calls = message.get("tool_calls") or ()
    delta = {**message, "tool_calls": [{**call, "index": at} for at, call in enumerate(calls)]}
    whole: Any = {**completion, "choices": [{**choice, "index": 0, "delta": delta}]}
    chunk: Chunk = whole
    return chunk


def _read_logprobs(logprobs: Any) -> list[dict[str, Any]]:
    tokens = (logprobs or {}).get("content") or ()
    return [
        {
            **_with_bytes(token),
            "top_logprobs": [_with_bytes(other) for other in token.get("top_logprobs") or ()],
        }
        for token in tokens
    ]


def _with_bytes(token: Mapping[str, Any]) -> dict[str, Any]:
    """Return a token with its bytes, which OpenAI's types always have."""
    known = token.get("bytes")
    encoded = list(token["token"].encode("utf-8", "replace"))
    return {
        "token": token["token"],
        "bytes": encoded if known is None else known,
        "logprob": token["logprob"],
    }


def _flat(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat's citation, whose fields lie deeper, as that of an output text."""
    kind = annotation.get("type")
    inner = annotation.get(kind) if isinstance(kind, str) else None
    return {"type": kind, **inner} if isinstance(inner, dict) else dict(annotation)
