"""What every request of a public API is: a JSON object that names a model.

Knows JSON's types and how OpenAI's API speaks of wrong ones. Must not know any one API's fields
beyond ``model`` and ``stream``.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import InvalidRequestError
from gateway.serialization import JSONDecodeError, loads_strict

MAX_MODEL_LENGTH = 512


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``; raises ``InvalidRequestError``."""
    if not body.strip():
        raise InvalidRequestError("The request body is empty; it must be a JSON object.")
    try:
        request = loads_strict(body)
    except JSONDecodeError as error:
        raise InvalidRequestError(
            f"The request body is not valid JSON: {error}.", code="invalid_json"
        ) from error
    if not isinstance(request, dict):
        raise InvalidRequestError(
            f"The request body must be a JSON object, not {kind_of(request)}."
        )
    return request


def check_model(request: dict[str, Any]) -> None:
    """Raise ``InvalidRequestError`` unless ``model`` may be the name of a model."""
    model = request.get("model")
    if model is None or model == "":
        raise InvalidRequestError(
            "Missing required parameter: 'model'.", param="model", code="missing_required_parameter"
        )
    if not isinstance(model, str):
        raise InvalidRequestError(
            f"'model' must be a string, not {kind_of(model)}.", param="model", code="invalid_type"
        )
    if len(model) > MAX_MODEL_LENGTH or not model.isprintable() or model != model.strip():
        raise InvalidRequestError(
            "'model' must be the name of a model: at most "
            f"{MAX_MODEL_LENGTH} printable characters, without spaces around it.",
            param="model",
            code="invalid_value",
        )


def check_stream(request: dict[str, Any]) -> None:
    """Raise ``InvalidRequestError`` unless ``stream``, where it is given, is true or false."""
    if not isinstance(request.get("stream"), bool | None):
        raise InvalidRequestError(
            f"'stream' must be true or false, not {kind_of(request['stream'])}.",
            param="stream",
            code="invalid_type",
        )


def kind_of(value: Any) -> str:
    """Name a JSON value's type as a reader of JSON knows it."""
    kinds = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return "null" if value is None else kinds.get(type(value), "a number")
