"""Log probabilities in OpenAI's chat form.

Knows the legacy form beside it, parallel lists (Together, recorded), and bytes
told as base64 text (Hugging Face's router).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any


def read_logprobs(told: Any) -> Any:
    """Return log probabilities in OpenAI's form: ``told`` itself if it is, None if it is none."""
    if not isinstance(told, dict):
        return None
    if isinstance(told.get("tokens"), list):
        return {"content": _from_lists(told), "refusal": None}
    fixed = dict(told)
    for name in ("content", "refusal"):
        tokens = told.get(name)
        if tokens is not None:
            fixed[name] = _read_tokens(tokens)
    return told if fixed == told else fixed


def _read_tokens(tokens: Any) -> list[dict[str, Any]] | None:
    if not isinstance(tokens, list):
        return None
    return [
        {**_read_token(token), "top_logprobs": _read_tops(token.get("top_logprobs"))}
        for token in tokens
        if _is_token(token)
    ]


def _read_tops(told: Any) -> list[dict[str, Any]]:
    if isinstance(told, dict):
        told = [{"token": token, "logprob": logprob} for token, logprob in told.items()]
    if not isinstance(told, list):
        return []
    return [_read_token(token) for token in told if _is_token(token)]


def _read_token(token: Mapping[str, Any]) -> dict[str, Any]:
    told = token.get("bytes")
    if isinstance(told, str):
        told = _decode(told)
    elif told is None and "bytes" not in token:
        told = list(token["token"].encode("utf-8", "replace"))
    return {**token, "bytes": told if isinstance(told, list) else None}


def _is_token(token: Any) -> bool:
    return (
        isinstance(token, dict)
        and isinstance(token.get("token"), str)
        and isinstance(token.get("logprob"), int | float)
    )


def _decode(text: str) -> list[int] | None:
    try:
        return list(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return None


def _from_lists(told: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    logprobs, tops = told.get("token_logprobs"), told.get("top_logprobs")
    if not isinstance(logprobs, list):
        return None
    if not isinstance(tops, list) or len(tops) != len(told["tokens"]):
        tops = [None] * len(told["tokens"])
    tokens = [
        {"token": token, "logprob": logprob, "top_logprobs": top}
        for token, logprob, top in zip(told["tokens"], logprobs, tops, strict=False)
    ]
    return _read_tokens(tokens)
