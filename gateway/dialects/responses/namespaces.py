"""Tools grouped under a namespace, as the flat tools of a chat, and the names of their calls.

Knows ``namespace`` tools and the ``namespace`` of a call (openai-python 3.54). Must not know
what is done with a tool.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.validation.fields import require_name, wrong_type

MAX_NAME = 64
"""Longest name of a function in a chat; a longer one ends with a digest of itself."""

_BETWEEN = "__"
_DIGEST = 8


def iter_flat(tools: list[Any]) -> Iterator[tuple[Any, str]]:
    """Yield each tool with its path; those of a namespace one by one, under their joined names.

    Raises ``InvalidRequestError`` for a namespace that is none.
    """
    for position, tool in enumerate(tools):
        path = f"tools[{position}]"
        if not (isinstance(tool, dict) and tool.get("type") == "namespace"):
            yield tool, path
            continue
        namespace = require_name(tool, "name", f"{path}.name")
        inner = tool.get("tools")
        if not isinstance(inner, list):
            raise wrong_type(f"{path}.tools", "an array of tools", inner)
        for place, each in enumerate(inner):
            where = f"{path}.tools[{place}]"
            if not isinstance(each, dict):
                raise wrong_type(where, "an object", each)
            name = join_name(namespace, require_name(each, "name", f"{where}.name"))
            description = each.get("description") or tool.get("description")
            yield {**each, "name": name, "description": description}, where


def join_name(namespace: Any, name: str) -> str:
    """Return the name of a chat's function for one of a namespace, itself without one."""
    if not isinstance(namespace, str) or not namespace:
        return name
    joined = f"{namespace}{_BETWEEN}{name}"
    if len(joined) <= MAX_NAME:
        return joined
    digest = hashlib.sha256(joined.encode("utf-8", "replace")).hexdigest()[:_DIGEST]
    return f"{joined[: MAX_NAME - _DIGEST - 1]}_{digest}"


def read_names(tools: Any) -> dict[str, tuple[str, str]]:
    """Return (namespace, name) of each tool in a namespace, by its joined name."""
    return {
        join_name(tool["name"], each["name"]): (tool["name"], each["name"])
        for tool in tools or ()
        if isinstance(tool, Mapping) and tool.get("type") == "namespace"
        for each in tool["tools"]
    }
