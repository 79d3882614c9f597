"""Tool calls in OpenAI's form: numbered as they come, each with an id of its own.

Knows how upstreams depart from it: no ids or empty ones, one id or index for
several calls, a new id with each piece of one, ``index: -1``, arguments as objects or
none at all, a name told again and again, or after the arguments have begun.
"""

from __future__ import annotations

import secrets
from typing import Any

from gateway.errors import UpstreamError
from gateway.serialization import dumps_ascii, loads_lenient

_NO_ARGUMENTS = "{}"
_WRONG = "The provider's answer has tool calls that are not objects."


def complete_calls(calls: Any) -> bool:
    """Complete the tool calls of a whole message in place; tells whether that changed them."""
    if not isinstance(calls, list):
        raise UpstreamError(_WRONG)
    is_changed = False
    ids: set[str] = set()
    for call in calls:
        is_changed |= _complete_call(call, ids)
        function = call.get("function")
        if isinstance(function, dict) and not function.get("arguments"):
            function["arguments"] = _NO_ARGUMENTS
            is_changed = True
    return is_changed


class CallNumbering:
    """The tool calls of one choice of a stream, as their pieces come."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._told = 0
        self._latest: dict[Any, _Call] = {}  # by the upstream's index
        self._ids: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def take(self, pieces: Any) -> bool:
        """Complete the pieces of one delta in place; tells whether that changed them.

        Pieces of a call without a name are kept until it has one: many clients read it in
        the first piece only.
        """
        if not (isinstance(pieces, list) and all(isinstance(piece, dict) for piece in pieces)):
            raise UpstreamError(_WRONG)
        is_changed = False
        told = []
        for piece in pieces:
            is_changed |= self._take_piece(piece)
            if "index" in piece:
                told.append(piece)
        if len(told) != len(pieces):
            pieces[:] = told
        return is_changed

    def finish(self, delta: dict[str, Any], *, is_whole: bool) -> bool:
        """Tell in a choice's last delta what was kept; tells whether that changed it.

        ``is_whole``: it was not cut. Calls without arguments get empty ones then, for clients
        parse them.
        """
        kept = [call for call in self._calls if call.number is None]
        for call in kept:
            call.number = self._told
            self._told += 1
            delta["tool_calls"] = [*(delta.get("tool_calls") or ()), call.build()]
        return (is_whole and self._complete(delta)) or bool(kept)

    def _complete(self, delta: dict[str, Any]) -> bool:
        bare = [call for call in self._calls if call.lacks_arguments]
        for call in bare:
            call.arguments.append(_NO_ARGUMENTS)
            pieces = [piece for piece in delta.get("tool_calls") or () if call.is_told_by(piece)]
            if pieces:
                pieces[-1]["function"]["arguments"] = _NO_ARGUMENTS
                continue
            piece = {"index": call.number, "function": {"arguments": _NO_ARGUMENTS}}
            delta["tool_calls"] = [*(delta.get("tool_calls") or ()), piece]
        return bool(bare)

    def _take_piece(self, piece: dict[str, Any]) -> bool:
        """Complete a piece; one without an ``index`` then is not to be told yet."""
        told = piece.get("index")
        if type(told) is not int or told < 0:
            told = None
        call = self._latest.get(told) if told is not None else self._find_unnumbered(piece)
        if call is None or call.is_followed_by(piece):
            told_id = piece.get("id")
            is_changed = _complete_call(piece, self._ids)
            call = _Call(told_id, piece)
            self._calls.append(call)
        else:
            is_changed = call.continue_with(piece)
        self._latest[told] = self._latest[None] = call
        call.arguments.append(_function(piece).get("arguments") or "")
        if call.number is None:
            if not call.has_name:
                piece.pop("index", None)
                return True
            call.number = self._told
            self._told += 1
            if len(call.arguments) > 1:  # its name comes late
                piece |= call.build()
                is_changed = True
        if told != call.number:
            piece["index"] = call.number
            is_changed = True
        return is_changed

    def _find_unnumbered(self, piece: dict[str, Any]) -> _Call | None:
        same = [call for call in self._calls if piece.get("id") and call.told_id == piece["id"]]
        return same[-1] if same else self._latest.get(None)


class _Call:
    """One call: its number once it was told, and what is known of it.

    ``told_id`` is the upstream's.
    """

    def __init__(self, told_id: Any, begin: dict[str, Any]) -> None:
        self.number: int | None = None
        self.told_id = told_id
        self._more = {each: begin[each] for each in begin if each not in ("index", "function")}
        self.is_function = begin["type"] == "function"
        self.name = _function(begin).get("name", "")
        self.arguments: list[str] = []

    @property
    def has_name(self) -> bool:
        return bool(self.name) or not self.is_function

    def build(self) -> dict[str, Any]:
        """Return all that is known of a function's call, as one piece."""
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"index": self.number, **self._more, "function": function}

    @property
    def lacks_arguments(self) -> bool:
        return self.is_function and not any(self.arguments)

    def is_told_by(self, piece: dict[str, Any]) -> bool:
        """Tell whether a completed piece is one of this call's."""
        return piece["index"] == self.number and isinstance(piece.get("function"), dict)

    def is_followed_by(self, piece: dict[str, Any]) -> bool:
        """Tell whether a piece with this call's index begins another call."""
        told_id, name = piece.get("id"), _function(piece).get("name")
        if told_id and self.told_id:
            goes_on = not name and self.name and not self._is_complete()
            return bool(told_id != self.told_id and not goes_on)
        return bool(name and self.name) and (name != self.name or self._is_complete())

    def continue_with(self, piece: dict[str, Any]) -> bool:
        """Leave only what is new in a later piece; tells whether that changed it."""
        is_changed = False
        for name in ("id", "type"):
            if name in piece:
                del piece[name]
                is_changed = True
        function = piece.get("function")
        if isinstance(function, dict):
            if not self.name and isinstance(function.get("name"), str):
                self.name = function["name"]
            elif "name" in function:
                del function["name"]
                is_changed = True
            is_changed |= write_arguments(function)
        elif function is not None:
            del piece["function"]
            is_changed = True
        return is_changed

    def _is_complete(self) -> bool:
        try:
            return isinstance(loads_lenient("".join(self.arguments)), dict)
        except ValueError:
            return False


def _complete_call(call: Any, ids: set[str]) -> bool:
    """Complete the beginning of a call in place; tells whether that changed it."""
    if not isinstance(call, dict):
        raise UpstreamError(_WRONG)
    is_changed = False
    told = call.get("id")
    if not isinstance(told, str) or not told or told in ids:
        call["id"] = f"call_{secrets.token_hex(12)}"
        is_changed = True
    ids.add(call["id"])
    if call.get("type") not in ("function", "custom"):
        call["type"] = "function"
        is_changed = True
    if call["type"] == "custom":
        return is_changed
    if not isinstance(call.get("function"), dict):
        call["function"] = {"name": "", "arguments": ""}
        return True
    function = call["function"]
    if not isinstance(function.get("name"), str):
        function["name"] = ""
        is_changed = True
    return write_arguments(function) or is_changed


def write_arguments(function: dict[str, Any]) -> bool:
    """Write arguments as text; tells whether they were not."""
    arguments = function.get("arguments")
    if isinstance(arguments, str) or "arguments" not in function:
        return False
    function["arguments"] = "" if arguments is None else dumps_ascii(arguments).decode("ascii")
    return True


def _function(piece: dict[str, Any]) -> dict[str, Any]:
    function = piece.get("function")
    return function if isinstance(function, dict) else {}
