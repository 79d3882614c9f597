"""The items that led to a stored response, as a list that is read in pages.

Knows what an item has in a list that its client may leave out in an input (openai-python
3.54): an id, a status, content in parts. Must not know where responses are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gateway.serialization import dumps
from gateway.validation.fields import wrong_value

DEFAULT_LIMIT = 20
MAX_LIMIT = 100

_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}
"""What ids begin with, by the item's type."""

_OUTPUTS = ("function_call_output", "custom_tool_call_output")

_TEXTS = ("text", "input_text", "output_text")

_DEFAULTS: dict[str, dict[str, Any]] = {
    "input_image": {"detail": "auto"},
    "output_text": {"annotations": []},
    "reasoning": {"summary": []},
}
"""Fields of items and parts that have to be there."""


def list_input_items(items: list[Any], query: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of ``items`` as OpenAI's list.

    ``query`` has the request's ``after``, ``limit`` and ``order``: as in OpenAI's API the last
    item comes first unless ``order`` is ``asc``. Raises ``InvalidRequestError``.
    """
    limit, is_ascending = _read_limit(query.get("limit")), _is_ascending(query.get("order"))
    shown = [
        _complete_item(item, position)
        for position, item in enumerate(items)
        if isinstance(item, dict)
    ]
    if not is_ascending:
        shown.reverse()
    begin = _find_start(shown, query.get("after"))
    page = shown[begin : begin + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0].get("id") if page else None,
        "last_id": page[-1].get("id") if page else None,
        "has_more": begin + limit < len(shown),
    }


def _read_limit(given: str | None) -> int:
    if given is None:
        return DEFAULT_LIMIT
    is_number = given.isascii() and given.isdigit() and len(given) <= len(str(MAX_LIMIT))
    if not (is_number and 1 <= int(given) <= MAX_LIMIT):
        raise wrong_value("limit", f"`limit` must be a whole number from 1 to {MAX_LIMIT}.")
    return int(given)


def _is_ascending(given: str | None) -> bool:
    if given not in (None, "asc", "desc"):
        raise wrong_value("order", '`order` must be "asc" or "desc".')
    return given == "asc"


def _find_start(shown: list[dict[str, Any]], after: str | None) -> int:
    if after is None:
        return 0
    for position, item in enumerate(shown):
        if item.get("id") == after:
            return position + 1
    raise wrong_value("after", "`after` must be the id of one of the items of this response.")


def _complete_item(item: Mapping[str, Any], position: int) -> dict[str, Any]:
    """Return an item as lists show it; one of a type that is not known here only gets an id."""
    kind = item.get("type") or "message"
    if kind == "item_reference":
        return dict(item)
    completed = {"id": _make_id(item, kind, position), "type": kind, **_DEFAULTS.get(kind, {})}
    if kind in _PREFIXES and kind != "reasoning":
        completed["status"] = "completed"
    completed |= {name: value for name, value in item.items() if value is not None}
    if kind == "message":
        completed["content"] = _build_parts(item.get("content"), item.get("role"))
    elif kind in _OUTPUTS and isinstance(item.get("output"), list):
        completed["output"] = _build_parts(item["output"], "user")
    return completed


def _make_id(item: Mapping[str, Any], kind: str, position: int) -> str:
    """Return an id for an item that came without: the same whenever it is asked for."""
    digest = hashlib.sha256(b"%d:%b" % (position, dumps(item))).hexdigest()
    return f"{_PREFIXES.get(kind, 'item')}_{digest[:48]}"


def _build_parts(content: Any, role: Any) -> list[Any]:
    text = "output_text" if role == "assistant" else "input_text"
    if isinstance(content, str):
        content = [{"type": text, "text": content}]
    if not isinstance(content, list):
        return []
    parts = []
    for part in content:
        if isinstance(part, dict):
            kind = text if part.get("type") in _TEXTS else str(part.get("type"))
            part = {**_DEFAULTS.get(kind, {}), **part, "type": kind}
        parts.append(part)
    return parts
