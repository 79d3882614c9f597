"""Keys of the configuration: whose a text is, and what they may be."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.accounts.keys.keys import KeyRing, Principal, Role
from gateway.errors import ConfigurationError

RING = KeyRing.from_keys(("user key number one", "käse" * 4), ("admin key number one",))


def configured(role: Role, place: int) -> Principal:
    return Principal(f"{role}-{place}", role, key_id=f"env-{role}-{place}")


def test_each_key_has_its_name_and_role() -> None:
    assert RING.authenticate("user key number one") == Principal(
        "user-1", "user", key_id="env-user-1"
    )
    assert RING.authenticate("käse" * 4) == configured("user", 2)
    assert RING.authenticate("admin key number one") == Principal(
        "admin-1", "admin", key_id="env-admin-1"
    )


@pytest.mark.parametrize(
    "token", ["", "user key number on", "USER KEY NUMBER ONE", "\ud800", "x" * 10**6]
)
def test_anything_else_is_nobody(token: str) -> None:
    assert RING.authenticate(token) is None


@given(st.text())
def test_no_other_text_is_a_key(token: str) -> None:
    assume(token not in ("user key number one", "käse" * 4, "admin key number one"))
    assert RING.authenticate(token) is None


def test_without_keys_everyone_is_nobody() -> None:
    assert KeyRing.from_keys().authenticate("") is None


def test_a_key_given_twice_keeps_its_first_name() -> None:
    ring = KeyRing.from_keys(("a", "a", "b"))
    assert ring.authenticate("a") == configured("user", 1)
    assert ring.authenticate("b") == configured("user", 3)


def test_a_key_in_both_lists_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        KeyRing.from_keys(("a", "secret"), ("secret",))
    assert str(caught.value) == "the keys of user-2 and admin-1 are the same; a key has one role"


def test_a_key_ring_keeps_no_key() -> None:
    assert "user key number one" not in repr(vars(RING))
