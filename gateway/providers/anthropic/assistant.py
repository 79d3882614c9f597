"""What the assistant said in earlier turns, as Anthropic's blocks.

Knows the order of its blocks: thinking, text, calls. Must not know other roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import InvalidRequestError
from gateway.providers.anthropic.content import Block, build_blocks, with_cache_control
from gateway.providers.anthropic.thinking import parse_call_id, read_thinking_blocks
from gateway.serialization import loads_strict
from gateway.validation.fields import unsupported_value


def build_assistant_blocks(
    message: Mapping[str, Any],
    param: str,
    dropped: dict[str, None],
    function_ids: Mapping[str, str],
) -> list[Block]:
    """Return the blocks of a checked assistant's message.

    ``content_blocks`` are Anthropic's own blocks of an answer, which go back as they are.
    Signed thinking is read from ``thinking_blocks``, else from the calls' ids.
    Thinking that nobody signed can't be sent, and is noted in ``dropped``. ``function_ids``
    are the ids of calls in the older form, by their functions' names.
    """
    if message.get("audio"):
        raise unsupported_value(
            f"{param}.audio", f"`{param}.audio` refers to an earlier answer, which is not stored."
        )
    own = message.get("content_blocks")
    if isinstance(own, list) and own and all(isinstance(block, dict) for block in own):
        return [dict(block) for block in own]
    calls = _build_calls(message, param, function_ids)
    thinking = read_thinking_blocks(message.get("thinking_blocks"))
    carried = [block for blocks, _ in calls for block in blocks]
    first = [block for block in thinking if block not in carried]
    if calls:
        first += calls[0][0]
    if not first and (message.get("reasoning_content") or message.get("reasoning")):
        dropped["messages.reasoning_content"] = None
    content = build_blocks(message.get("content"), f"{param}.content", dropped)
    if not content and message.get("refusal"):
        content = build_blocks(message["refusal"], f"{param}.refusal", dropped)
    rest = [[*blocks, call] for blocks, call in calls[1:]]
    return [*first, *content, *(call for _, call in calls[:1]), *(b for each in rest for b in each)]


def _build_calls(
    message: Mapping[str, Any], param: str, function_ids: Mapping[str, str]
) -> list[tuple[list[Block], Block]]:
    """Return each call with the thinking that its id carried."""
    calls = []
    for place, call in enumerate(message.get("tool_calls") or ()):
        call_id, blocks = parse_call_id(call["id"])
        where = f"{param}.tool_calls[{place}].function.arguments"
        block = _build_call(call_id, call["function"], where)
        calls.append((blocks, with_cache_control(block, call)))
    function = message.get("function_call")
    if function:
        call_id = function_ids[function["name"]]
        calls.append(([], _build_call(call_id, function, f"{param}.function_call.arguments")))
    return calls


def _build_call(call_id: str, function: Mapping[str, Any], param: str) -> Block:
    arguments = _parse_arguments(function["arguments"], param)
    return {"type": "tool_use", "id": call_id, "name": function["name"], "input": arguments}


def _parse_arguments(arguments: str, param: str) -> dict[str, Any]:
    """Return arguments as the object Anthropic demands.

    OpenAI never refuses what a model once wrote, so text that is no JSON object is kept
    whole under ``_raw``. Raises ``InvalidRequestError`` for what is nested too deeply.
    """
    if not arguments.strip():
        return {}
    try:
        parsed = loads_strict(arguments.encode())
    except ValueError:
        return {"_raw": arguments}
    except RecursionError:
        message = f"`{param}` is nested too deeply."
        raise InvalidRequestError(message, param=param, code="invalid_value") from None
    return parsed if isinstance(parsed, dict) else {"_raw": arguments}
