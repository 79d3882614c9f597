"""A whole completion, made what OpenAI's clients read whoever sends it.

Knows what an answer and its messages have to have. Must not know bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.openai.envelope import COMPLETION, complete_envelope, read_envelope
from gateway.providers.openai.finish_reasons import read_finish_reason
from gateway.providers.openai.logprobs import read_logprobs
from gateway.providers.openai.message_fields import drop_malformed
from gateway.providers.openai.reasoning import move_reasoning, split_think
from gateway.providers.openai.tool_calls import complete_calls
from gateway.providers.openai.usage import find_usage
from gateway.serialization import dumps_ascii
from gateway.types import ChatCompletion


def normalise_completion(answer: ChatCompletion, model: str) -> bool:
    """Put a completion right in place; tells whether anything had to change.

    ``answer["choices"]`` is a list of objects; ``model`` is the name where it tells none.
    Raises ``UpstreamError`` for a choice without a message, or one that tells of a failure.
    """
    is_changed = complete_envelope(answer, read_envelope(answer, COMPLETION, model))
    for position, choice in enumerate(answer["choices"]):
        is_changed |= _complete_choice(choice, position)
    usage = find_usage(answer)
    if usage is None:
        return answer.pop("usage", None) is not None or is_changed
    if usage is not answer.get("usage"):
        answer["usage"] = usage
        is_changed = True
    return is_changed


def open_result(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the completion inside ``{"result": …, "success": true}``, Cloudflare's own envelope.

    Anything else is returned as it is.
    """
    result = answer.get("result")
    if "choices" in answer or not isinstance(result, dict):
        return answer
    if "choices" in result or "response" not in result:
        return result
    message = read_response(result)
    return {"choices": [{"index": 0, "message": message}], "usage": result.get("usage")}


def read_response(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message, or delta, that Cloudflare's own ``response`` and ``tool_calls`` are."""
    said = result["response"]
    text = said if isinstance(said, str | None) else dumps_ascii(said).decode("ascii")
    calls = [
        call if "function" in call else {"function": call}
        for call in result.get("tool_calls") or ()
        if isinstance(call, dict)
    ]
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}


def _complete_choice(choice: dict[str, Any], position: int) -> bool:
    is_changed = False
    message = choice.get("message")
    if message is None and isinstance(choice.get("text"), str):
        message = choice["message"] = {"role": "assistant", "content": choice["text"]}
        is_changed = True
    if not isinstance(message, dict):
        raise UpstreamError("The provider's answer has a choice without a message.")
    if choice.get("index") != position or isinstance(choice["index"], bool):
        choice["index"] = position
        is_changed = True
    is_changed |= _complete_message(message)
    told = choice.get("finish_reason")
    has_calls = bool(message.get("tool_calls"))
    reason = read_finish_reason(told, has_calls) or ("tool_calls" if has_calls else "stop")
    if reason != told:
        choice["finish_reason"] = reason
        is_changed = True
    if choice.get("logprobs") is not None:
        logprobs = read_logprobs(choice["logprobs"])
        is_changed |= logprobs is not choice["logprobs"]
        choice["logprobs"] = logprobs
    return is_changed


def _complete_message(message: dict[str, Any]) -> bool:
    is_changed = _drop_empty(message)
    if message.get("role") != "assistant":
        message["role"] = "assistant"
        is_changed = True
    if message.get("tool_calls"):
        is_changed |= complete_calls(message["tool_calls"])
    is_changed |= move_reasoning(message)
    content = message.get("content")
    if content:
        text, thought = split_think(content)
        if thought or text != content:
            message["content"] = text
            message["reasoning_content"] = (message.get("reasoning_content") or "") + thought
            is_changed = True
    elif "content" not in message:
        message["content"] = None
        is_changed = True
    return is_changed


def _drop_empty(message: dict[str, Any]) -> bool:
    """Take out what says nothing but looks as if it did (Snowflake, recorded)."""
    call, audio = message.get("function_call"), message.get("audio")
    names = []
    if "function_call" in message and not (isinstance(call, dict) and call.get("name")):
        names += [] if call is None else ["function_call"]
    if audio is not None and not (isinstance(audio, dict) and audio.get("id")):
        names.append("audio")
    if message.get("refusal") == "":
        names.append("refusal")
    for name in names:
        del message[name]
    is_changed = drop_malformed(message) or bool(names)
    call = message.get("function_call")
    if call is not None and not call.get("arguments"):
        call["arguments"] = "{}"
        return True
    return is_changed
