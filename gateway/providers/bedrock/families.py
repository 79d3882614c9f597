"""What families of models behind Bedrock can do that Converse says in different ways.

Knows models' names, also within an inference profile's id or an ARN. What is not known
of a model is for Bedrock to judge. Must not know requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Reasoning = Literal["none", "budget", "adaptive", "nova", "effort"]
"""How effort is said: not at all, by Claude's budget of tokens or its adaptive thinking, by
Nova's ``reasoningConfig``, or by ``reasoning_effort`` as gpt-oss takes it."""

_CLAUDE = re.compile(
    r"claude-(?:(?P<line>[a-z]+)-)?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?![\d.])"
)
_NOVA = re.compile(r"nova-(?P<version>\d)-")
_ALWAYS_THINKING = ("fable", "mythos")


@dataclass(frozen=True)
class Family:
    """What is known of a model.

    ``native_schema``: it keeps to a schema by itself; else it is asked for a tool call.
    ``forced_tool``: a call can be demanded of it. ``closed_schema``: each object of a schema has
    to forbid further properties. ``sampling``: it takes temperature and top_p.
    ``may_not_think``: thinking can be turned off.
    """

    reasoning: Reasoning = "none"
    native_schema: bool = True
    forced_tool: bool = True
    closed_schema: bool = False
    sampling: bool = True
    may_not_think: bool = True


@lru_cache(maxsize=256)
def find_family(model: str) -> Family:
    """Return what is known of a model by its id or ARN."""
    name = model.lower()
    claude = _CLAUDE.search(name)
    if claude is not None:
        version = int(claude["major"]), int(claude["minor"] or 0)
        return _build_claude(claude["line"] or "", version)
    if "claude" in name:
        return Family(native_schema=False)
    if "nova-" in name:
        nova = _NOVA.search(name)
        return Family(reasoning="nova" if nova else "none", native_schema=False)
    if "gpt-oss" in name:
        return Family(reasoning="effort", may_not_think=False)
    return Family()


def _build_claude(line: str, version: tuple[int, int]) -> Family:
    """Return what Anthropic documents of a version of Claude, such as (4, 5)."""
    reasoning: Reasoning = "none"
    if version >= (4, 6):
        reasoning = "adaptive"
    elif version >= (3, 7):
        reasoning = "budget"
    is_newest_line = line in ("opus", "sonnet") and version >= (5, 5)
    return Family(
        reasoning=reasoning,
        native_schema=version >= (4, 5),
        forced_tool=not (is_newest_line or (line in _ALWAYS_THINKING and version >= (5, 1))),
        closed_schema=True,
        sampling=version < (4, 7),
        may_not_think=line not in _ALWAYS_THINKING,
    )
