"""Canonical answers as completions, those of several prompts as one.

Knows what a completion looks like (openai-python 3.54). Must not know streams.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from gateway.dialects.completions.logprobs import LegacyLogprobs
from gateway.dialects.completions.request import DIALECT
from gateway.serialization import loads_strict
from gateway.types import ChatCompletion, NativeCompletion


def join_completions(completions: list[ChatCompletion], requests: list[Any]) -> dict[str, Any]:
    """Return one answer with the choices of all prompts, in their order, and the summed usage."""
    choices: list[dict[str, Any]] = []
    usage: dict[str, int] = {}
    for completion, request in zip(completions, requests, strict=True):
        choices += _read_choices(completion, request)
        add_usage(usage, completion.get("usage"))
    return {**build_envelope(requests[0]["model"]), "choices": choices, "usage": usage or None}


def add_usage(total: dict[str, int], usage: Mapping[str, Any] | None) -> None:
    """Add the counts of ``usage`` to those of ``total``."""
    for name, count in (usage or {}).items():
        if isinstance(count, int):
            total[name] = total.get(name, 0) + count


def build_envelope(model: str) -> dict[str, Any]:
    """Return what completions, and every event of them, begin with."""
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
    }


def translate_finish_reason(reason: str | None) -> str | None:
    """Return the reason; completions have no tools, so that a call is just an end."""
    return "stop" if reason in ("tool_calls", "function_call") else reason


def _read_choices(completion: ChatCompletion, request: Any) -> list[dict[str, Any]]:
    if isinstance(completion, NativeCompletion) and completion.dialect == DIALECT:
        choices = loads_strict(completion.raw)["choices"]
        return [{**each, "index": request.first_index + each.get("index", 0)} for each in choices]
    echoed = request.prompt if request.native.get("echo") else ""
    return [
        {
            "text": echoed + (choice["message"].get("content") or ""),
            "index": request.first_index + choice.get("index", 0),
            "logprobs": LegacyLogprobs().add(choice.get("logprobs")),
            "finish_reason": translate_finish_reason(choice.get("finish_reason")) or "stop",
        }
        for choice in completion["choices"]
    ]
