"""Checks of a chat-completion request as a whole (fields as in openai-python 3.3.1).

Knows each field's type and range and which fields depend on others. Must not
know any provider.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.errors import InvalidRequestError
from gateway.types import ChatRequest
from gateway.validation.fields import (
    LARGEST_INTEGER,
    check_boolean,
    check_choice,
    check_integer,
    check_number,
    check_object,
    check_string,
    missing,
    require_name,
    require_object,
    unsupported_parameter,
    wrong_type,
    wrong_value,
)
from gateway.validation.messages import check_messages
from gateway.validation.tools import check_tools

REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MAX_STOP_SEQUENCES = 4
MAX_CHOICES = 128

_Check = Callable[[ChatRequest, str], None]


def check_chat_request(request: ChatRequest) -> None:
    """Check everything OpenAI's API defines; fields it doesn't know are left alone.

    Raises ``InvalidRequestError`` with ``param`` for the first thing that is wrong.
    """
    require_name(request, "model", "model")
    # Of some forty fields a request has five: look at those that are there.
    for name in request:
        check = _CHECKS.get(name)
        if check is not None:
            check(request, name)
    check_messages(request.get("messages"))


def _in_range(check: Callable[..., None], lowest: float, highest: float) -> _Check:
    return lambda request, name: check(request, name, lowest, highest)


def _one_of(*allowed: str) -> _Check:
    return lambda request, name: check_choice(request, name, allowed)


def _check_stop(request: ChatRequest, name: str) -> None:
    stop = request[name]
    if stop is None or isinstance(stop, str):
        return
    if not isinstance(stop, list):
        raise wrong_type("stop", "a string or an array of strings", stop)
    for position, sequence in enumerate(stop):
        if not isinstance(sequence, str):
            raise wrong_type(f"stop[{position}]", "a string", sequence)
    if len(stop) > MAX_STOP_SEQUENCES:
        raise InvalidRequestError(
            f"`stop` may hold at most {MAX_STOP_SEQUENCES} sequences, but holds {len(stop)}.",
            param="stop",
            code="array_above_max_length",
        )


def _check_stream_options(request: ChatRequest, name: str) -> None:
    check_object(request, name)
    options = request[name]
    if options is None:
        return
    if request.get("stream") is not True:
        raise unsupported_parameter(
            "stream_options", "`stream_options` may only be given with `stream` set to true."
        )
    for name in ("include_usage", "include_obfuscation"):
        check_boolean(options, name, f"stream_options.{name}")


def _check_top_logprobs(request: ChatRequest, name: str) -> None:
    check_integer(request, name, 0, 20)
    if request.get("top_logprobs") is not None and request.get("logprobs") is not True:
        raise wrong_value("top_logprobs", "`top_logprobs` needs `logprobs` set to true.")


def _check_logit_bias(request: ChatRequest, name: str) -> None:
    check_object(request, name)
    bias = request[name] or {}
    for token in bias:
        check_number(bias, token, -100, 100, f"logit_bias.{token}")


def _check_modalities(request: ChatRequest, name: str) -> None:
    modalities = request[name]
    if modalities is None:
        return
    if not isinstance(modalities, list):
        raise wrong_type("modalities", "an array of strings", modalities)
    for position, modality in enumerate(modalities):
        if modality not in ("text", "audio"):
            param = f"modalities[{position}]"
            raise wrong_value(param, f'`{param}` must be "text" or "audio".')


def _check_metadata(request: ChatRequest, name: str) -> None:
    check_object(request, name)
    metadata = request[name] or {}
    for key in metadata:
        check_string(metadata, key, f"metadata.{key}")


def _check_response_format(request: ChatRequest, name: str) -> None:
    check_object(request, name)
    response_format = request[name]
    if response_format is None:
        return
    kind = require_name(response_format, "type", "response_format.type")
    check_choice(
        response_format, "type", ("text", "json_object", "json_schema"), "response_format.type"
    )
    if kind != "json_schema":
        return
    param = "response_format.json_schema"
    json_schema = require_object(response_format, "json_schema", param)
    check_string(json_schema, "name", f"{param}.name")
    check_string(json_schema, "description", f"{param}.description")
    check_boolean(json_schema, "strict", f"{param}.strict")
    if json_schema.get("schema") is None:
        raise missing(f"{param}.schema")
    check_object(json_schema, "schema", f"{param}.schema")


def _check_all_tools(request: ChatRequest, name: str) -> None:
    check_tools(request)


_CHECKS: dict[str, _Check] = {
    **dict.fromkeys(("stream", "logprobs", "store", "parallel_tool_calls"), check_boolean),
    **dict.fromkeys(
        (
            "user",
            "safety_identifier",
            "service_tier",
            "prompt_cache_key",
            "prompt_cache_retention",
        ),
        check_string,
    ),
    **dict.fromkeys(
        ("audio", "prediction", "web_search_options", "prompt_cache_options"), check_object
    ),
    **dict.fromkeys(("tools", "tool_choice", "functions", "function_call"), _check_all_tools),
    "temperature": _in_range(check_number, 0, 2),
    "top_p": _in_range(check_number, 0, 1),
    "frequency_penalty": _in_range(check_number, -2, 2),
    "presence_penalty": _in_range(check_number, -2, 2),
    "max_tokens": _in_range(check_integer, 1, LARGEST_INTEGER),
    "max_completion_tokens": _in_range(check_integer, 1, LARGEST_INTEGER),
    "n": _in_range(check_integer, 1, MAX_CHOICES),
    "seed": _in_range(check_integer, -(2**63), 2**63 - 1),
    "top_logprobs": _check_top_logprobs,
    "reasoning_effort": _one_of(*REASONING_EFFORTS),
    "verbosity": _one_of("low", "medium", "high"),
    "stop": _check_stop,
    "stream_options": _check_stream_options,
    "logit_bias": _check_logit_bias,
    "modalities": _check_modalities,
    "metadata": _check_metadata,
    "response_format": _check_response_format,
}
"""Field to its check, which is called with the request and the field's name."""
