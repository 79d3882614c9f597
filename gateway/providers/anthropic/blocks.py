"""An answer's blocks as a message's fields, and which of them go back as they are.

Knows the kinds of blocks. One that is not known here is kept for the next turn, never a call.
"""

from __future__ import annotations

import secrets
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.anthropic.thinking import THINKING, build_call_id
from gateway.providers.anthropic.tools import ToolPlan
from gateway.serialization import dumps, dumps_ascii

Block = dict[str, Any]

_TRANSLATED = frozenset(("text", "tool_use", *THINKING))


def says_more(blocks: list[Block]) -> bool:
    """Tell whether a message's own fields can't say all of ``blocks``.

    What Anthropic's own tools did, for the next turn, and citations.
    """
    return any(block.get("type") not in _TRANSLATED or block.get("citations") for block in blocks)


def build_content_blocks(blocks: list[Block], model: str) -> list[Block]:
    """Return an answer's blocks for the next turn, the thinking in them with the model's name."""
    return [
        {**block, "model": model} if block.get("type") in THINKING else block for block in blocks
    ]


def build_call(block: Block, thinking: list[Block], index: int, plan: ToolPlan) -> dict[str, Any]:
    """Return the fields of a message for a ``tool_use`` block, without its arguments.

    ``thinking`` are the signed blocks before it, which the call's id carries.
    """
    name = block.get("name")
    if not isinstance(name, str) or not name:
        raise UpstreamError("The provider sent a tool call that can't be read.")
    function = {"name": name, "arguments": ""}
    if plan.legacy:
        return {"function_call": function}
    call_id = block.get("id")
    if not isinstance(call_id, str) or not call_id:
        call_id = f"toolu_{secrets.token_hex(12)}"
    call_id = build_call_id(call_id, thinking)
    return {
        "tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]
    }


def build_arguments(text: str, index: int, plan: ToolPlan) -> dict[str, Any]:
    """Return the fields of a message for a piece of a call's arguments."""
    if plan.legacy:
        return {"function_call": {"arguments": text}}
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def dump_input(value: Any) -> str:
    """Return a call's input as OpenAI's compact JSON string."""
    if not value:
        return "{}"
    try:
        return dumps(value).decode()
    except (TypeError, UnicodeEncodeError):
        pass
    try:
        return dumps_ascii(value).decode()
    except RecursionError:
        raise UpstreamError("The provider sent a tool call that can't be read.") from None
