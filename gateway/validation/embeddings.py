"""Checks of an embeddings request (fields as in openai-python 3.3.1).

Knows each field's type and range. Must not know any provider.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import InvalidRequestError
from gateway.types import EmbeddingsRequest
from gateway.validation.fields import (
    check_choice,
    check_integer,
    check_string,
    missing,
    require_name,
    wrong_type,
    wrong_value,
)

MAX_INPUTS = 2048


def check_embeddings_request(request: EmbeddingsRequest) -> None:
    """Check everything OpenAI's API defines; fields it doesn't know are left alone.

    ``input`` may be a string, strings, token ids, or lists of token ids. Raises
    ``InvalidRequestError`` with ``param``.
    """
    require_name(request, "model", "model")
    check_choice(request, "encoding_format", ("float", "base64"))
    check_integer(request, "dimensions", 1)
    check_string(request, "user")
    _check_input(request.get("input"))


def _check_input(value: Any) -> None:
    if value is None:
        raise missing("input")
    if isinstance(value, str):
        _check_text(value, "input")
        return
    if not isinstance(value, list):
        raise wrong_type("input", "a string or an array", value)
    if not value:
        raise InvalidRequestError(
            "`input` must hold at least one text.", param="input", code="empty_array"
        )
    if _are_tokens(value):
        return
    if len(value) > MAX_INPUTS:
        raise InvalidRequestError(
            f"`input` may hold at most {MAX_INPUTS} texts, but holds {len(value)}.",
            param="input",
            code="array_above_max_length",
        )
    for position, item in enumerate(value):
        if isinstance(item, str):
            _check_text(item, f"input[{position}]")
        elif not (isinstance(item, list) and item and _are_tokens(item)):
            raise wrong_type(f"input[{position}]", "a string or an array of token ids", item)


def _check_text(text: str, param: str) -> None:
    if not text:
        raise wrong_value(param, f"`{param}` must not be an empty string.")


def _are_tokens(values: list[Any]) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)
