"""What the structure of ``gateway.yaml`` is made of: readers of values, and marshmallow's fields.

Knows marshmallow and how a wrong value is told. Must not know any one setting.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

from gateway.config import values
from gateway.config.document import InterpolatedText


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean NAME?`` if one of ``known`` is near, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def shown(value: Any) -> str:
    """Return how a wrong value is told to people; what came from the environment is not."""
    if isinstance(value, InterpolatedText):
        return repr(value.written)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def read_text(parse: Callable[[str], str]) -> Callable[[Any], str]:
    """Return a reader of text that ``parse`` checks."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text; put it in quotes")
        return parse(value)

    return read


def read_choice(what: str, choices: Collection[str]) -> Callable[[Any], str]:
    """Return a reader of one of ``choices``, each a ``what`` such as ``strategy``."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            near = suggest(value, choices) if isinstance(value, str) else ""
            raise ValueError(f"{shown(value)} is no {what} ({', '.join(choices)}){near}")
        return str(value)

    return read


def read_integer(minimum: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers of ``minimum`` or more."""

    def read(value: Any) -> int:
        number = value
        if isinstance(value, InterpolatedText) and re.fullmatch("[0-9]{1,18}", value):
            number = int(value)
        if not isinstance(number, int) or isinstance(number, bool) or number < minimum:
            raise ValueError(f"{shown(value)} is not a whole number of {minimum} or more")
        return number

    return read


def read_number(what: str, *, or_zero: bool = False) -> Callable[[Any], float]:
    """Return a reader of finite numbers above zero, or from zero on, called ``what``."""
    wanted = f"{what} of 0 or more" if or_zero else f"{what} above 0"

    def read(value: Any) -> float:
        number = _as_number(value)
        if number is None:
            raise ValueError(f"{shown(value)} is not {what}")
        if not math.isfinite(number) or number < 0 or (number == 0 and not or_zero):
            raise ValueError(f"{shown(value)} is not {wanted}")
        return number

    return read


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | InterpolatedText):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return None


def read_size(value: Any) -> int:
    """Read a number of bytes, or text such as ``256 MiB``."""
    text = value if isinstance(value, str) else str(value)
    try:
        return values.parse_size(text)
    except ValueError:
        message = f"{shown(value)} is not a size; write e.g. 268435456 or 256 MiB"
        raise ValueError(message) from None


def read_switch(value: Any) -> bool:
    """Read true or false; from the environment, ``on`` and ``off``, too."""
    if isinstance(value, InterpolatedText):
        return values.parse_switch(value)
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


read_seconds = read_number("a number of seconds")


_NULL = "is empty; give a value or leave it out"


class Settings(fields.Nested):
    """Settings that belong together, checked by a schema of their own."""

    default_error_messages = {"null": _NULL}  # noqa: RUF012 - marshmallow's own class attribute


class Value(fields.Field[Any]):
    """One value, read by a function that raises ``ValueError``."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own class attribute
        "null": _NULL,
        "required": "is missing",
    }

    def __init__(self, read: Callable[[Any], Any], *, required: bool = False) -> None:
        super().__init__(required=required)
        self.read = read

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        try:
            return self.read(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class Values(fields.List[Any]):
    """A list with at least one item: a field, or what a reader of single values reads."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own class attribute
        "null": _NULL,
        "invalid": "must be a list",
    }

    def __init__(self, item: Callable[[Any], Any] | fields.Field[Any]) -> None:
        field = item if isinstance(item, fields.Field) else Value(item)
        super().__init__(field, validate=self._check_length)

    def _check_length(self, items: list[Any]) -> None:
        if not items:
            raise ValidationError("must have at least one item")


class Entries(fields.Field[dict[str, Any]]):
    """A mapping of free names to values of one shape; errors are keyed by the names alone."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own class attribute
        "null": _NULL,
        "invalid": "must be a mapping (name: value)",
    }

    def __init__(self, entry: fields.Field[Any], check_name: Callable[[str], object]) -> None:
        super().__init__()
        self.entry = entry
        self.check_name = check_name

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        valid: dict[str, Any] = {}
        problems: dict[str | int, Any] = {}
        for name, entry in value.items():
            try:
                self.check_name(name)
                valid[name] = self.entry.deserialize(entry)
            except ValidationError as error:
                problems[name] = error.messages
                if error.valid_data is not None:
                    valid[name] = error.valid_data
            except ValueError as error:
                problems[name] = [str(error)]
        if problems:
            raise ValidationError(problems, valid_data=valid)
        return valid


class StrictSchema(Schema):
    """A mapping of known settings; an unknown one is told together with the one that was meant."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {"type": "must be a mapping (setting: value)"}  # noqa: RUF012 - as above

    def describe_unknown(self, name: str) -> str:
        """Return what is wrong with a setting that there is not."""
        return f"unknown setting{suggest(name, self.fields)}"

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_unknown(self, data: Any, original_data: Any, **kwargs: Any) -> None:
        if not isinstance(original_data, Mapping):
            return
        problems: dict[str | int, Any] = {
            name: [self.describe_unknown(name)] for name in original_data if name not in self.fields
        }
        if problems:
            raise ValidationError(problems)
