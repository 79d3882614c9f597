"""The fields that Ollama's chats and completions share, as canonical ones.

Knows ``options``, ``format``, ``think`` and images (Ollama v0.33 source). Must not know messages
or prompts.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.envelope import check_model, check_stream
from gateway.validation.fields import wrong_type, wrong_value

CANONICAL_OPTIONS = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")
"""Options that OpenAI's API has by the same name."""

EFFORTS = {True: "medium", False: "none", "low": "low", "medium": "medium", "high": "high"}
EFFORTS_TOLD = "true, false, 'low', 'medium', 'high' or 'max'"

_IMAGE_TYPES = {"/9j/": "jpeg", "iVBOR": "png", "UklGR": "webp", "R0lGOD": "gif"}
"""How the base64 of each format begins."""


def read_name(request: dict[str, Any]) -> None:
    """Check ``model`` and ``stream``; older clients say ``name``. Raises InvalidRequestError."""
    if request.get("model") is None and request.get("name") is not None:
        request["model"] = request.pop("name")
    check_model(request)
    check_stream(request)


def build_parameters(request: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the canonical parameters of a request, and the names of what they can't say.

    Raises ``InvalidRequestError`` for a value of a wrong type.
    """
    parameters: dict[str, Any] = {"stream": request.get("stream") is not False}
    untranslated = _add_options(parameters, read_object(request, "options"))
    if request.get("format"):
        parameters["response_format"] = _build_format(request["format"])
    if request.get("think") is not None:
        parameters["reasoning_effort"] = _read_effort(request["think"])
    if request.get("logprobs"):
        parameters["logprobs"] = True
        parameters["top_logprobs"] = request.get("top_logprobs") or 0
    untranslated += [
        name
        for name in ("keep_alive", "truncate", "shift", "_debug_render_only")
        if request.get(name) is not None
    ]
    return parameters, tuple(untranslated)


def build_image_part(image: Any, where: str) -> dict[str, Any]:
    """Return a canonical part for an image in base64; raises ``InvalidRequestError``."""
    if not isinstance(image, str):
        raise wrong_type(where, "an image in base64, as a string", image)
    for beginning, kind in _IMAGE_TYPES.items():
        if image.startswith(beginning):
            return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{image}"}}
    raise wrong_value(
        where,
        f"`{where}` must be a JPEG, PNG, WebP or GIF image in base64, without a `data:` prefix.",
    )


def read_text(request: dict[str, Any], name: str) -> str:
    """Return a text, "" where it is missing or null; raises ``InvalidRequestError``."""
    value = request.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    return value


def read_object(request: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object, ``{}`` where it is missing or null; raises ``InvalidRequestError``."""
    value = request.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(name, "an object", value)
    return value


def read_list(request: dict[str, Any], name: str, where: str = "") -> list[Any]:
    """Return a list, ``[]`` where it is missing or null; raises ``InvalidRequestError``."""
    value = request.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_type(where or name, "a list", value)
    return value


def _add_options(parameters: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """Add what OpenAI's API has of ``options``; return the names of what it hasn't."""
    untranslated = []
    for name, value in options.items():
        if value is None:
            continue
        if name == "num_predict":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise wrong_type("options.num_predict", "a number", value)
            if value >= 1:  # others mean "no limit"
                parameters["max_tokens"] = int(value)
        elif name == "stop":
            stop = [value] if isinstance(value, str) else value
            if not isinstance(stop, list) or not all(isinstance(each, str) for each in stop):
                raise wrong_type("options.stop", "a list of strings", value)
            if stop:
                parameters["stop"] = stop
        elif name == "seed" and value == -1:
            continue  # means any
        elif name in CANONICAL_OPTIONS:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise wrong_type(f"options.{name}", "a number", value)
            parameters[name] = value
        else:
            untranslated.append(f"options.{name}")
    return untranslated


def _build_format(value: Any) -> dict[str, Any]:
    if value == "json":
        return {"type": "json_object"}
    if isinstance(value, dict):
        return {"type": "json_schema", "json_schema": {"name": "format", "schema": value}}
    raise wrong_value("format", "`format` must be 'json' or a JSON schema.")


def _read_effort(value: Any) -> str:
    if value == "max":
        return "high"
    if isinstance(value, bool | str) and value in EFFORTS:
        return EFFORTS[value]
    raise wrong_value("think", f"`think` must be {EFFORTS_TOLD}.")
