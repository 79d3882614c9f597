"""What every answer of Gemini's has in common, whole or a part of a stream.

Knows ``candidates`` and ``promptFeedback`` (recorded). Must not know chunks.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.gemini.answer import Answer
from gateway.providers.gemini.errors import build_told_error
from gateway.serialization import loads_lenient


def parse_object(data: bytes, answer: Answer) -> dict[str, Any]:
    """Return the object in ``data``; raises ``GatewayError`` for an error, or for what is none.

    A list of one object, as Google wraps errors in, is that object.
    """
    parsed = _parse_json(data, answer)
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]
    return _require_answer(parsed, answer)


def parse_objects(data: bytes, answer: Answer) -> list[dict[str, Any]]:
    """Return the objects of a whole body; raises as ``parse_object`` does.

    They may be a list, which is how Google streams without being asked for events (recorded).
    """
    parsed = _parse_json(data, answer)
    objects = parsed if isinstance(parsed, list) and parsed else [parsed]
    return [_require_answer(each, answer) for each in objects]


def _parse_json(data: bytes, answer: Answer) -> Any:
    try:
        return loads_lenient(data)
    except ValueError:
        raise UpstreamError(f"{answer.provider} sent an answer that is not JSON.") from None


def _require_answer(parsed: Any, answer: Answer) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise UpstreamError(f"{answer.provider} sent an answer that is not a JSON object.")
    if parsed.get("error") is not None:
        raise build_told_error(parsed["error"], answer.target)
    return parsed


def read_candidates(data: dict[str, Any], answer: Answer) -> list[tuple[int, dict[str, Any]]]:
    """Return the candidates with their indices; a missing one is 0."""
    candidates = data.get("candidates")
    if not candidates:
        return []
    if not isinstance(candidates, list):
        raise UpstreamError(f"{answer.provider} sent candidates that are no list.")
    found = []
    for candidate in candidates:
        index = candidate.get("index", 0) if isinstance(candidate, dict) else None
        if type(index) is not int:
            raise UpstreamError(f"{answer.provider} sent a candidate that can't be read.")
        found.append((index, candidate))
    return found


def read_block(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is told of a prompt that was blocked, None of any other."""
    feedback = data.get("promptFeedback")
    return feedback if isinstance(feedback, dict) and feedback.get("blockReason") else None
