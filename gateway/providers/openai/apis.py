"""By which of OpenAI's APIs a model is asked: chat completions, or Responses.

Knows the families of OpenAI's models by their names (reported refusals, recordings), and how
upstreams say that they have the other API only. Must not know how either is spoken.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.config.settings import Target
from gateway.kinds import kinds_with
from gateway.providers.base import OtherApi
from gateway.providers.openai.error_body import ErrorBody, parse_error_body
from gateway.types import ChatRequest

_NAME = re.compile(r"(?:ft:)?(?:gpt-(?P<version>\d+(?:\.\d+)?)|o\d)(?P<variant>.*)", re.DOTALL)
_RESPONSES_ONLY = re.compile(r"-(?:pro|codex|deep-research)\b")
"""Variants that chat completions don't serve."""

COMMON_EFFORTS = ("low", "medium", "high")
"""What every model that reasons takes; which takes more differs from model to model."""

_UNKNOWN_PATH = (404, 405, 501)
_ABOUT_THE_MODEL = re.compile(r"model|deployment", re.IGNORECASE)
_ABOUT_THE_PATH = re.compile(
    r"\b(?:api|ur[il]|path|route|endpoint|page|resource|handler)\b|/responses|cannot post"
    r"|^(?:file )?not found\.?$",
    re.IGNORECASE,
)
_ONLY_RESPONSES = re.compile(
    r"function tools with reasoning_effort|in /?v1/responses|responses api", re.IGNORECASE
)

_FIRST_TO_REASON = (5, 0)
_FIRST_TO_REFUSE_TOOLS = (5, 4)
"""From here on chat completions refuse function tools together with reasoning."""

_FIRST_TO_REASON_UNASKED = (5, 6)
"""From here on a request without an effort is one with reasoning (5.4 said ``none``: recorded)."""


def does_reason(model: str) -> bool:
    """Tell whether a model is known to be able to reason."""
    found = _NAME.fullmatch(model)
    if found is None or "chat" in found["variant"]:
        return False
    version: str | None = found["version"]
    return version is None or _version(version) >= _FIRST_TO_REASON


def has_apis(target: Target) -> bool:
    """Tell whether a target's kind of provider has both APIs at all."""
    return target.provider.kind in kinds_with("api")


def is_asked_by_responses(request: ChatRequest, target: Target) -> bool:
    """Tell whether a chat goes to ``target`` by the Responses API."""
    if target.api is not None or not has_apis(target):
        return target.api == "responses"
    return _needs_responses(target.model, request)


def _needs_responses(model: str, request: ChatRequest) -> bool:
    """Tell whether OpenAI serves a chat request only by its Responses API."""
    found = _NAME.fullmatch(model)
    if found is None or not does_reason(model):
        return False
    if _RESPONSES_ONLY.search(found["variant"]):
        return True
    version = _version(found["version"] or "0")
    if version < _FIRST_TO_REFUSE_TOOLS or not _has_functions(request.get("tools")):
        return False
    effort: str | None = request.get("reasoning_effort")
    return version >= _FIRST_TO_REASON_UNASKED if effort is None else effort != "none"


def find_other_api(by_responses: bool, status: int, body: bytes) -> OtherApi | None:
    """Return by which API an upstream can be asked that has refused the one that was tried.

    ``by_responses`` tells which that was. None: this was not why it refused.
    """
    error = parse_error_body(body)
    if by_responses:
        return _find_chat(status, error)
    refuses_chat = error is not None and _ONLY_RESPONSES.search(error.message) is not None
    return OtherApi("responses", True) if refuses_chat and status in (400, 404) else None


def _find_chat(status: int, error: ErrorBody | None) -> OtherApi | None:
    """Tell a path that is not there from anything else that isn't: a model, an item of the input.

    Without a word in JSON it may as well be a proxy whose server is just being replaced.
    """
    if status not in _UNKNOWN_PATH:
        return None
    if error is None:
        return OtherApi("chat", is_sure=status != 404)
    if error.param == "model" or _ABOUT_THE_MODEL.search(error.message):
        return None
    is_path = status != 404 or _ABOUT_THE_PATH.search(error.message.strip()) is not None
    return OtherApi("chat", is_sure=True) if is_path else None


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _has_functions(tools: Any) -> bool:
    if not isinstance(tools, list):
        return False
    return any(isinstance(tool, dict) and tool.get("type") == "function" for tool in tools)
