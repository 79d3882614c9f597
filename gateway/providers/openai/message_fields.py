"""Fields of a message or a delta that are of no type a client could read.

Knows those which OpenAI's SDK or the gateway's own dialects look into. Must not know streams.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.openai.tool_calls import write_arguments

_LISTS_OF_OBJECTS = ("annotations", "thinking_blocks", "content_blocks")


def drop_malformed(message: dict[str, Any]) -> bool:
    """Take out what is malformed, in place; tells whether that changed the message.

    A call of the older form gets its arguments as text; it needs a name, or arguments of
    one that was named before.
    """
    refusal, call = message.get("refusal"), message.get("function_call")
    names = [name for name in _LISTS_OF_OBJECTS if name in message and not _is_list(message[name])]
    if refusal is not None and not isinstance(refusal, str):
        names.append("refusal")
    is_changed = False
    if isinstance(call, dict) and (call.get("name") or call.get("arguments")):
        is_changed = write_arguments(call)
    elif call is not None:
        names.append("function_call")
    for name in names:
        del message[name]
    return is_changed or bool(names)


def _is_list(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)
