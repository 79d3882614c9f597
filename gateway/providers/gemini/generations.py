"""Which generation a model is of, by its name: that decides how its thinking is steered.

Knows how Google names its models. Must not know requests.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_NUMBERED = re.compile(r"gemini-(\d+)(?:[.-](\d+))?(?!\d)")
_NEWEST = (3, 0)


class Generation(NamedTuple):
    """A model's generation, and which of the lines in it that matter here.

    A name without a number ("gemini-flash-latest", a tuned model) counts as one of
    the newest, whose ways later ones share.
    """

    number: tuple[int, int]
    is_pro: bool

    @property
    def thinks(self) -> bool:
        """Whether there are models of it that think; those before 2.5 don't."""
        return self.number >= (2, 5)

    @property
    def has_levels(self) -> bool:
        """Whether thinking is set by level (3 and later), not by a budget of tokens."""
        return self.number >= _NEWEST


@lru_cache(maxsize=256)
def generation_of(model: str) -> Generation:
    """Return the generation of the model of this name."""
    found = _NUMBERED.search(model)
    number = _NEWEST
    if found is not None:
        minor = found[2] or "0"
        # "gemini-2.0-flash-001" has a minor number, "gemini-3-flash" none.
        number = (int(found[1]), int(minor) if len(minor) < 3 else 0)
    return Generation(number, is_pro="-pro" in model)
