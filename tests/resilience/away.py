"""Shared state that can be away."""

from __future__ import annotations

from typing import TypeVar

from gateway.state import LocalState, StateUnavailableError
from gateway.state.base import Change

_Result = TypeVar("_Result")


class AwayState(LocalState):
    """State in a file that fails while ``is_away``; with ``loses_answers``, after the change."""

    is_away = False
    loses_answers = False

    def get(self, key: str) -> bytes | None:
        if self.is_away:
            raise StateUnavailableError("The state is away")
        return super().get(key)

    def update(self, key: str, change: Change[_Result], lifetime: float) -> _Result:
        if self.is_away:
            raise StateUnavailableError("The state is away")
        result = super().update(key, change, lifetime)
        if self.loses_answers:
            raise StateUnavailableError("The answer is lost")
        return result
