"""What the assistant said in earlier turns, as Anthropic's blocks.

Knows the order of its blocks: thinking, text, calls. Must not know other roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import InvalidRequestError
from gateway.providers.anthropic.content import Block, build_blocks, with_cache_control
from gateway.providers.anthropic.thinking import THINKING, parse_call_id, read_thinking_blocks
from gateway.providers.tool_arguments import parse_arguments
from gateway.validation.fields import unsupported_value


@dataclass
class Notes:
    """What is noted while a conversation is translated for ``model``.

    ``dropped`` are the names of what can't be carried; ``function_ids`` the ids that calls
    of the older form (``function_call``), which have none, were given by their functions' names.
    """

    model: str
    dropped: dict[str, None] = field(default_factory=dict)
    function_ids: dict[str, str] = field(default_factory=dict)


def build_assistant_blocks(message: Mapping[str, Any], param: str, notes: Notes) -> list[Block]:
    """Return the blocks of a checked assistant's message.

    ``content_blocks`` are Anthropic's own blocks of an answer, which go back as they are.
    Signed thinking is read from ``thinking_blocks``, else from the calls' ids.
    Thinking that the model didn't sign can't be sent, and is noted as dropped.
    """
    if message.get("audio"):
        raise unsupported_value(
            f"{param}.audio", f"`{param}.audio` refers to an earlier answer, which is not stored."
        )
    own = message.get("content_blocks")
    if isinstance(own, list) and own and all(isinstance(block, dict) for block in own):
        return _read_own_blocks(own, notes.model)
    calls = _build_calls(message, param, notes)
    thinking = read_thinking_blocks(message.get("thinking_blocks"), notes.model)
    carried = [block for blocks, _ in calls for block in blocks]
    first = [block for block in thinking if block not in carried]
    if calls:
        first += calls[0][0]
    if not first and (message.get("reasoning_content") or message.get("reasoning")):
        notes.dropped["messages.reasoning_content"] = None
    content = build_blocks(message.get("content"), f"{param}.content", notes.dropped)
    if not content and message.get("refusal"):
        content = build_blocks(message["refusal"], f"{param}.refusal", notes.dropped)
    rest = [[*blocks, call] for blocks, call in calls[1:]]
    return [*first, *content, *(call for _, call in calls[:1]), *(b for each in rest for b in each)]


def _read_own_blocks(blocks: list[Block], model: str) -> list[Block]:
    """Return blocks as they came, but for thinking that another model signed."""
    built: list[Block] = []
    for block in blocks:
        if block.get("type") in THINKING:
            built += read_thinking_blocks([block], model)
        else:
            built.append(dict(block))
    return built


def _build_calls(
    message: Mapping[str, Any], param: str, notes: Notes
) -> list[tuple[list[Block], Block]]:
    """Return each call with the thinking that its id carried."""
    calls = []
    for place, call in enumerate(message.get("tool_calls") or ()):
        call_id, blocks = parse_call_id(call["id"], notes.model)
        where = f"{param}.tool_calls[{place}].function.arguments"
        block = _build_call(call_id, call["function"], where)
        calls.append((blocks, with_cache_control(block, call)))
    function = message.get("function_call")
    if function:
        call_id = notes.function_ids[function["name"]]
        calls.append(([], _build_call(call_id, function, f"{param}.function_call.arguments")))
    return calls


def _build_call(call_id: str, function: Mapping[str, Any], param: str) -> Block:
    arguments = _parse_arguments(function["arguments"], param)
    return {"type": "tool_use", "id": call_id, "name": function["name"], "input": arguments}


def _parse_arguments(arguments: str, param: str) -> dict[str, Any]:
    """Return arguments as an object; raises ``InvalidRequestError`` for what is too deep."""
    try:
        return parse_arguments(arguments)
    except RecursionError:
        message = f"`{param}` is nested too deeply."
        raise InvalidRequestError(message, param=param, code="invalid_value") from None
