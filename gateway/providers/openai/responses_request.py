"""A canonical chat as a request of OpenAI's Responses API.

Knows what that API calls things (openai-python 3.54), what it has nothing like, and that
nothing is stored there. Must not know when it is used, nor answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.errors import InvalidRequestError
from gateway.providers.openai.apis import does_reason
from gateway.providers.openai.request import shorten_call_id
from gateway.providers.openai.responses_answer import CALLS, ENCRYPTED_FORMAT
from gateway.types import ChatRequest

_TRANSLATED = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "reasoning_effort",
        "reasoning",
        "verbosity",
        "response_format",
        "tools",
        "tool_choice",
        "logprobs",
        "top_logprobs",
        "stream_options",
        "store",
    }
)
_REFUSED = ("stop", "logit_bias", "functions", "function_call", "audio", "web_search_options")
_DROPPED = ("seed", "prediction", "frequency_penalty", "presence_penalty")
_WITHOUT_MEANING: dict[str, Any] = {"n": 1, "frequency_penalty": 0, "presence_penalty": 0}
"""What these parameters say where they say nothing."""

_CALL_ITEMS = {own: (own, kind) for kind, (own, _) in CALLS.items()}
"""Type of a canonical tool call to itself and to that of an item."""

_PARTS = {"text": "input_text", "image_url": "input_image", "file": "input_file"}


def build_body(request: ChatRequest, model: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the request's body, and the names of parameters that can't be honoured.

    Raises ``InvalidRequestError`` where leaving one out would change the meaning.
    """
    given = {
        name: value
        for name, value in request.items()
        if value is not None and (name not in _WITHOUT_MEANING or value != _WITHOUT_MEANING[name])
    }
    _check(given)
    body: dict[str, Any] = {
        name: value
        for name, value in given.items()
        if name not in _TRANSLATED and name not in _DROPPED and name != "modalities"
    }
    body |= {"model": model, "input": list(_iter_items(request["messages"]))}
    body["store"] = False
    body |= _build_limits(given) | _build_text(given) | _build_tools(given)
    include = list(_iter_included(given, model))
    if include:
        body["include"] = include
    options = given.get("stream_options") or {}
    if "include_obfuscation" in options:
        body["stream_options"] = {"include_obfuscation": options["include_obfuscation"]}
    dropped = [name for name in _DROPPED if name in given]
    if given.get("store"):
        dropped.append("store")
    if any(message.get("name") for message in request["messages"] if message["role"] != "tool"):
        dropped.append("messages.name")
    return body, tuple(dropped)


def _check(given: Mapping[str, Any]) -> None:
    refused = [name for name in _REFUSED if given.get(name)]
    if "n" in given:
        refused.append("n")
    if "audio" in (given.get("modalities") or ()):
        refused.append("modalities")
    for name in refused:
        raise InvalidRequestError(
            f"'{name}' is not supported: this model is asked by OpenAI's Responses API, which has "
            "nothing like it.",
            param=name,
            code="unsupported_parameter",
        )


def _build_limits(given: Mapping[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    limit = given.get("max_completion_tokens", given.get("max_tokens"))
    if limit is not None:
        built["max_output_tokens"] = limit
    reasoning = dict(given.get("reasoning") or {})
    if "reasoning_effort" in given:
        reasoning["effort"] = given["reasoning_effort"]
    if reasoning:
        built["reasoning"] = reasoning
    if "top_logprobs" in given:
        built["top_logprobs"] = given["top_logprobs"]
    return built


def _build_text(given: Mapping[str, Any]) -> dict[str, Any]:
    text: dict[str, Any] = {}
    if "verbosity" in given:
        text["verbosity"] = given["verbosity"]
    wanted = given.get("response_format")
    if wanted is not None:
        kind = wanted["type"]
        text["format"] = {"type": kind, **(wanted.get(kind) or {})}
    return {"text": text} if text else {}


def _build_tools(given: Mapping[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    if "tools" in given:
        built["tools"] = [_flat_tool(tool) for tool in given["tools"]]
    choice = given.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"]
        tools = [_flat(tool) for tool in allowed["tools"]]
        built["tool_choice"] = {"type": "allowed_tools", "mode": allowed["mode"], "tools": tools}
    elif choice is not None:
        built["tool_choice"] = _flat(choice) if isinstance(choice, dict) else choice
    return built


def _flat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    flat = _flat(tool)
    if flat["type"] == "function":
        # A chat's functions are not strict unless they say so, here they would be.
        return {"parameters": None, **flat, "strict": bool(flat.get("strict"))}
    given = flat.get("format")
    if isinstance(given, dict) and isinstance(given.get("grammar"), dict):
        flat["format"] = {"type": "grammar", **given["grammar"]}
    return flat


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    kind = nested["type"]
    return {"type": kind, **(nested.get(kind) or {})}


def _iter_included(given: Mapping[str, Any], model: str) -> Iterator[str]:
    if does_reason(model):
        yield "reasoning.encrypted_content"
    if given.get("logprobs"):
        yield "message.output_text.logprobs"


def _iter_items(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    custom_calls: set[str] = set()
    for message in messages:
        role = message["role"]
        if role == "assistant":
            for item in _iter_said(message):
                if item.get("type") == "custom_tool_call":
                    custom_calls.add(item["call_id"])
                yield item
        elif role == "tool":
            call_id = shorten_call_id(message["tool_call_id"])
            kind = "custom_tool_call" if call_id in custom_calls else "function_call"
            output = _build_content(message.get("content"))
            yield {"type": f"{kind}_output", "call_id": call_id, "output": output}
        else:
            yield {"role": role, "content": _build_content(message.get("content"))}


def _iter_said(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an assistant's turn: its reasoning, as far as it was kept, its words and its calls."""
    for detail in message.get("reasoning_details") or ():
        if isinstance(detail, dict) and detail.get("format") == ENCRYPTED_FORMAT:
            reasoning = {"type": "reasoning", "summary": [], "encrypted_content": detail["data"]}
            yield reasoning | ({"id": detail["id"]} if detail.get("id") else {})
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text") or part.get("refusal") or "" for part in content)
    text = content or message.get("refusal")
    if text:
        yield {"role": "assistant", "content": text}
    for call in message.get("tool_calls") or ():
        own, item_type = _CALL_ITEMS.get(call.get("type"), _CALL_ITEMS["function"])
        yield {"type": item_type, "call_id": shorten_call_id(call["id"]), **call[own]}


def _build_content(content: Any) -> Any:
    return list(map(_build_part, content)) if isinstance(content, list) else content


def _build_part(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part["type"]
    if kind not in _PARTS:
        return dict(part)  # for the upstream to judge
    fields = {name: value for name, value in part.items() if name not in ("type", kind)}
    given = part[kind]
    if kind == "image_url":
        image = given if isinstance(given, dict) else {"url": given}
        given = {"image_url": image["url"], "detail": image.get("detail") or "auto"}
    return {
        "type": _PARTS[kind],
        **fields,
        **(given if isinstance(given, dict) else {"text": given}),
    }
