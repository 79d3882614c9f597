"""A Responses request as a canonical chat, with what a chat can't say.

Knows the request's fields (openai-python 3.54). Items and tools are in files of their own.
Must not know providers, answers, nor what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.envelope import check_model, check_stream
from gateway.dialects.responses.items import ItemReader
from gateway.dialects.responses.reasoning import is_own_item
from gateway.dialects.responses.tools import build_tool_choice, build_tools
from gateway.errors import InvalidRequestError
from gateway.types import NativeRequest
from gateway.validation.fields import (
    check_boolean,
    check_object,
    check_string,
    missing,
    require_name,
    wrong_type,
    wrong_value,
)

DIALECT = "responses"

_RENAMED = {"max_output_tokens": "max_completion_tokens"}

_TRANSLATED = frozenset(
    {"instructions", "input", "tools", "tool_choice", "text", "reasoning", "top_logprobs"}
)
_OF_THE_ANSWER = frozenset(
    {"include", "metadata", "store", "previous_response_id", "stream_options", "max_tool_calls"}
)
"""What says how the answer looks, or holds only for hosted tools, of which a chat has none."""

_LOST = ("context_management", "image", "access_programs", "client_metadata")
_NATIVE_ONLY = ("prompt",)
_NOT_OURS = {
    "conversation": "Conversations are not kept here: send the earlier items in 'input'.",
    "background": "Responses are not made in the background here: leave 'background' out.",
}


def build_request(request: dict[str, Any]) -> NativeRequest:
    """Return the canonical request, with ``request`` as its native form.

    Raises ``InvalidRequestError`` with the path of what is wrong.
    """
    check_model(request)
    check_stream(request)
    _check_fields(request)
    reader = ItemReader()
    _read_prompt(request, reader)
    untranslated, native_only = list(reader.untranslated), list(reader.native_only)
    canonical: dict[str, Any] = {
        _RENAMED.get(name, name): value
        for name, value in request.items()
        if value is not None and name not in _TRANSLATED | _OF_THE_ANSWER
    }
    for name in _LOST:
        if canonical.pop(name, None) is not None:
            untranslated.append(name)
    for name in _NATIVE_ONLY:
        if canonical.pop(name, None) is not None:
            native_only.append(name)
    if canonical.pop("truncation", "disabled") != "disabled":
        untranslated.append("truncation")
    canonical.pop("background", None)
    canonical.pop("conversation", None)
    canonical["messages"] = reader.messages
    canonical |= build_tools(request, native_only)
    if "tools" not in canonical:
        canonical.pop("parallel_tool_calls", None)  # OpenAI's chats refuse it without tools
    canonical |= build_tool_choice(request, native_only)
    canonical |= _build_text(request.get("text") or {})
    canonical |= _build_reasoning(request.get("reasoning") or {}, untranslated)
    canonical |= _build_logprobs(request)
    return NativeRequest(
        canonical, DIALECT, _as_sent(request), None, tuple(untranslated), tuple(native_only)
    )


def _check_fields(request: Mapping[str, Any]) -> None:
    check_string(request, "instructions")
    for name in ("text", "reasoning", "metadata", "stream_options"):
        check_object(request, name)
    check_boolean(request, "store")
    check_boolean(request, "background")
    include = request.get("include")
    if include is not None and not isinstance(include, list):
        raise wrong_type("include", "an array of strings", include)
    for name, message in _NOT_OURS.items():
        if request.get(name):
            raise InvalidRequestError(message, param=name, code="unsupported_parameter")


def _read_prompt(request: Mapping[str, Any], reader: ItemReader) -> None:
    """Give instructions and input to ``reader``."""
    if request.get("instructions"):
        reader.messages.append({"role": "system", "content": request["instructions"]})
    given = request.get("input")
    if isinstance(given, str):
        reader.messages.append({"role": "user", "content": given})
    elif isinstance(given, list):
        reader.read(given)
    elif given is not None:
        raise wrong_type("input", "a string or an array of items", given)
    elif request.get("prompt") is None:
        raise missing("input")
    if not reader.messages and not reader.native_only and request.get("prompt") is None:
        raise InvalidRequestError(
            "`input` must hold at least one item.", param="input", code="empty_array"
        )


def _build_text(text: Mapping[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    if text.get("verbosity") is not None:
        built["verbosity"] = text["verbosity"]
    check_object(text, "format", "text.format")
    given = text.get("format")
    if given is None:
        return built
    kind = require_name(given, "type", "text.format.type")
    if kind == "json_schema":
        require_name(given, "name", "text.format.name")
        if given.get("schema") is None:
            raise missing("text.format.schema")
        check_object(given, "schema", "text.format.schema")
        schema = {name: value for name, value in given.items() if name != "type"}
        built["response_format"] = {"type": kind, "json_schema": schema}
    elif kind == "json_object":
        built["response_format"] = {"type": kind}
    elif kind != "text":
        raise wrong_value(
            "text.format.type",
            '`text.format.type` must be one of "text", "json_object" and "json_schema".',
        )
    return built


def _build_reasoning(reasoning: Mapping[str, Any], untranslated: list[str]) -> dict[str, Any]:
    """Return the effort; a summary is what the model tells of its reasoning anyway."""
    for name, plain in (("context", "auto"), ("mode", "standard")):
        if reasoning.get(name) not in (None, plain):
            untranslated.append(f"reasoning.{name}")
    check_string(reasoning, "effort", "reasoning.effort")
    effort = reasoning.get("effort")
    return {} if effort is None else {"reasoning_effort": effort}


def _build_logprobs(request: Mapping[str, Any]) -> dict[str, Any]:
    if "message.output_text.logprobs" not in (request.get("include") or ()):
        return {}
    count = request.get("top_logprobs")
    return {"logprobs": True} | ({} if count is None else {"top_logprobs": count})


def _as_sent(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request without reasoning that was told by us: another server can't read it."""
    given = request.get("input")
    if not isinstance(given, list) or not any(map(is_own_item, given)):
        return request
    return {**request, "input": list(_iter_foreign(given))}


def _iter_foreign(items: list[Any]) -> Iterator[Any]:
    return (item for item in items if not is_own_item(item))
