"""Checks of a chat-completion request as a whole (fields as in openai-python 3.3.1).

Knows each field's type and range and which fields depend on others. Must not
know any provider.
"""

from __future__ import annotations

from typing import Any

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

_BOOLEANS = ("stream", "logprobs", "store", "parallel_tool_calls")
_STRINGS = (
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
)
_OBJECTS = (
    "metadata",
    "stream_options",
    "audio",
    "prediction",
    "web_search_options",
    "prompt_cache_options",
)
_NUMBERS = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_INTEGERS = {
    "max_tokens": (1, LARGEST_INTEGER),
    "max_completion_tokens": (1, LARGEST_INTEGER),
    "n": (1, MAX_CHOICES),
    "seed": (-(2**63), 2**63 - 1),
    "top_logprobs": (0, 20),
}
_CHOICES = {"reasoning_effort": REASONING_EFFORTS, "verbosity": ("low", "medium", "high")}


def check_chat_request(request: ChatRequest) -> None:
    """Check everything OpenAI's API defines; fields it doesn't know are left alone.

    Raises ``InvalidRequestError`` with ``param`` for the first thing that is wrong.
    """
    require_name(request, "model", "model")
    for name in _BOOLEANS:
        check_boolean(request, name)
    for name in _STRINGS:
        check_string(request, name)
    for name in _OBJECTS:
        check_object(request, name)
    for name, (lowest, highest) in _NUMBERS.items():
        check_number(request, name, lowest, highest)
    for name, (minimum, maximum) in _INTEGERS.items():
        check_integer(request, name, minimum, maximum)
    for name, allowed in _CHOICES.items():
        check_choice(request, name, allowed)
    _check_stop(request.get("stop"))
    _check_stream_options(request)
    _check_logprobs(request)
    _check_logit_bias(request)
    _check_modalities(request.get("modalities"))
    _check_metadata(request.get("metadata"))
    _check_response_format(request)
    check_tools(request)
    check_messages(request.get("messages"))


def _check_stop(stop: Any) -> None:
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


def _check_stream_options(request: ChatRequest) -> None:
    options = request.get("stream_options")
    if options is None:
        return
    if request.get("stream") is not True:
        raise unsupported_parameter(
            "stream_options", "`stream_options` may only be given with `stream` set to true."
        )
    for name in ("include_usage", "include_obfuscation"):
        check_boolean(options, name, f"stream_options.{name}")


def _check_logprobs(request: ChatRequest) -> None:
    if request.get("top_logprobs") is not None and request.get("logprobs") is not True:
        raise wrong_value("top_logprobs", "`top_logprobs` needs `logprobs` set to true.")


def _check_logit_bias(request: ChatRequest) -> None:
    check_object(request, "logit_bias")
    bias = request.get("logit_bias") or {}
    for token in bias:
        check_number(bias, token, -100, 100, f"logit_bias.{token}")


def _check_modalities(modalities: Any) -> None:
    if modalities is None:
        return
    if not isinstance(modalities, list):
        raise wrong_type("modalities", "an array of strings", modalities)
    for position, modality in enumerate(modalities):
        if modality not in ("text", "audio"):
            param = f"modalities[{position}]"
            raise wrong_value(param, f'`{param}` must be "text" or "audio".')


def _check_metadata(metadata: dict[str, Any] | None) -> None:
    for name in metadata or {}:
        check_string(metadata or {}, name, f"metadata.{name}")


def _check_response_format(request: ChatRequest) -> None:
    check_object(request, "response_format")
    response_format = request.get("response_format")
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
