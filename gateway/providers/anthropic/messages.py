"""A conversation in OpenAI's form as Anthropic's ``system`` and ``messages``.

Knows both forms of a message, and which order Anthropic wants. Expects messages that passed
``check_messages``. Must not know the request around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.providers.anthropic.assistant import Notes, build_assistant_blocks
from gateway.providers.anthropic.content import Block, build_blocks, with_cache_control
from gateway.providers.anthropic.families import Family
from gateway.providers.anthropic.thinking import parse_call_id
from gateway.validation.fields import unsupported_value, wrong_value

Message = dict[str, Any]

_BEGINNING = "(The assistant begins.)"
"""What stands before an assistant's message that is the first: that has to be a user's."""

_BETWEEN_TEXTS = "\n"


class Conversation(NamedTuple):
    """``system`` is None where nothing is said there; ``dropped`` names what can't be carried."""

    messages: list[Message]
    system: str | list[Block] | None
    dropped: list[str]


def build_conversation(messages: list[Message], family: Family, model: str) -> Conversation:
    """Return a conversation; raises ``InvalidRequestError`` for what can't be sent at all.

    System messages that follow others stay where they are, if the model takes them there:
    after a user's message, and before an assistant's or last. Else they join the first.
    System messages alone are what the user says. ``model`` is the provider's name of it.
    """
    built: list[Message] = []
    system: list[Block] = []
    notes = Notes(model)
    for place, message in enumerate(messages):
        param = f"messages[{place}]"
        role = message["role"]
        if message.get("name") and role not in ("tool", "function"):
            notes.dropped["messages.name"] = None
        if role == "assistant" and message.get("function_call"):
            notes.function_ids[message["function_call"]["name"]] = f"function_call_{place}"
        blocks = _build_blocks(message, param, notes)
        if role in ("system", "developer"):
            if built and family.late_system and _may_stand_here(messages, place):
                _append(built, "system", blocks)
            else:
                system += blocks
        elif role == "assistant":
            _append(built, "assistant", blocks)
        elif role in ("tool", "function"):
            _append_result(built, blocks)
        elif not blocks:
            raise wrong_value(f"{param}.content", f"`{param}.content` must not be blank.")
        else:
            _append(built, "user", blocks)
    if not built and system:
        built, system = [{"role": "user", "content": system}], []
    _check_ends(built, family)
    return Conversation(built, _join(system), list(notes.dropped))


def _build_blocks(message: Message, param: str, notes: Notes) -> list[Block]:
    role = message["role"]
    if role == "assistant":
        blocks = build_assistant_blocks(message, param, notes)
    elif role in ("tool", "function"):
        return [_build_result(message, param, notes)]
    else:
        blocks = build_blocks(message["content"], f"{param}.content", notes.dropped)
    if blocks and message.get("cache_control"):
        blocks[-1] = with_cache_control(blocks[-1], message)
    return blocks


def _build_result(message: Message, param: str, notes: Notes) -> Block:
    if message["role"] == "function":
        call_id = notes.function_ids.get(message["name"], "function_call")
    else:
        call_id = parse_call_id(message["tool_call_id"], notes.model).id
    result: Block = {"type": "tool_result", "tool_use_id": call_id}
    content = message.get("content")
    if isinstance(content, str):
        result["content"] = content
    elif content:
        result["content"] = build_blocks(content, f"{param}.content", notes.dropped)
    if message.get("is_error") is not None:
        result["is_error"] = bool(message["is_error"])
    return with_cache_control(result, message)


def _append(built: list[Message], role: str, blocks: list[Block]) -> None:
    """Append blocks; Anthropic takes neighbours of one role for one message, and so do we."""
    if not blocks:
        return
    if built and built[-1]["role"] == role:
        built[-1]["content"] += blocks
    else:
        built.append({"role": role, "content": blocks})


def _append_result(built: list[Message], blocks: list[Block]) -> None:
    """Append a tool's result; those of one turn come first in one user's message."""
    if not built or built[-1]["role"] != "user":
        built.append({"role": "user", "content": []})
    content = built[-1]["content"]
    results = sum(block["type"] == "tool_result" for block in content)
    content[results:results] = blocks


def _may_stand_here(messages: list[Message], place: int) -> bool:
    """Tell whether system messages at ``place`` stand between a user and an assistant."""
    systems = ("system", "developer")
    before = next(m for m in reversed(messages[:place]) if m["role"] not in systems)
    after = next((m for m in messages[place:] if m["role"] not in systems), None)
    return before["role"] != "assistant" and (after is None or after["role"] == "assistant")


def _check_ends(built: list[Message], family: Family) -> None:
    """Let a user begin, and refuse a begun answer where the model can't go on with one."""
    if built and built[0]["role"] != "user":
        built.insert(0, {"role": "user", "content": [{"type": "text", "text": _BEGINNING}]})
    if not built or built[-1]["role"] != "assistant":
        return
    last = built[-1]["content"][-1]
    if last["type"] == "text":  # it must not end with white space
        built[-1]["content"][-1] = {**last, "text": last["text"].rstrip()}
    if not family.prefill:
        if any(block.get("type", "").endswith("_tool_result") for block in built[-1]["content"]):
            return  # a paused turn, which the model goes on with
        raise unsupported_value(
            "messages",
            "`messages` must not end with the assistant's: this model can't go on with an answer.",
        )


def _join(system: list[Block]) -> str | list[Block] | None:
    """Return one text, or blocks where any of them is to be cached."""
    if any(_is_more_than_text(block) for block in system):
        return system
    return _BETWEEN_TEXTS.join(block["text"] for block in system) or None


def _is_more_than_text(block: Mapping[str, Any]) -> bool:
    return block.keys() != {"type", "text"}
