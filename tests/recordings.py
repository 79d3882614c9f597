"""Answers recorded from real upstreams, read from ``tests/fixtures/<provider>/<name>.json``.

Knows the files' shape: ``{request, status, headers, chunks}``, where ``chunks``
are the pieces of the body in the order they came; with ``encoding: base64`` they are binary.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Recording:
    """One recorded exchange: what was asked (parsed) and what was answered (bytes)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request: Mapping[str, Any]
    pieces: tuple[bytes, ...]
    """The body as it came, piece by piece."""


def load(provider: str, name: str) -> Recording:
    """Load a recording of ``provider``; raises ``FileNotFoundError`` if there is none."""
    recorded = json.loads((FIXTURES / provider / f"{name}.json").read_text(encoding="utf-8"))
    pieces = tuple(_decode(chunk, recorded.get("encoding")) for chunk in recorded["chunks"])
    return Recording(
        status=recorded["status"],
        headers=recorded["headers"],
        body=b"".join(pieces),
        request=recorded["request"],
        pieces=pieces,
    )


def _decode(chunk: str, encoding: str | None) -> bytes:
    return base64.b64decode(chunk) if encoding == "base64" else chunk.encode("utf-8")


def names(provider: str, prefix: str = "") -> list[str]:
    """Return the names of ``provider``'s recordings that begin with ``prefix``, sorted."""
    return sorted(path.stem for path in (FIXTURES / provider).glob(f"{prefix}*.json"))
