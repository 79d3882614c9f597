"""What only Gemini's API can say, passed through: ``extra_body.google`` and its own names.

Knows where Google's own OpenAI layer takes such settings, and which fields of
Gemini's API (google-genai 3.6) a client may set. Must not know what they do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.types import ChatRequest
from gateway.validation.fields import (
    check_object,
    unsupported_parameter,
    wrong_type,
    wrong_value,
)

NAMES = frozenset(
    {
        "extra_body",
        "google",
        "generation_config",
        "generationConfig",
        "safety_settings",
        "safetySettings",
        "cached_content",
        "cachedContent",
        "thinking_config",
        "thinkingConfig",
        "labels",
    }
)
"""The parameters that are read here."""

_OF_CONFIG = frozenset(
    {
        "thinkingConfig",
        "mediaResolution",
        "responseModalities",
        "speechConfig",
        "imageConfig",
        "audioTimestamp",
        "routingConfig",
        "modelSelectionConfig",
        "enableEnhancedCivicAnswers",
        "topK",
    }
)
_OF_OTHERS = frozenset(
    {"cachedContent", "routingConfig", "modelSelectionConfig", "modelArmorConfig"}
)
"""What names things that are the gateway's, or goes to other models than were asked for."""

_OPEN_TOOLS = frozenset(
    {"googleSearch", "googleMaps", "codeExecution", "urlContext", "enterpriseWebSearch"}
)
"""Tools that read nothing of the gateway's own."""

_NOT_FOR_CLIENTS = frozenset({"contents", "model", "systemInstruction"})
_UNDERSCORE = re.compile(r"_([a-z])")


def add_extras(body: dict[str, Any], request: ChatRequest, *, all_allowed: bool) -> None:
    """Add a request's Gemini settings to ``body``; raises ``InvalidRequestError``.

    What OpenAI's parameters have said already can't be said again in other words.
    Unless ``all_allowed``, nothing that is the gateway's own can be named.
    """
    if NAMES.isdisjoint(request):
        return
    for param, name, value in _iter_given(request):
        if name in _NOT_FOR_CLIENTS:
            raise unsupported_parameter(param, f"`{param}` is made of OpenAI's parameters.")
        _check_allowed(name, value, param, all_allowed)
        if name == "generationConfig":
            for inner, setting in _camel_keys(_require_object(value, param)).items():
                _check_allowed(inner, setting, f"{param}.{inner}", all_allowed)
                _set(body, "generationConfig", inner, setting, f"{param}.{inner}")
        elif name in _OF_CONFIG:
            _set(body, "generationConfig", name, value, param)
        elif name == "tools":
            if not isinstance(value, list):
                raise wrong_type(param, "an array", value)
            body["tools"] = [*body.get("tools", ()), *value]
        else:
            _set(body, None, name, value, param)


def _iter_given(request: ChatRequest) -> list[tuple[str, str, Any]]:
    """Return (where it stands, Gemini's name, value) of every setting that is given."""
    check_object(request, "extra_body")
    extra: dict[str, Any] = request.get("extra_body") or {}
    check_object(extra, "google", "extra_body.google")
    check_object(request, "google")
    given = [
        (f"{place}.{name}", _camel(name), value)
        for place, settings in (
            ("extra_body.google", extra.get("google")),
            ("google", request.get("google")),
        )
        for name, value in (settings or {}).items()
    ]
    given += [
        (name, _camel(name), request[name])
        for name in sorted(NAMES - {"extra_body", "google"})
        if name in request
    ]
    return [(param, name, value) for param, name, value in given if value is not None]


def _check_allowed(name: str, value: Any, param: str, all_allowed: bool) -> None:
    if all_allowed:
        return
    tools = value if name == "tools" and isinstance(value, list) else []
    kinds = {_camel(kind) for tool in tools if isinstance(tool, dict) for kind in tool}
    if name in _OF_OTHERS or not kinds <= _OPEN_TOOLS:
        raise unsupported_parameter(
            param, f"`{param}` names what this gateway does not let clients choose."
        )


def _set(body: dict[str, Any], section: str | None, name: str, value: Any, param: str) -> None:
    place = body if section is None else body.setdefault(section, {})
    if name == "thinkingConfig":
        asked = _camel_keys(_require_object(value, param))
        known = place.get(name, {})
        if any(asked[each] != known[each] for each in asked.keys() & known.keys()) or (
            _steers(asked) and _steers(known)
        ):
            raise wrong_value(param, f"`{param}` contradicts another parameter: give only one.")
        place[name] = {**known, **asked}
    elif name in place:
        raise wrong_value(param, f"`{param}` is set by another parameter too: give only one.")
    else:
        place[name] = value


def _steers(thinking: Mapping[str, Any]) -> bool:
    return "thinkingBudget" in thinking or "thinkingLevel" in thinking


def _require_object(value: Any, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong_type(param, "an object", value)
    return value


def _camel_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {_camel(name): value for name, value in settings.items()}


def _camel(name: str) -> str:
    """Return Google's JSON name of a field, which may be spelt either way."""
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name)
