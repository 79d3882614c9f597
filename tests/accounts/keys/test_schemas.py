"""Whatever JSON an admin sends: it is taken, or refused by the name of a field."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema

from gateway.accounts.keys.records import describe_budget, to_columns
from gateway.accounts.keys.schemas import KeySchema, RotationSchema, TenantSchema, load_fields
from gateway.errors import InvalidRequestError

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["fast", "10.0.0.0/8", "5/minute", "2030-01-01T00:00:00Z", "month", "admin"]),
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["usd", "tokens", "per", "soft_limit", "x"]), inner),
    ),
    max_leaves=8,
)
_BODIES = st.dictionaries(st.sampled_from([*KeySchema().fields, "id", "x"]), _JSON, max_size=6)


@given(_BODIES)
def test_any_key_is_stored_or_refused_by_a_fields_name(body: dict[str, Any]) -> None:
    check(KeySchema(), {"name": "a", **body})


@given(_BODIES)
def test_any_change_is_stored_or_refused_by_a_fields_name(body: dict[str, Any]) -> None:
    check(KeySchema(partial=True), body)
    check(TenantSchema(partial=True), body)


@given(st.one_of(_JSON, st.dictionaries(st.just("overlap_seconds"), _JSON)))
def test_any_rotation_is_taken_or_refused(body: Any) -> None:
    taken = load(RotationSchema(), body)
    if isinstance(taken, dict):
        assert 0 <= taken["overlap_seconds"] <= 30 * 86_400


def check(schema: Schema, body: dict[str, Any]) -> None:
    taken = load(schema, body)
    if isinstance(taken, InvalidRequestError):
        assert taken.param
        assert taken.param.partition(".")[0].partition("[")[0] in body
        assert taken.message.startswith(taken.param)
        return
    columns = to_columns(taken)
    assert all(value is None or isinstance(value, str | int | float) for value in columns.values())
    if taken.get("budget") is not None:
        again = load(schema, {"name": "a", "budget": describe_budget(taken["budget"])})
        assert isinstance(again, dict)
        assert again["budget"] == taken["budget"]


def load(schema: Schema, body: Any) -> dict[str, Any] | InvalidRequestError:
    """Return what was taken, or how it was refused."""
    try:
        return load_fields(schema, body)
    except InvalidRequestError as error:
        return error
