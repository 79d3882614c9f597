"""Log probabilities in OpenAI's terms. Knows Gemini's ``logprobsResult`` (google-genai 3.6)."""

from __future__ import annotations

from typing import Any


def build_logprobs(result: Any) -> dict[str, Any] | None:
    """Return OpenAI's ``logprobs`` of a choice, None where nothing is told."""
    if not isinstance(result, dict):
        return None
    chosen = result.get("chosenCandidates")
    tops = result.get("topCandidates")
    if not isinstance(chosen, list):
        return None
    content = []
    for position, candidate in enumerate(chosen):
        entry = _build_entry(candidate)
        if entry is not None:
            entry["top_logprobs"] = _build_top(tops, position)
            content.append(entry)
    return {"content": content, "refusal": None}


def _build_top(tops: Any, position: int) -> list[dict[str, Any]]:
    if not isinstance(tops, list) or position >= len(tops) or not isinstance(tops[position], dict):
        return []
    candidates = tops[position].get("candidates")
    entries = map(_build_entry, candidates if isinstance(candidates, list) else ())
    return [entry for entry in entries if entry is not None]


def _build_entry(candidate: Any) -> dict[str, Any] | None:
    if not isinstance(candidate, dict):
        return None
    token, logprob = candidate.get("token"), candidate.get("logProbability")
    if not isinstance(token, str):
        return None
    return {
        "token": token,
        # A missing number is 0 in Google's JSON.
        "logprob": float(logprob) if isinstance(logprob, int | float) else 0.0,
        "bytes": list(token.encode("utf-8", "replace")),
    }
