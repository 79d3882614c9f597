"""What Anthropic's models take, by their names.

Knows which generation accepts which parameter (Anthropic's documentation of its models, and the
sources of clients where that says nothing). Must not know requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

Thinking = Literal["adaptive", "budget", "none"]
Sampling = Literal["free", "one", "without_thinking", "none"]


@dataclass(frozen=True)
class Family:
    """The abilities of a model.

    ``thinking``: ``adaptive`` models choose how much, ``budget`` models are given a number of
    tokens. ``may_disable``: ``thinking: disabled`` is accepted. ``efforts`` are the levels of
    ``output_config.effort``, from low to high. ``sampling``: with ``one``, either
    ``temperature`` or ``top_p``. ``prefill``: the last message may be the assistant's.
    ``late_system``: system messages may stand between others. ``binds_thinking``: thinking holds
    only with all that was before it. ``max_output`` is in tokens.
    """

    thinking: Thinking
    thinks_by_default: bool = False
    may_disable: bool = True
    efforts: tuple[str, ...] = ()
    sampling: Sampling = "none"
    forced_tool: bool = True
    prefill: bool = False
    json_schema: bool = True
    late_system: bool = False
    binds_thinking: bool = False
    max_output: int = 128_000


_UP_TO_MAX = ("low", "medium", "high", "max")
_ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")

_NEWEST = Family(
    "adaptive",
    thinks_by_default=True,
    may_disable=False,
    efforts=_ALL_EFFORTS,
    forced_tool=False,
    late_system=True,
    binds_thinking=True,
)
_ADAPTIVE_ALWAYS = replace(_NEWEST, forced_tool=True, binds_thinking=False)
_ADAPTIVE_ON = replace(_ADAPTIVE_ALWAYS, may_disable=True)
_ADAPTIVE_OFF = replace(_ADAPTIVE_ON, thinks_by_default=False)
_4_6 = replace(_ADAPTIVE_OFF, efforts=_UP_TO_MAX, sampling="without_thinking", late_system=False)
_4_5 = Family("budget", sampling="one", prefill=True, max_output=64_000)
_4_0 = replace(_4_5, sampling="free", json_schema=False)
_WITHOUT_THINKING = replace(_4_0, thinking="none", max_output=4096)

OTHER = replace(_4_0, max_output=8192)
"""A model that is not Anthropic's: what other servers of this API take."""

_LINES = "opus|sonnet|haiku|fable|mythos"
_NAMES = (
    re.compile(rf"claude-(?P<line>{_LINES})-(?P<major>\d+)(?:[-.](?P<minor>\d{{1,2}}))?(?!\d)"),
    re.compile(rf"claude-(?P<major>\d+)(?:[-.](?P<minor>\d{{1,2}}))?-(?P<line>{_LINES})"),
    re.compile(r"claude-(?P<line>instant)-(?P<major>\d+)(?:\.(?P<minor>\d+))?"),
    re.compile(r"claude-(?P<line>)(?P<major>\d+)(?:\.(?P<minor>\d+))?"),
)


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """Return the family of a model; one that is newer than all known is like the newest."""
    for pattern in _NAMES:
        found = pattern.search(model)
        if found is not None:
            version = (int(found["major"]), int(found["minor"] or 0))
            return _choose(found["line"], version)
    return _NEWEST if "claude-" in model else OTHER


def _choose(line: str, version: tuple[int, int]) -> Family:
    if line in ("fable", "mythos"):
        return _ADAPTIVE_ALWAYS if version == (5, 0) else _NEWEST
    if version > (5, 0):
        return replace(_NEWEST, forced_tool=line == "haiku")
    if version == (5, 0):
        return replace(_ADAPTIVE_ON, late_system=line == "opus")
    if version >= (4, 7):
        return replace(_ADAPTIVE_OFF, late_system=version >= (4, 8))
    if version == (4, 6):
        return _4_6
    if version == (4, 5):
        efforts = ("low", "medium", "high") if line == "opus" else ()
        return replace(_4_5, efforts=efforts)
    if version >= (4, 0):
        family = replace(_4_0, max_output=32_000) if line == "opus" else _4_0
        return replace(family, sampling="one") if version == (4, 1) else family
    if version == (3, 7):
        return _4_0
    return replace(_WITHOUT_THINKING, max_output=8192) if version == (3, 5) else _WITHOUT_THINKING
