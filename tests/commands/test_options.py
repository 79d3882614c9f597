"""Any text on the command line is a field's value, or said to be wrong."""

from __future__ import annotations

import json

import click
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.keys.schemas import KeySchema, load_fields
from gateway.commands.options import read_options
from gateway.errors import InvalidRequestError

_NAMES = ("budget", "expires", "models", "metadata", "max_concurrency", "priority", "soft_limit")
_TEXTS = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"\$?[0-9]{1,20}(\.[0-9]{1,9})?( ?tokens?)?/[a-z]{3,6}", fullmatch=True),
    st.from_regex(r"[0-9]{1,30}[smhdw]?", fullmatch=True),
)


@given(st.dictionaries(st.sampled_from(_NAMES), _TEXTS))
def test_any_option_is_read_or_said_to_be_wrong(given_options: dict[str, str]) -> None:
    try:
        fields = load_fields(KeySchema(partial=True), read_options(dict(given_options)))
    except (click.BadParameter, InvalidRequestError):
        return
    assert set(fields) <= {"expires_at" if name == "expires" else name for name in given_options}
    assert json.dumps(fields, default=str)
