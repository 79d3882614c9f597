"""A tool call's arguments, which are text in the canonical form, as the object some APIs have.

Must not know any one of these APIs.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.serialization import JSONDecodeError, loads_strict


def read_arguments(name: str, arguments: str) -> dict[str, Any]:
    """Return the arguments of a call of ``name``; raises ``UpstreamError`` where they are none."""
    try:
        parsed = loads_strict(arguments.encode("utf-8", "replace")) if arguments.strip() else {}
    except JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise UpstreamError(f"The model called {name!r} with arguments that are no JSON object.")
    return parsed
