"""Sampling, length, format and choices as Gemini's ``generationConfig``.

Knows names, types and ranges on both sides (google-genai 3.6). Must not know
messages or tools. Expects a request that passed ``check_chat_request``.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.gemini.schema import clean_schema
from gateway.types import ChatRequest
from gateway.validation.fields import check_integer, unsupported_value

MAX_CHOICES = 8
"""Google's documentation of ``candidateCount``."""

_SEEDS = 2**31
"""Gemini's seeds have 32 bits, with a sign."""

_RENAMED = {
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
}
"""Of two names for one option the later one wins."""

_SERVICE_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}

NAMES = frozenset(
    {*_RENAMED, "seed", "stop", "n", "logprobs", "top_logprobs", "response_format", "service_tier"}
)
"""The parameters that are read here."""


def build_options(request: ChatRequest) -> dict[str, Any]:
    """Return ``generationConfig``; raises ``InvalidRequestError`` for what can't be honoured."""
    check_integer(request, "top_k", 1)
    options: dict[str, Any] = {
        option: request[name] for name, option in _RENAMED.items() if request.get(name) is not None
    }
    stop = _read_stop(request.get("stop"))
    if stop:
        options["stopSequences"] = stop
    if request.get("seed") is not None:
        options["seed"] = request["seed"] % _SEEDS
    if (request.get("n") or 1) > 1:
        if request["n"] > MAX_CHOICES:
            raise unsupported_value("n", f"This provider gives at most {MAX_CHOICES} choices.")
        options["candidateCount"] = request["n"]
    if request.get("logprobs"):
        options["responseLogprobs"] = True
        if request.get("top_logprobs"):
            options["logprobs"] = request["top_logprobs"]
    options.update(_build_format(request.get("response_format")))
    return options


def build_service_tier(request: ChatRequest) -> dict[str, Any]:
    """Return ``serviceTier`` where the client asks for one that there is."""
    tier = _SERVICE_TIERS.get(request.get("service_tier") or "")
    return {"serviceTier": tier} if tier else {}


def is_dropped_tier(request: ChatRequest) -> bool:
    """Tell whether a service tier was asked for that there is none of."""
    return request.get("service_tier") not in (None, "auto", *_SERVICE_TIERS)


def _build_format(response_format: dict[str, Any] | None) -> dict[str, Any]:
    if response_format is None or response_format["type"] == "text":
        return {}
    built: dict[str, Any] = {"responseMimeType": "application/json"}
    if response_format["type"] == "json_schema":
        param = "response_format.json_schema.schema"
        schema = response_format["json_schema"]["schema"]
        built["responseJsonSchema"] = clean_schema(schema, param)
    return built


def _read_stop(stop: str | list[str] | None) -> list[str]:
    """Return stop sequences without empty ones, which Gemini refuses."""
    sequences = [stop] if isinstance(stop, str) else stop or []
    return [sequence for sequence in sequences if sequence]
