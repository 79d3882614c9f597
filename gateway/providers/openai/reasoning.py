"""What a model thought, wherever an upstream tells it, as ``reasoning_content``.

Knows the fields ``reasoning`` and ``reasoning_details``, content that is a list of
parts (Mistral), and ``<think>…</think>`` before the answer. Must not know streams.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

logger = logging.getLogger("gateway.providers.openai")

_OPEN = "<think>"
_CLOSE = "</think>"


def move_reasoning(message: dict[str, Any]) -> bool:
    """Put a message's or delta's reasoning in ``reasoning_content``; tells whether that changed it.

    ``reasoning_details`` stay what they are: they have to come back in the next turn.
    """
    is_changed = False
    told = message.get("reasoning_content")
    if told is not None and not isinstance(told, str):
        del message["reasoning_content"]
        is_changed = True
    content = message.get("content")
    if isinstance(content, list):
        message["content"], thought = _split_parts(content)
        _add(message, thought)
        is_changed = True
    elif content is not None and not isinstance(content, str):
        message["content"] = None
        is_changed = True
    other = message.get("reasoning")
    if other is not None and not isinstance(other, str):
        del message["reasoning"]
        other = None
        is_changed = True
    if message.get("reasoning_content"):
        if other != message["reasoning_content"]:
            return is_changed
        del message["reasoning"]
        return True
    if isinstance(other, str) and other:
        message["reasoning_content"] = message.pop("reasoning")
        return True
    thought = _join_details(message.get("reasoning_details"))
    _add(message, thought)
    return is_changed or bool(thought)


def _split_parts(parts: Iterable[Any]) -> tuple[str, str]:
    """Return (text, thought) of content that is a list of parts; others are logged once."""
    text: list[str] = []
    thought: list[str] = []
    for part in parts:
        if isinstance(part, str):
            text.append(part)
            continue
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "thinking":
            inner = part.get("thinking")
            thought.append(_join_thought(inner))
        elif isinstance(kind, str) and isinstance(part.get("text"), str):
            text.append(part["text"])
        else:
            _log_unknown(str(kind)[:64])
    return "".join(text), "".join(thought)


def split_think(text: str) -> tuple[str, str]:
    """Return (text, thought) of a whole text that may begin with ``<think>``."""
    splitter = ThinkSplitter()
    first, first_thought = splitter.feed(text)
    rest, rest_thought = splitter.flush()
    return first + rest, first_thought + rest_thought


class ThinkSplitter:
    """Takes ``<think>…</think>`` off the beginning of a text that comes in pieces.

    ``is_past`` tells that no later piece can change. A piece that may be the
    beginning of a tag is kept back until it is known.
    """

    def __init__(self) -> None:
        self.is_past = False
        self._is_inside = False
        self._is_after = False
        self._kept = ""

    def feed(self, piece: str) -> tuple[str, str]:
        """Return (text, thought) that are certain with this piece."""
        if self.is_past or not piece:
            return piece, ""
        piece, self._kept = self._kept + piece, ""
        if self._is_inside:
            return self._feed_inside(piece)
        start = piece.lstrip()
        if self._is_after or not start:
            self.is_past = bool(start) and self._is_after
            return (start, "") if self._is_after else (piece, "")
        if start.startswith(_OPEN):
            self._is_inside = True
            return self._feed_inside(start[len(_OPEN) :].lstrip("\n"))
        if _OPEN.startswith(start):
            self._kept = piece
            return "", ""
        self.is_past = True
        return piece, ""

    def flush(self) -> tuple[str, str]:
        """Return (text, thought) of what was kept back, at the end of the text."""
        kept, self._kept = self._kept, ""
        return ("", kept) if self._is_inside else (kept, "")

    def _feed_inside(self, piece: str) -> tuple[str, str]:
        thought, tag, text = piece.partition(_CLOSE)
        if tag:
            self._is_inside, self._is_after = False, True
            text, _ = self.feed(text)
            return text, thought
        most = min(len(_CLOSE) - 1, len(piece))
        kept = next((n for n in range(most, 0, -1) if _CLOSE.startswith(piece[-n:])), 0)
        self._kept = piece[len(piece) - kept :]
        return "", piece[: len(piece) - kept]


def _join_thought(inner: Any) -> str:
    if isinstance(inner, list):
        return _split_parts(inner)[0]
    return inner if isinstance(inner, str) else ""


def _add(message: dict[str, Any], thought: str) -> None:
    if thought:
        message["reasoning_content"] = (message.get("reasoning_content") or "") + thought


def _join_details(details: Any) -> str:
    if not isinstance(details, list):
        return ""
    texts = (
        detail.get("text") or detail.get("summary")
        for detail in details
        if isinstance(detail, dict)
    )
    return "".join(text for text in texts if isinstance(text, str))


@lru_cache(100)
def _log_unknown(kind: str) -> None:
    logger.warning("a provider's answer has a part of unknown type %r, which is left out", kind)
