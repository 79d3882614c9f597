"""Ollama's logprobs in OpenAI's shape. Knows both shapes, and must not know streams."""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError

IMPOSSIBLE = -9999.0


def build_logprobs(entries: list[Any]) -> dict[str, Any]:
    """Return a choice's ``logprobs`` for the entries of a line.

    OpenAI's SDKs require ``bytes`` and ``top_logprobs``, which Ollama leaves out
    where there are none. Raises ``UpstreamError`` for what is no such list.
    """
    content = [
        {**_build_entry(entry), "top_logprobs": _build_top(entry.get("top_logprobs"))}
        for entry in entries
    ]
    return {"content": content, "refusal": None}


def _build_top(entries: Any) -> list[dict[str, Any]]:
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise _unreadable()
    return [_build_entry(entry) for entry in entries]


def _build_entry(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise _unreadable()
    token, logprob = entry.get("token", ""), entry.get("logprob")
    if not isinstance(token, str) or not isinstance(logprob, int | float | None):
        raise _unreadable()
    return {
        "token": token,
        # JSON has no infinity: this is how OpenAI writes a probability of nothing.
        "logprob": IMPOSSIBLE if logprob is None else logprob,
        "bytes": entry.get("bytes"),
    }


def _unreadable() -> UpstreamError:
    return UpstreamError("The provider sent logprobs that can't be read.")
