"""Every route of the admin API with every kind of key, as the URL map has them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask

from gateway.api.services import EXTENSION
from tests.api.conftest import ADMIN_KEY, USER_KEY, BuildApp

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def iter_admin_routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route, with texts for its parameters."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/admin"):
            path = re.sub("<[^>]+>", "demo", rule.rule)
            yield from ((method, path) for method in METHODS if method in (rule.methods or ()))


@pytest.fixture
def tokens(build_app: BuildApp) -> tuple[Flask, dict[str, str]]:
    """An application, and a key of each kind that is no admin's."""
    app = build_app()
    keys = app.extensions[EXTENSION].current.accounts.keys
    expired = keys.create({"name": "expired", "role": "admin", "expires_at": 1.0})
    revoked = keys.create({"name": "revoked", "role": "admin"})
    keys.revoke(revoked.record.id)
    disabled = keys.create({"name": "disabled", "role": "admin", "enabled": False})
    return app, {
        "user": USER_KEY,
        "stored user": keys.create({"name": "user"}).key,
        "other tenant's": keys.create({"name": "other", "owner": "team"}).key,
        "expired": expired.key,
        "revoked": revoked.key,
        "disabled": disabled.key,
    }


def test_no_admin_route_is_open_to_anybody_else(tokens: tuple[Flask, dict[str, str]]) -> None:
    app, by_kind = tokens
    client = app.test_client()
    routes = list(iter_admin_routes(app))
    assert len(routes) >= 15
    for method, path in routes:
        for address, (kind, token) in enumerate({"none": "", **by_kind}.items()):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            # Refused keys don't count as wrong ones; each has its address all the same.
            where = {"REMOTE_ADDR": f"192.0.2.{address + 1}"}
            answer = client.open(
                path, method=method, json={}, headers=headers, environ_overrides=where
            )
            expected = 401 if kind in ("none", "expired", "revoked", "disabled") else 403
            assert answer.status_code == expected, (method, path, kind, answer.text)


def test_a_stored_admins_key_opens_what_a_configured_one_does(
    tokens: tuple[Flask, dict[str, str]],
) -> None:
    app, _ = tokens
    keys = app.extensions[EXTENSION].current.accounts.keys
    stored = keys.create({"name": "admin", "role": "admin"}).key
    for key in (ADMIN_KEY, stored):
        headers = {"Authorization": f"Bearer {key}"}
        assert app.test_client().get("/admin/keys", headers=headers).status_code == 200
