"""A tool call's arguments, which OpenAI tells as text, as the object that other APIs demand.

Must not know any provider's format.
"""

from __future__ import annotations

from typing import Any

from gateway.serialization import loads_strict


def parse_arguments(arguments: str) -> dict[str, Any]:
    """Return a call's arguments as an object.

    OpenAI never refuses what a model once wrote, so text that is no JSON object
    is kept whole under ``_raw``.
    """
    if not arguments.strip():
        return {}
    try:
        parsed = loads_strict(arguments.encode())
    except ValueError:
        return {"_raw": arguments}
    return parsed if isinstance(parsed, dict) else {"_raw": arguments}
