"""Sampling parameters as Ollama's ``options``, and the options a client may give itself.

Knows names, types and ranges on both sides. Must not know messages. Ollama
answers a wrong type with a 500 and reads ``num_predict: 0`` as "no limit"
(recorded), so everything is checked here. What isn't given is left out: the
model's own settings apply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.config.settings import Target
from gateway.types import ChatRequest
from gateway.validation.fields import (
    LARGEST_INTEGER,
    check_integer,
    check_number,
    check_object,
    unsupported_parameter,
    wrong_type,
    wrong_value,
)

LARGEST_SEED = 2**53
"""Seeds travel through a 64-bit float."""

CLIENT_OPTIONS = ("num_ctx", "keep_alive", "options")
"""What reloads models or holds memory: honoured with ``allow_client_options`` only."""

_RENAMED = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "top_k": "top_k",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repeat_penalty": "repeat_penalty",
}
"""Of two names for one option the later one wins."""

_INTEGERS = {
    "top_k": (0, LARGEST_INTEGER),
    "num_ctx": (4, LARGEST_INTEGER),
    "seed": (-LARGEST_SEED, LARGEST_SEED),
}
_NUMBERS = {"min_p": (0, 1), "typical_p": (0, 1), "repeat_penalty": (0, 10)}
_EXTRAS = frozenset((*_INTEGERS, *_NUMBERS, "options", "keep_alive"))
_OPTION_INTEGERS = {
    **_INTEGERS,
    "num_predict": (1, LARGEST_INTEGER),
    "num_keep": (-1, LARGEST_INTEGER),
    "repeat_last_n": (-1, LARGEST_INTEGER),
}
_OPTION_NUMBERS = {
    **_NUMBERS,
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_DURATION = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|ms|s|m|h))+)")


def build_options(request: ChatRequest, target: Target) -> dict[str, Any]:
    """Return ``options`` of a checked request; raises ``InvalidRequestError``.

    ``num_ctx`` comes from the configuration, for a change of it makes Ollama load
    the model anew.
    """
    _check_extras(request)
    options: dict[str, Any] = {}
    num_ctx = target.provider.model_settings(target.model).num_ctx
    if num_ctx is not None:
        options["num_ctx"] = num_ctx
    if target.provider.allow_client_options:
        options.update(_read_client_options(request))
    if not request.keys().isdisjoint(_RENAMED):
        for name, option in _RENAMED.items():
            if request.get(name) is not None:
                options[option] = request[name]
    stop = _read_stop(request.get("stop"))
    if stop:
        options["stop"] = stop
    return options


def _check_extras(request: ChatRequest) -> None:
    if request.keys().isdisjoint(_EXTRAS):
        return
    for name, (lowest, highest) in _NUMBERS.items():
        check_number(request, name, lowest, highest)
    for name, (minimum, maximum) in _INTEGERS.items():
        check_integer(request, name, minimum, maximum)
    check_object(request, "options")
    _check_keep_alive(request.get("keep_alive"))


def _read_client_options(request: ChatRequest) -> dict[str, Any]:
    options: Mapping[str, Any] = request.get("options") or {}
    for name in options:
        if name not in _OPTION_INTEGERS and name not in _OPTION_NUMBERS and name != "stop":
            raise unsupported_parameter(
                f"options.{name}", f"`options.{name}` is not an option that can be given here."
            )
    for name, (minimum, maximum) in _OPTION_INTEGERS.items():
        check_integer(options, name, minimum, maximum, f"options.{name}")
    for name, (lowest, highest) in _OPTION_NUMBERS.items():
        check_number(options, name, lowest, highest, f"options.{name}")
    given = {name: value for name, value in options.items() if value is not None}
    stop = given.get("stop")
    if stop is not None and not (
        isinstance(stop, list) and all(isinstance(each, str) for each in stop)
    ):
        raise wrong_type("options.stop", "an array of strings", stop)
    if request.get("num_ctx") is not None:
        given["num_ctx"] = request["num_ctx"]
    return given


def _read_stop(stop: str | list[str] | None) -> list[str]:
    """Return stop sequences without empty ones, which would end the answer at once."""
    sequences = [stop] if isinstance(stop, str) else stop or []
    return [sequence for sequence in sequences if sequence]


def _check_keep_alive(keep_alive: Any) -> None:
    if keep_alive is None:
        return
    if isinstance(keep_alive, bool) or not isinstance(keep_alive, int | float | str):
        raise wrong_type("keep_alive", "a number of seconds or a duration", keep_alive)
    if isinstance(keep_alive, str) and not _DURATION.fullmatch(keep_alive):
        raise wrong_value(
            "keep_alive", '`keep_alive` must be a number of seconds or a duration like "5m".'
        )
