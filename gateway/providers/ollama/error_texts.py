"""The texts of Ollama's errors, which are all it tells, and what each of them means.

Knows the texts of Ollama v0.25 and v0.33 (source, most of them recorded). Must
not know statuses: Ollama's 500 is often the client's mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.config.settings import Target
from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)

BUSY_RETRY_AFTER = 1.0
"""Seconds; Ollama itself says nothing of it when its queue is full."""

Build = Callable[[Target], GatewayError]


def match_error_text(text: str, target: Target) -> GatewayError | None:
    """Return the error a text stands for, or None if it isn't known."""
    for pattern, build in _TEXTS:
        if pattern.search(text):
            return build(target)
    return None


def _invalid(message: str, param: str | None = None, code: str | None = None) -> Build:
    """Return a builder; ``{model}`` in the message becomes the client's name of the model."""

    def build(target: Target) -> GatewayError:
        text = message.replace("{model}", f"`{target.requested_model}`")
        return InvalidRequestError(text, param=param, code=code)

    return build


def _broken(message: str, should_retry: bool | None = None) -> Build:
    """Return a builder for a failure of the provider, whose name stands before ``message``."""

    def build(target: Target) -> GatewayError:
        name = target.provider.name
        return UpstreamError(f"The provider `{name}` {message}", should_retry=should_retry)

    return build


def _lacks(what: str, param: str) -> Build:
    code = (
        "unsupported_parameter" if param in ("reasoning_effort", "suffix") else "unsupported_value"
    )
    return _invalid(f"The model {{model}} does not support {what}.", param, code)


def _no_such_model(target: Target) -> GatewayError:
    return NotFoundError(
        f"The model `{target.requested_model}` does not exist.",
        param="model",
        code="model_not_found",
    )


def _busy(target: Target) -> GatewayError:
    return ServiceUnavailableError(
        f"The provider `{target.provider.name}` is busy.", retry_after=BUSY_RETRY_AFTER
    )


def _out_of_memory(target: Target) -> GatewayError:
    return ServiceUnavailableError(
        f"The provider has too little memory for the model `{target.requested_model}`.",
        should_retry=False,
    )


def _slow_to_load(target: Target) -> GatewayError:
    return UpstreamTimeoutError(
        f"The provider took too long to load the model `{target.requested_model}`."
    )


_TEXTS: tuple[tuple[re.Pattern[str], Build], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), build)
    for pattern, build in (
        # The conversation and the model.
        (
            r"exceed_context_size|exceeds? the (available |model's maximum )?context"
            r"|prompt is longer than the context",
            _invalid(
                "The request is longer than the context of the model {model}: shorten it.",
                code="context_length_exceeded",
            ),
        ),
        (r"^model .* not found|^invalid model name", _no_such_model),
        (r"^model is required", _invalid("`model` is required.", "model")),
        (r"does not support tools", _lacks("tools", "tools")),
        (r"does not support thinking", _lacks("reasoning", "reasoning_effort")),
        (r"does not support insert", _lacks("text after the answer", "suffix")),
        (r"does not support (chat|generate|completion)", _lacks("chat", "model")),
        (r"does not support embedding", _lacks("embeddings", "model")),
        (r"does not support (image|vision|multimodal)", _lacks("images", "messages")),
        (r"does not support audio", _lacks("audio", "messages")),
        (
            r"unknown format|failed to process inputs|invalid image|illegal base64",
            _invalid(
                "An image can't be read: send JPEG, PNG or WebP.", "messages", "invalid_value"
            ),
        ),
        # Single parameters.
        (
            r"^option \S+ must be of type",
            _invalid("An option is of the wrong type.", "options", "invalid_type"),
        ),
        (
            r"^invalid format|invalid JSON schema in format|failed to parse grammar",
            _invalid(
                "The model {model} can't follow this `response_format`.",
                "response_format",
                "invalid_value",
            ),
        ),
        (
            r"^top_logprobs must be",
            _invalid("`top_logprobs` must be between 0 and 20.", "top_logprobs", "invalid_value"),
        ),
        # The model's answer and its server.
        (
            r"failed to parse JSON|error parsing tool call|tool call pars",
            _broken("could not read the tool call its model wrote.", should_retry=False),
        ),
        (
            r"token repeat limit",
            _broken("stopped its model, which repeated itself without end."),
        ),
        (
            r"requires more system memory|requires more .*memory|out of memory",
            _out_of_memory,
        ),
        (r"server busy|maximum pending requests", _busy),
        (r"timed out waiting for (llama|the)", _slow_to_load),
        (
            r"process has terminated|model failed to load|unexpectedly stopped",
            _broken("lost its model: it failed to load, or stopped."),
        ),
        (
            r"error was encountered while running the model",
            _broken("lost its model while it was answering."),
        ),
        (r"^template: ", _broken("could not apply its model's template.", should_retry=False)),
        (r"^request canceled", _broken("gave up the request.")),
        # What this gateway never sends, unless it has a defect.
        (
            r"cannot unmarshal|invalid character|missing request body|looks like object"
            r"|unexpected end of JSON",
            _invalid("The provider could not read the request."),
        ),
    )
)
