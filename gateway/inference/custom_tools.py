"""Custom tools, whose input is free text, for providers that have functions only.

A custom tool is offered as a function with one string, ``input``, and a call of it is told as
a call of the custom tool again. Knows the canonical form of tools and their calls. Must not
know providers, nor which of them have custom tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.inference.wrapped_input import InputReader, read_input, wrap_input
from gateway.types import ChatCompletion, ChatRequest, Chunk

_FREE_TEXT = "The tool's input: free text, passed on as it is."


class AsFunctions(NamedTuple):
    """A request without custom tools, the names of those, and the places of grammars.

    A grammar is told to the model in words; nothing holds it to that.
    """

    request: ChatRequest
    names: frozenset[str]
    grammars: tuple[int, ...]


def offer_as_functions(request: ChatRequest) -> AsFunctions | None:
    """Return the request with functions in place of custom tools; None where there are none.

    Calls among the messages count as well. What is malformed stays for the provider to judge.
    """
    tools, messages = request.get("tools"), request["messages"]
    tools = tools if isinstance(tools, list) else []
    custom = [position for position, tool in enumerate(tools) if _is_custom(tool)]
    if not custom and not any(map(_calls_custom, messages)):
        return None
    changed = {**request, "messages": [_change_message(message) for message in messages]}
    if tools:
        changed["tools"] = [_as_function(tool) if _is_custom(tool) else tool for tool in tools]
    if isinstance(request.get("tool_choice"), dict):
        changed["tool_choice"] = _change_choice(request["tool_choice"])
    return AsFunctions(
        changed,
        frozenset(tools[position]["custom"]["name"] for position in custom),
        tuple(each for each in custom if _grammar_of(tools[each]["custom"]) is not None),
    )


def restore_completion(completion: ChatCompletion, names: frozenset[str]) -> ChatCompletion:
    """Return a whole answer with calls of the custom tools ``names`` in place of functions'."""
    choices = [_restore_choice(choice, names) for choice in completion["choices"]]
    if all(new is old for new, old in zip(choices, completion["choices"], strict=True)):
        return completion
    return {**completion, "choices": choices}


def iter_restored(batches: Iterator[list[Chunk]], names: frozenset[str]) -> Iterator[list[Chunk]]:
    """Yield a stream with calls of the custom tools ``names`` in place of functions'."""
    calls: dict[tuple[int, int], InputReader] = {}
    for batch in batches:
        yield [_restore_chunk(chunk, names, calls) for chunk in batch]


def _is_custom(tool: Any) -> bool:
    if not (isinstance(tool, dict) and tool.get("type") == "custom"):
        return False
    definition = tool.get("custom")
    return isinstance(definition, dict) and isinstance(definition.get("name"), str)


def _is_custom_call(call: Any) -> bool:
    return _is_custom(call) and isinstance(call["custom"].get("input"), str)


def _calls_custom(message: Any) -> bool:
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    return isinstance(calls, list) and any(map(_is_custom_call, calls))


def _grammar_of(definition: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a grammar that an input is to match, in the form of a chat's."""
    given = definition.get("format")
    if not isinstance(given, dict) or given.get("type") != "grammar":
        return None
    grammar = given.get("grammar")
    return grammar if isinstance(grammar, dict) else {}


def _as_function(tool: Mapping[str, Any]) -> dict[str, Any]:
    definition = tool["custom"]
    said = _FREE_TEXT
    grammar = _grammar_of(definition)
    if grammar is not None:
        syntax, text = grammar.get("syntax"), grammar.get("definition")
        said += f" It must match this grammar ({syntax}):\n{text}"
    function = {
        "name": definition["name"],
        "parameters": {
            "type": "object",
            "properties": {"input": {"type": "string", "description": said}},
            "required": ["input"],
            "additionalProperties": False,
        },
    }
    if definition.get("description") is not None:
        function["description"] = definition["description"]
    return {"type": "function", "function": function}


def _change_message(message: Any) -> Any:
    if not _calls_custom(message):
        return message
    calls = [
        _call_function(call) if _is_custom_call(call) else call for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _call_function(call: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in call.items() if name != "custom"}
    custom = call["custom"]
    function = {"name": custom["name"], "arguments": wrap_input(custom["input"])}
    return {**kept, "type": "function", "function": function}


def _change_choice(choice: dict[str, Any]) -> dict[str, Any]:
    if _is_custom(choice):
        return {"type": "function", "function": {"name": choice["custom"]["name"]}}
    allowed = choice.get("allowed_tools")
    if not isinstance(allowed, dict) or not isinstance(allowed.get("tools"), list):
        return choice
    tools = [_change_choice(tool) if isinstance(tool, dict) else tool for tool in allowed["tools"]]
    return {**choice, "allowed_tools": {**allowed, "tools": tools}}


def _restore_choice(choice: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    calls = (choice.get("message") or {}).get("tool_calls")
    if not calls or not any(_name_of(call) in names for call in calls):
        return choice
    restored = [_restore_call(call) if _name_of(call) in names else call for call in calls]
    return {**choice, "message": {**choice["message"], "tool_calls": restored}}


def _restore_call(call: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in call.items() if name != "function"}
    text = read_input(call["function"].get("arguments") or "")
    return {**kept, "type": "custom", "custom": {"name": _name_of(call), "input": text}}


def _name_of(call: Mapping[str, Any]) -> str | None:
    function = call.get("function")
    return function.get("name") if isinstance(function, dict) else None


def _restore_chunk(
    chunk: Chunk, names: frozenset[str], calls: dict[tuple[int, int], InputReader]
) -> Chunk:
    choices = [_restore_part(choice, names, calls) for choice in chunk.get("choices") or ()]
    if all(new is old for new, old in zip(choices, chunk.get("choices") or (), strict=True)):
        return chunk
    restored: Any = {**chunk, "choices": choices}
    changed: Chunk = restored
    return changed


def _restore_part(
    choice: Any, names: frozenset[str], calls: dict[tuple[int, int], InputReader]
) -> Any:
    """Return what a chunk says of a choice; with its end comes what is left of its calls."""
    delta = choice.get("delta") or {}
    place = choice.get("index", 0)
    given: Sequence[Any] = delta.get("tool_calls") or ()
    told = [_restore_piece(call, place, names, calls) for call in given]
    if choice.get("finish_reason"):
        told += list(_iter_rest(place, calls))
    if len(told) == len(given) and all(new is old for new, old in zip(told, given, strict=True)):
        return choice
    return {**choice, "delta": {**delta, "tool_calls": told}}


def _restore_piece(
    call: Any, place: int, names: frozenset[str], calls: dict[tuple[int, int], InputReader]
) -> Any:
    function = call.get("function") or {}
    key = (place, call.get("index", 0))
    if function.get("name") in names and key not in calls:
        calls[key] = InputReader()
    elif key not in calls:
        return call
    kept = {name: value for name, value in call.items() if name not in ("function", "type")}
    custom = {"input": calls[key].feed(function.get("arguments") or "")}
    if function.get("name"):
        return {**kept, "type": "custom", "custom": {"name": function["name"], **custom}}
    return {**kept, "custom": custom}


def _iter_rest(place: int, calls: dict[tuple[int, int], InputReader]) -> Iterator[dict[str, Any]]:
    for (choice, index), reader in calls.items():
        rest = reader.finish() if choice == place else ""
        if rest:
            yield {"index": index, "custom": {"input": rest}}
