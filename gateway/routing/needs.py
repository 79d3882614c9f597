"""What a request needs of a model, and whether a target has it.

Knows OpenAI's chat requests and the names of capabilities. Must not know
providers' formats. What nobody tells counts as able: this spares a client an
error where another target would do, and never shuts out the only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from gateway.config.settings import Target
from gateway.serialization import dumps
from gateway.types import ChatRequest, ModelInfo

BYTES_PER_TOKEN = 6
"""More than usual text has, so that no prompt is taken for longer than it is."""

SMALL_PROMPT_TOKENS = 2048
"""No model of today has a shorter context, so up to here nobody has to be asked for it."""

_TOLD_BY_PROVIDERS = frozenset({"tools", "vision", "audio", "thinking"})
"""Of the names of capabilities, those that a provider's own list has."""

_PARTS = {"image_url": "vision", "input_audio": "audio"}
_NO_REASONING = (None, False, "none")


class Needs(NamedTuple):
    """The capabilities a request needs, and the tokens its prompt has at the very least."""

    capabilities: frozenset[str]
    prompt_tokens: int


def needs_of(request: ChatRequest) -> Needs:
    """Return what a chat request needs; one that was checked."""
    capabilities = set()
    size = 0
    for message in request["messages"]:
        content = message.get("content")
        if isinstance(content, str):
            size += _size(content)
            continue
        for part in content or ():
            if part["type"] in _PARTS:
                capabilities.add(_PARTS[part["type"]])
            else:
                size += _size(part.get("text") or "")
    tools = request.get("tools") or request.get("functions")
    if tools:
        capabilities.add("tools")
        size += len(dumps(tools))
    if (request.get("response_format") or {}).get("type") == "json_schema":
        capabilities.add("json_schema")
    if _asks_for_reasoning(request):
        capabilities.add("thinking")
    return Needs(frozenset(capabilities), size // BYTES_PER_TOKEN)


def can_serve(target: Target, info: ModelInfo | None, needs: Needs) -> bool:
    """Tell whether a target is able, by the configuration, else by what its provider tells.

    The capabilities of the configuration are all that it has. A provider's own list
    says nothing of JSON schemas.
    """
    return _has(target, info, needs.capabilities) and _holds(target, info, needs.prompt_tokens)


def needs_model_info(target: Target, needs: Needs) -> bool:
    """Tell whether the provider has to be asked before ``can_serve``, for that may take time."""
    return (bool(needs.capabilities & _TOLD_BY_PROVIDERS) and target.capabilities is None) or (
        needs.prompt_tokens > SMALL_PROMPT_TOKENS and target.context_length is None
    )


def able_targets(
    targets: Sequence[Target],
    request: ChatRequest,
    model_info: Callable[[Target], ModelInfo | None],
) -> list[Target]:
    """Return those of ``targets`` that are able to take a chat request, in their order.

    Of targets none of which is able, the first: what it says is what the client
    gets. ``model_info`` is only asked where the configuration doesn't tell.
    """
    if len(targets) == 1:
        return list(targets)
    needs = needs_of(request)
    able = [
        target
        for target in targets
        if can_serve(target, model_info(target) if needs_model_info(target, needs) else None, needs)
    ]
    return able or list(targets[:1])


def _has(target: Target, info: ModelInfo | None, needed: frozenset[str]) -> bool:
    if not needed:
        return True
    configured = target.capabilities
    if configured is not None:
        return needed <= configured
    told = info.capabilities if info is not None else None
    return told is None or needed & _TOLD_BY_PROVIDERS <= told


def _holds(target: Target, info: ModelInfo | None, tokens: int) -> bool:
    length = target.context_length
    if length is None and info is not None:
        length = info.context_length
    return length is None or tokens <= length


def _asks_for_reasoning(request: ChatRequest) -> bool:
    """Tell whether reasoning is asked for, in OpenAI's way or one of local clients."""
    reasoning = request.get("reasoning")
    efforts: Iterable[Any] = (
        request.get("reasoning_effort"),
        request.get("think"),
        reasoning.get("effort") if isinstance(reasoning, dict) else None,
    )
    return any(effort not in _NO_REASONING for effort in efforts)


def _size(text: str) -> int:
    """Return how many bytes a text has as UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
