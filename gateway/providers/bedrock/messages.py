"""A conversation in OpenAI's form as Converse's ``system`` and ``messages``.

Knows both forms of a message (botocore 1.44's service model). Expects messages that
passed ``check_messages``. Must not know the request around them.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from gateway.providers.bedrock.media import Block, build_media
from gateway.providers.bedrock.thinking_blocks import build_reasoning_content
from gateway.providers.tool_arguments import parse_arguments
from gateway.providers.tool_forms import older_form
from gateway.validation.fields import unsupported_value, wrong_value

Message = dict[str, Any]

_BEGINNING = "(The assistant begins.)"
"""What stands before an assistant's message that is the first: Bedrock wants a user's there."""

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_.:-]")
_MAX_ID_LENGTH = 64


def build_messages(messages: list[Message]) -> tuple[list[Block], list[Message]]:
    """Return ``system`` and ``messages``.

    System and developer messages all go to the front. Neighbours of one role become one
    message, which Bedrock demands; tool results come first in it. Raises
    ``InvalidRequestError`` for what can't be sent at all.
    """
    system: list[Block] = []
    built: list[Message] = []
    documents = [0]
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        role = message["role"]
        if role in ("system", "developer"):
            system += _build_parts(message["content"], f"{param}.content", documents)
        elif role == "user":
            content = _build_parts(message["content"], f"{param}.content", documents)
            _append(built, "user", content or [{"text": _text_of(message["content"])}])
        elif role == "tool":
            _append(built, "user", [_build_tool_result(message, param, documents)])
        elif role == "assistant":
            _append(built, "assistant", _build_assistant(message, param))
        else:
            raise older_form(f"{param}.role")
    if not built:
        raise wrong_value("messages", "`messages` must hold a message besides system messages.")
    last = built[-1]["content"][-1]
    if built[-1]["role"] == "assistant" and "text" in last:  # Claude takes no white space there
        built[-1]["content"][-1] = {"text": last["text"].rstrip()}
    return system, built


def build_cache_point(marked: Any) -> list[Block]:
    """Return the cache point that a part or a tool asks for, if it does.

    By Anthropic's ``cache_control: {type, ttl}`` or OpenAI's ``prompt_cache_breakpoint``.
    """
    asked = marked.get("cache_control") or marked.get("prompt_cache_breakpoint")
    if not isinstance(asked, dict):
        return []
    ttl = asked.get("ttl")
    point = {"type": "default", "ttl": ttl} if ttl in ("5m", "1h") else {"type": "default"}
    return [{"cachePoint": point}]


def _append(built: list[Message], role: str, content: list[Block]) -> None:
    if not content:
        return
    if not built and role == "assistant":
        built.append({"role": "user", "content": [{"text": _BEGINNING}]})
    if not built or built[-1]["role"] != role:
        built.append({"role": role, "content": content})
        return
    joined = [*built[-1]["content"], *content]
    if role == "user":
        joined.sort(key=lambda block: "toolResult" not in block)
    built[-1]["content"] = joined


def _build_parts(content: Any, param: str, documents: list[int]) -> list[Block]:
    """Return blocks; blank text, which Bedrock refuses, is left out."""
    if isinstance(content, str):
        return [{"text": content}] if content.strip() else []
    blocks: list[Block] = []
    for position, part in enumerate(content or ()):
        if part["type"] in ("text", "refusal"):
            text = part[part["type"]]
            blocks += [{"text": text}] if text.strip() else []
        else:
            block = build_media(part, f"{param}[{position}]", documents[0])
            documents[0] += "document" in block
            blocks.append(block)
        blocks += build_cache_point(part) if blocks else []
    return blocks


def _text_of(content: Any) -> str:
    return content if isinstance(content, str) else ""


def _build_assistant(message: Message, param: str) -> list[Block]:
    if message.get("audio"):
        raise unsupported_value(
            f"{param}.audio", f"`{param}.audio` refers to an earlier answer, which is not stored."
        )
    if message.get("function_call"):
        raise older_form(f"{param}.function_call")
    blocks = build_reasoning_content(message.get("thinking_blocks"))
    blocks += _build_parts(message.get("content") or message.get("refusal"), param, [0])
    for call in message.get("tool_calls") or ():
        function = call["function"]
        use = {
            "toolUseId": _build_call_id(call["id"]),
            "name": function["name"],
            "input": parse_arguments(function["arguments"]),
        }
        blocks.append({"toolUse": use})
    return blocks


def _build_tool_result(message: Message, param: str, documents: list[int]) -> Block:
    content = _build_parts(message["content"], f"{param}.content", documents)
    result: Block = {
        "toolUseId": _build_call_id(message["tool_call_id"]),
        "content": [block for block in content if "cachePoint" not in block]
        or [{"text": "(no output)"}],
    }
    if message.get("is_error") is True:
        result["status"] = "error"
    return {"toolResult": result}


def _build_call_id(call_id: str) -> str:
    """Return a call's id in the characters and the length Bedrock allows, always the same way."""
    cleaned = _NOT_IN_IDS.sub("_", call_id)
    if cleaned == call_id and len(call_id) <= _MAX_ID_LENGTH:
        return call_id
    digest = hashlib.sha256(call_id.encode()).hexdigest()[:16]
    return f"{cleaned[: _MAX_ID_LENGTH - 17]}_{digest}"
