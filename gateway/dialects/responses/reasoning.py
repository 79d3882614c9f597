"""Reasoning items: what a model told of its reasoning, and what it wants to see again.

A canonical message may have more than its text: signatures and encrypted reasoning that a
provider needs back in the next turn, in fields of the message or of its tool calls. They
travel to the client and back in the ``encrypted_content`` of a reasoning item. This is a
wrapping, not a secret: there is nothing in it that a client of chat completions isn't told.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from gateway.serialization import dumps, loads_strict

_ID_PREFIX = "rs_gw"
_CONTENT_PREFIX = "gw1."

_KEPT = ("thinking_blocks", "content_blocks", "reasoning_details", "extra_content")
"""What models need to see again, by the names that providers give it; other fields are notes."""


class Extras:
    """What a canonical message has beyond text and calls, gathered from its deltas."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.tool_calls: dict[str, dict[str, Any]] = {}
        """By the calls' ids."""

    def __bool__(self) -> bool:
        return bool(self.message or self.tool_calls)

    def add_message(self, delta: Mapping[str, Any]) -> None:
        """Take what else a delta, or a whole message, says."""
        _join(self.message, delta)

    def add_call(self, call_id: str, call: Mapping[str, Any]) -> None:
        """Take what else a tool call, or a part of it, says."""
        if not call.keys().isdisjoint(_KEPT):
            _join(self.tool_calls.setdefault(call_id, {}), call)

    def add(self, more: Extras) -> None:
        """Take what another one has."""
        self.add_message(more.message)
        for call_id, call in more.tool_calls.items():
            self.add_call(call_id, call)

    def pack(self) -> str:
        """Return it all as text."""
        data = dumps([self.message, self.tool_calls])
        return _CONTENT_PREFIX + base64.urlsafe_b64encode(data).decode("ascii")


def unpack(encrypted_content: Any) -> Extras | None:
    """Return what ``Extras.pack`` made a text of; None for any other text."""
    if not (isinstance(encrypted_content, str) and encrypted_content.startswith(_CONTENT_PREFIX)):
        return None
    try:
        message, tool_calls = loads_strict(
            base64.urlsafe_b64decode(encrypted_content.removeprefix(_CONTENT_PREFIX))
        )
        extras = Extras()
        extras.add_message(message)
        for call_id, call in tool_calls.items():
            extras.add_call(call_id, call)
    except (ValueError, TypeError, AttributeError):
        return None
    return extras


def new_item_id() -> str:
    """Return an id by which ``is_own_item`` knows the item again."""
    return _ID_PREFIX + secrets.token_hex(23)


def is_own_item(item: Any) -> bool:
    """Tell whether an item of an input is reasoning that the gateway wrote."""
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return False
    has_own_id = str(item.get("id")).startswith(_ID_PREFIX)
    return has_own_id or unpack(item.get("encrypted_content")) is not None


def _join(known: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add lists to lists; anything else replaces what was."""
    for name in _KEPT:
        value = more.get(name)
        if value:
            before: Any = known.get(name)
            is_more = isinstance(value, list) and isinstance(before, list)
            known[name] = before + value if is_more else value
