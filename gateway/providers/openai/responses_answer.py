"""A whole response of OpenAI's Responses API, and its parts, as canonical ones.

Knows the response object and its items (openai-python 3.54, recorded). Must not know streams.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai.errors import build_stream_error
from gateway.serialization import loads_lenient
from gateway.types import ChatCompletion, NativeCompletion

logger = logging.getLogger("gateway.providers.openai")

ENCRYPTED_FORMAT = "openai-responses-v1"
"""Tells encrypted reasoning of this API from any other in ``reasoning_details``."""

_INCOMPLETE = {"max_output_tokens": "length", "max_tokens": "length"}
CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
"""Type of an item to that of a canonical tool call, and where its argument is in both."""


def parse_native_response(body: bytes) -> NativeCompletion:
    """Parse a whole response, which keeps its bytes.

    Raises ``UpstreamError`` where it is none, or the error told in it.
    """
    completion = NativeCompletion(parse_response(body))
    completion.dialect, completion.raw = "responses", body
    return completion


def parse_response(body: bytes) -> ChatCompletion:
    """Parse a whole response as a completion; raises as ``parse_native_response``."""
    try:
        response = loads_lenient(body)
    except ValueError:
        raise UpstreamError("The provider's answer is not JSON.") from None
    if not isinstance(response, dict):
        raise UpstreamError("The provider's answer is not a response.")
    if response.get("error") or response.get("status") in ("failed", "cancelled"):
        raise read_error(response)
    if response.get("status") in ("queued", "in_progress"):
        raise UpstreamError("The provider's answer is not complete.")
    try:
        return _read_completion(response)
    except (KeyError, TypeError, AttributeError) as error:
        raise UpstreamError("The provider's answer is not a response.") from error


def _read_completion(response: Mapping[str, Any]) -> ChatCompletion:
    texts: dict[str, list[str]] = {}
    calls, details = [], []
    annotations: list[dict[str, Any]] = []
    logprobs: list[dict[str, Any]] = []
    for item in response["output"]:
        for name, text in read_text(item).items():
            texts.setdefault(name, []).append(text)
        call = read_call(item)
        if call is not None:
            calls.append(call)
        detail = read_reasoning_detail(item)
        if detail is not None:
            details.append(detail)
        for part in (item.get("content") or ()) if item["type"] == "message" else ():
            annotations += part.get("annotations") or ()
            logprobs += part.get("logprobs") or ()
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts["content"]) if "content" in texts else None,
        "refusal": "".join(texts["refusal"]) if "refusal" in texts else None,
    }
    if "reasoning_content" in texts:
        message["reasoning_content"] = "\n\n".join(texts["reasoning_content"])
    found = {"annotations": list(map(_nested, annotations)), "reasoning_details": details}
    message |= {name: values for name, values in (*found.items(), ("tool_calls", calls)) if values}
    completion: ChatCompletion = {
        "id": response["id"],
        "object": "chat.completion",
        "created": int(response.get("created_at") or time.time()),
        "model": response.get("model") or "",
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
                "finish_reason": read_finish_reason(response, has_calls=bool(calls)),
            }
        ],
    }
    usage = read_usage(response.get("usage"))
    return completion if usage is None else {**completion, "usage": usage}


def build_chunks(completion: ChatCompletion) -> list[dict[str, Any]]:
    """Return the chunks that a completion could have come as."""
    head = {name: completion[name] for name in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    choice = completion["choices"][0]
    delta = {name: value for name, value in choice["message"].items() if value is not None}
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(delta["tool_calls"])]
    said = {"index": 0, "delta": delta, "logprobs": choice["logprobs"], "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    chunks: list[dict[str, Any]] = [{**head, "choices": [said]}, {**head, "choices": [end]}]
    if "usage" in completion:
        chunks.append({**head, "choices": [], "usage": completion["usage"]})
    return chunks


def read_text(item: Mapping[str, Any]) -> dict[str, str]:
    """Return what an item says, by the field of a canonical message that says it."""
    if item["type"] == "reasoning":
        parts = item.get("summary") or item.get("content") or ()
        reasoning = "\n\n".join(part["text"] for part in parts if part.get("text"))
        return {"reasoning_content": reasoning} if reasoning else {}
    if item["type"] != "message":
        return {}
    said: dict[str, str] = {}
    for name, kind, field in (
        ("content", "output_text", "text"),
        ("refusal", "refusal", "refusal"),
    ):
        texts = [part[field] for part in item.get("content") or () if part["type"] == kind]
        if texts:
            said[name] = "".join(texts)
    return said


def read_call(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an item as a canonical tool call, None if it is none that the client has to do."""
    if item["type"] not in CALLS:
        return None
    kind, argument = CALLS[item["type"]]
    told = {"name": item["name"], argument: item.get(argument) or ""}
    return {"id": item.get("call_id") or item["id"], "type": kind, kind: told}


def read_reasoning_detail(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return encrypted reasoning as an entry of ``reasoning_details``, as OpenRouter has them."""
    if item["type"] != "reasoning" or not item.get("encrypted_content"):
        return None
    return {
        "type": "reasoning.encrypted",
        "id": item.get("id"),
        "format": ENCRYPTED_FORMAT,
        "data": item["encrypted_content"],
    }


def read_finish_reason(response: Mapping[str, Any], *, has_calls: bool) -> str:
    """Return why a response ended."""
    if response.get("status") == "incomplete":
        reason = (response.get("incomplete_details") or {}).get("reason") or ""
        if reason == "content_filter":
            return "content_filter"
        if reason not in _INCOMPLETE:
            logger.warning("a response is incomplete for the unknown reason %r", reason)
        return "length"
    return "tool_calls" if has_calls else "stop"


def read_usage(usage: Any) -> dict[str, Any] | None:
    """Return usage as chats tell it, None where there is none."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": usage.get("total_tokens") or prompt + completion,
        "prompt_tokens_details": _without_nulls(usage.get("input_tokens_details")),
        "completion_tokens_details": _without_nulls(usage.get("output_tokens_details")),
    }


def read_error(response: Mapping[str, Any]) -> GatewayError:
    """Return the error of a response that failed."""
    error = response.get("error")
    return build_stream_error({"error": error} if error else None)


def _nested(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a citation as chats have it: the fields under its type."""
    kind = annotation["type"]
    fields = {name: value for name, value in annotation.items() if name != "type"}
    return {"type": kind, kind: fields}


def _without_nulls(details: Any) -> dict[str, Any]:
    return {name: value for name, value in (details or {}).items() if value is not None}
