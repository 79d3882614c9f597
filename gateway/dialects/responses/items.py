"""Items of an input as canonical messages.

Knows the items' types (openai-python 3.54) and how a chat orders them: one message for
all that an assistant said and called in a turn, and the results right after it. Must
not know the request around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.responses.namespaces import join_name
from gateway.dialects.responses.parts import read_content, read_output
from gateway.dialects.responses.reasoning import Extras, unpack
from gateway.validation.fields import (
    listed,
    require_name,
    require_string,
    wrong_type,
    wrong_value,
)

_ROLES = ("user", "assistant", "system", "developer")
_CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
"""Type of an item to that of a canonical tool call, and where its argument is in both."""

_OUTPUTS = ("function_call_output", "custom_tool_call_output")


class ItemReader:
    """Reads items into ``messages``, and notes what a chat can't say.

    ``untranslated`` is what may get lost, ``native_only`` what may not, as paths.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.untranslated: list[str] = []
        self.native_only: list[str] = []
        self._assistant: dict[str, Any] | None = None
        self._extras = Extras()
        self._outputs: dict[str, list[list[dict[str, Any]]]] = {}

    def read(self, items: list[Any]) -> None:
        """Read all items; raises ``InvalidRequestError`` with the path of what is wrong."""
        for position, item in enumerate(items):
            if isinstance(item, dict) and item.get("type") in _OUTPUTS:
                self._note_output(item, f"input[{position}]")
        for position, item in enumerate(items):
            self._read_item(item, f"input[{position}]")
        self._end_turn()
        for outputs in self._outputs.values():
            for messages in outputs:  # of calls that there are none of: for the provider to judge
                self.messages += messages

    def _read_item(self, item: Any, path: str) -> None:
        if not isinstance(item, dict):
            raise wrong_type(path, "an object", item)
        kind = item.get("type")
        if kind == "message" or (kind is None and "role" in item):
            self._read_message(item, path)
        elif kind in _CALLS:
            self._read_call(item, kind, path)
        elif kind == "reasoning":
            self._read_reasoning(item, path)
        elif kind in _OUTPUTS:
            self._read_output(item)
        else:
            require_name(item, "type", f"{path}.type")
            self.native_only.append(path)

    def _read_message(self, item: Mapping[str, Any], path: str) -> None:
        role = require_name(item, "role", f"{path}.role")
        if role not in _ROLES:
            raise wrong_value(f"{path}.role", f"`{path}.role` must be one of {listed(_ROLES)}.")
        content = read_content(item.get("content"), role, f"{path}.content", self.native_only)
        if role == "assistant":
            self._add_said(content)
            return
        self._end_turn()
        if content:
            self.messages.append({"role": role, "content": _simplified(content)})

    def _add_said(self, content: list[dict[str, Any]]) -> None:
        turn = self._turn()
        for name, kind in (("content", "text"), ("refusal", "refusal")):
            text = "".join(part[kind] for part in content if part["type"] == kind)
            if text:
                turn[name] = f"{turn[name]}\n{text}" if turn.get(name) else text

    def _read_call(self, item: Mapping[str, Any], kind: str, path: str) -> None:
        own_kind, argument = _CALLS[kind]
        name = require_name(item, "name", f"{path}.name")
        call = {
            "id": require_name(item, "call_id", f"{path}.call_id"),
            "type": own_kind,
            own_kind: {
                "name": join_name(item.get("namespace"), name),
                argument: require_string(item, argument, f"{path}.{argument}"),
            },
        }
        self._turn().setdefault("tool_calls", []).append(call)

    def _read_reasoning(self, item: Mapping[str, Any], path: str) -> None:
        told = [*(item.get("summary") or ()), *(item.get("content") or ())]
        texts = [part["text"] for part in told if isinstance(part, dict) and part.get("text")]
        turn = self._turn()
        if texts:
            turn["reasoning_content"] = "\n\n".join(
                [*filter(None, [turn.get("reasoning_content")]), *map(str, texts)]
            )
        encrypted = item.get("encrypted_content")
        extras = unpack(encrypted)
        if extras is not None:
            self._extras.add(extras)
        elif encrypted:
            self.untranslated.append(f"{path}.encrypted_content")

    def _read_output(self, item: Mapping[str, Any]) -> None:
        """End the turn whose call this is the result of, which was noted already."""
        calls = (self._assistant or {}).get("tool_calls", ())
        if any(call["id"] == item["call_id"] for call in calls):
            self._end_turn()

    def _note_output(self, item: Mapping[str, Any], path: str) -> None:
        call_id = require_name(item, "call_id", f"{path}.call_id")
        messages = read_output(call_id, item.get("output"), f"{path}.output", self.native_only)
        self._outputs.setdefault(call_id, []).append(messages)

    def _turn(self) -> dict[str, Any]:
        if self._assistant is None:
            self._assistant = {"role": "assistant", "content": None}
        return self._assistant

    def _end_turn(self) -> None:
        """Add the assistant's message, and after it the results of its calls."""
        turn, self._assistant = self._assistant, None
        extras, self._extras = self._extras, Extras()
        if turn is None:
            return
        turn |= extras.message
        for call in turn.get("tool_calls", ()):
            call |= extras.tool_calls.get(call["id"], {})
        if len(turn) == 2 and turn["content"] is None:
            return  # reasoning of which nothing can be read
        if not turn.keys() & {"tool_calls", "refusal"}:
            turn["content"] = turn["content"] or ""
        self.messages.append(turn)
        shown: list[dict[str, Any]] = []
        for call in turn.get("tool_calls", ()):
            outputs = self._outputs.get(call["id"])
            if outputs:
                result, *more = outputs.pop(0)
                self.messages.append(result)
                shown += more
        self.messages += shown


def _simplified(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return a single text as such, which every provider takes."""
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        text: str = content[0]["text"]
        return text
    return content
