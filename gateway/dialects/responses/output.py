"""The items of an answer while they come: what is said becomes events, and items at the end.

Knows items and their events (openai-python 3.54, recorded). An event here is without its
``sequence_number``. Must not know in which order a model says things.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.responses.answer import new_id
from gateway.dialects.responses.reasoning import new_item_id

Event = dict[str, Any]
Status = str


class OutputItem(ABC):
    """One item of an answer."""

    def __init__(self, item_id: str, output_index: int) -> None:
        self.id = item_id
        self.output_index = output_index
        self.status = "in_progress"

    def open(self) -> Iterator[Event]:
        """Yield what says that it begins."""
        yield {
            "type": "response.output_item.added",
            "output_index": self.output_index,
            "item": self.to_dict(),
        }

    @abstractmethod
    def close(self, status: Status) -> Iterator[Event]:
        """Yield what says that it is complete, or ``incomplete``; once."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return it as it is now."""

    def _event(self, kind: str, **fields: Any) -> Event:
        place = {"item_id": self.id, "output_index": self.output_index}
        return {"type": f"response.{kind}", **place, **fields}

    def _done(self) -> Event:
        return {
            "type": "response.output_item.done",
            "output_index": self.output_index,
            "item": self.to_dict(),
        }


class MessageItem(OutputItem):
    """What the model says: parts of text, and of refusals."""

    def __init__(self, output_index: int) -> None:
        super().__init__(new_id("msg"), output_index)
        self._parts: list[dict[str, Any]] = []
        self._pieces: list[str] = []

    def add_text(self, text: str, logprobs: list[dict[str, Any]]) -> Iterator[Event]:
        """Yield the events of a piece of text; ``logprobs`` are those of its tokens."""
        yield from self._begin("output_text")
        self._pieces.append(text)
        self._parts[-1]["logprobs"] += logprobs
        yield self._part_event("output_text.delta", delta=text, logprobs=logprobs)

    def add_refusal(self, text: str) -> Iterator[Event]:
        """Yield the events of a piece of a refusal."""
        yield from self._begin("refusal")
        self._pieces.append(text)
        yield self._part_event("refusal.delta", delta=text)

    def add_annotation(self, annotation: dict[str, Any]) -> Iterator[Event]:
        """Yield the event of a citation in the text."""
        yield from self._begin("output_text")
        known = self._parts[-1]["annotations"]
        known.append(annotation)
        yield self._part_event(
            "output_text.annotation.added",
            annotation=annotation,
            annotation_index=len(known) - 1,
        )

    def close(self, status: Status) -> Iterator[Event]:
        yield from self._end_part()
        self.status = status
        yield self._done()

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": list(self._parts),
        }

    def _begin(self, kind: str) -> Iterator[Event]:
        """Yield what begins a part of this kind, unless that has begun."""
        if self._parts and self._parts[-1]["type"] == kind:
            return
        yield from self._end_part()
        part: dict[str, Any] = {"type": kind}
        part |= {"refusal": ""} if kind == "refusal" else {"text": "", "annotations": []}
        if kind == "output_text":
            part["logprobs"] = []
        self._parts.append(part)
        yield self._part_event("content_part.added", part={**part})

    def _end_part(self) -> Iterator[Event]:
        if not self._parts:
            return
        text, part = "".join(self._pieces), self._parts[-1]
        self._pieces = []
        if part["type"] == "refusal":
            part["refusal"] = text
            yield self._part_event("refusal.done", refusal=text)
        else:
            part["text"] = text
            yield self._part_event("output_text.done", text=text, logprobs=part["logprobs"])
        yield self._part_event("content_part.done", part=part)

    def _part_event(self, kind: str, **fields: Any) -> Event:
        return self._event(kind, content_index=len(self._parts) - 1, **fields)


class ReasoningItem(OutputItem):
    """What the model tells of its reasoning, as one summary, and what it wants to see again."""

    def __init__(self, output_index: int) -> None:
        super().__init__(new_item_id(), output_index)
        self.encrypted_content: str | None = None
        self._pieces: list[str] = []
        self._summary: list[dict[str, Any]] = []

    def add_text(self, text: str) -> Iterator[Event]:
        """Yield the events of a piece of reasoning."""
        if not self._pieces:
            part = {"type": "summary_text", "text": ""}
            yield self._event("reasoning_summary_part.added", summary_index=0, part=part)
        self._pieces.append(text)
        yield self._event("reasoning_summary_text.delta", summary_index=0, delta=text)

    def close(self, status: Status) -> Iterator[Event]:
        if self._pieces:
            text = "".join(self._pieces)
            part = {"type": "summary_text", "text": text}
            self._summary = [part]
            yield self._event("reasoning_summary_text.done", summary_index=0, text=text)
            yield self._event("reasoning_summary_part.done", summary_index=0, part=part)
        yield self._done()

    def to_dict(self) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self.id, "type": "reasoning", "summary": self._summary}
        if self.encrypted_content is not None:
            item["encrypted_content"] = self.encrypted_content
        return item


class CallItem(OutputItem):
    """A call of a function, or of a custom tool, perhaps one of a ``namespace``.

    ``call_id`` is what its result refers to.
    """

    def __init__(
        self,
        output_index: int,
        call_id: str,
        name: str,
        *,
        is_custom: bool,
        namespace: str | None = None,
    ) -> None:
        super().__init__(new_id("ctc" if is_custom else "fc"), output_index)
        self.call_id = call_id
        self._name = name
        self._place = {} if namespace is None else {"namespace": namespace}
        self._is_custom = is_custom
        self._argument = "input" if is_custom else "arguments"
        self._event_name = "custom_tool_call_input" if is_custom else "function_call_arguments"
        self._pieces: list[str] = []

    def add(self, piece: str) -> Iterator[Event]:
        """Yield the event of a piece of the arguments."""
        self._pieces.append(piece)
        yield self._event(f"{self._event_name}.delta", delta=piece)

    def close(self, status: Status) -> Iterator[Event]:
        self.status = status
        whole: Mapping[str, Any] = {self._argument: "".join(self._pieces)}
        if not self._is_custom:
            whole = {"name": self._name, **whole}
        yield self._event(f"{self._event_name}.done", **whole)
        yield self._done()

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "custom_tool_call" if self._is_custom else "function_call",
            "status": self.status,
            "call_id": self.call_id,
            "name": self._name,
            **self._place,
            self._argument: "".join(self._pieces),
        }
