"""A whole message as a chat completion.

Knows a message's form. Must not know requests.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.anthropic.answer import Answer, build_end, read_refusal, read_usage
from gateway.providers.anthropic.blocks import (
    Block,
    build_call,
    build_content_blocks,
    dump_input,
    says_more,
)
from gateway.providers.anthropic.errors import build_stream_error
from gateway.providers.anthropic.thinking import THINKING, sign_blocks
from gateway.serialization import loads_lenient
from gateway.types import ChatCompletion


def parse_message(body: bytes, answer: Answer) -> ChatCompletion:
    """Parse a whole answer; raises ``UpstreamError``, or the error told inside it."""
    try:
        message = loads_lenient(body)
    except ValueError:
        raise UpstreamError(f"{answer.provider} sent an answer that is not JSON.") from None
    if isinstance(message, dict) and message.get("type") == "error":
        raise build_stream_error(message, answer.target)
    blocks = message.get("content") if isinstance(message, dict) else None
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise UpstreamError(f"{answer.provider} sent an answer that is not a message.")
    choice = _build_choice(message, blocks, answer)
    counts = message.get("usage")
    usage = read_usage(counts if isinstance(counts, dict) else {})
    return answer.head.wrap_whole([choice], usage)


def _build_choice(message: dict[str, Any], blocks: list[Block], answer: Answer) -> dict[str, Any]:
    built, was_called = _build_message(blocks, answer)
    refusal = read_refusal(message)
    if refusal is not None and message.get("stop_reason") == "refusal":
        built["refusal"] = refusal
    end = build_end(message.get("stop_reason"), answer, was_called=was_called)
    return {"index": 0, "message": built, "logprobs": None, **end}


def _build_message(blocks: list[Block], answer: Answer) -> tuple[dict[str, Any], bool]:
    """Return OpenAI's message, and whether it has calls."""
    plan, model = answer.plan, answer.target.model
    texts: list[str] = []
    thoughts: list[str] = []
    thinking: list[Block] = []
    calls: list[dict[str, Any]] = []
    fields: dict[str, Any] = {}
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            texts.append(_read_text(block, "text", answer))
        elif kind == "thinking":
            thoughts.append(_read_text(block, "thinking", answer))
        elif kind == "tool_use" and plan.json_tool and block.get("name") == plan.json_tool:
            texts.append(dump_input(block.get("input")))
        elif kind == "tool_use":
            call = build_call(block, thinking, len(calls), plan)
            thinking = []
            arguments = dump_input(block.get("input"))
            if plan.legacy:
                fields.setdefault(
                    "function_call", {**call["function_call"], "arguments": arguments}
                )
            else:
                (one,) = call["tool_calls"]
                one["function"]["arguments"] = arguments
                del one["index"]
                calls.append(one)
        if kind in THINKING:
            thinking += sign_blocks([block], model)
    if calls:
        fields["tool_calls"] = calls
    if any(thoughts):
        fields["reasoning_content"] = "".join(thoughts)
    signed = sign_blocks(blocks, model)
    if signed:
        fields["thinking_blocks"] = signed
    if says_more(blocks):
        fields["content_blocks"] = build_content_blocks(blocks, model)
    was_called = bool(calls) or "function_call" in fields
    content = "".join(texts)
    shown = content if content or not was_called else None
    return {"role": "assistant", "content": shown, "refusal": None, **fields}, was_called


def _read_text(block: Block, name: str, answer: Answer) -> str:
    text = block.get(name)
    if not isinstance(text, str):
        raise UpstreamError(f"{answer.provider} sent a block whose text is not a string.")
    return text
