"""The admin API: who may use it, and what it says of a configuration it is not asked to change."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from gateway.config.settings import ProviderSettings, RouteSettings, RouteTarget, TargetSettings
from tests.api.conftest import ADMIN_KEY, BuildApp

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
def client(build_app: BuildApp) -> FlaskClient:
    limited = TargetSettings(max_concurrency=2, max_queue=5)
    return build_app(
        providers={
            "demo": ProviderSettings("demo", "demo", "demo://echo", max_concurrency=3),
            "second": ProviderSettings("second", "demo", "demo://echo", api_keys=("s" * 30,)),
        },
        models={
            "fast": RouteSettings(
                (RouteTarget("demo", "echo", limited), RouteTarget("second", "echo"))
            ),
            "same": RouteSettings((RouteTarget("second", "echo"),)),
        },
        limited_targets={"demo/echo": limited},
    ).test_client()


def test_targets_tell_breakers_places_and_who_is_reachable(client: FlaskClient) -> None:
    described = client.get("/admin/targets", headers=ADMIN).get_json()
    assert described["providers"] == [
        {
            "name": "demo",
            "kind": "demo",
            "reachable": True,
            "max_concurrency": 3,
            "open": 0,
            "queued": 0,
        },
        {
            "name": "second",
            "kind": "demo",
            "reachable": True,
            "max_concurrency": None,
            "open": None,
            "queued": None,
        },
    ]
    first, second = described["targets"]
    assert (first["name"], first["models"]) == ("demo/echo", ["fast"])
    assert (first["max_concurrency"], first["open"], first["queued"]) == (2, 0, 0)
    assert first["breaker"]["state"] == "closed"
    assert (second["name"], second["models"]) == ("second/echo", ["fast", "same"])
    assert second["open"] is None


@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_breaker_can_be_forced_and_let_go(client: FlaskClient, state: str) -> None:
    def breaker() -> tuple[str, str | None]:
        targets = client.get("/admin/targets", headers=ADMIN).get_json()["targets"]
        return targets[0]["breaker"]["state"], targets[0]["breaker"]["override"]

    url = "/admin/targets/demo/echo"
    answer = client.post(url, json={"state": state}, headers=ADMIN)
    assert answer.get_json() == {"name": "demo/echo", "state": state}
    assert breaker() == (state, state)
    assert client.post(url, json={"state": "automatic"}, headers=ADMIN).status_code == 200
    assert breaker() == ("closed", None)


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (b'{"state": "ajar"}', "state", "state must be open, closed or automatic."),
        (b'{"state": 1}', "state", "state must be open, closed or automatic."),
        (b'{"state": null}', "state", "state must be open, closed or automatic."),
        (b"{}", "state", "state is missing: open, closed or automatic."),
        (b'{"state": "open", "for": 5}', "for", "for is not known."),
        (b"[]", None, "The request body must be a JSON object."),
        (b"open", None, "The request body is not JSON."),
    ],
)
def test_what_a_breaker_can_not_be_is_refused(
    client: FlaskClient, body: bytes, param: str | None, message: str
) -> None:
    answer = client.post("/admin/targets/demo/echo", data=body, headers=ADMIN)
    assert answer.status_code == 400
    error = answer.get_json()["error"]
    assert (error["param"], error["message"]) == (param, message)


@pytest.mark.parametrize("name", ["nobody/echo", "demo/", "demo", "echo"])
def test_what_is_no_target_can_not_be_forced(client: FlaskClient, name: str) -> None:
    answer = client.post(f"/admin/targets/{name}", json={"state": "open"}, headers=ADMIN)
    assert answer.status_code == 404
    assert answer.get_json()["error"]["code"] == "target_not_found"


def test_the_configuration_in_force_is_shown_without_secrets(client: FlaskClient) -> None:
    shown = client.get("/admin/configuration", headers=ADMIN)
    described = shown.get_json()
    assert described["version"] == 0
    assert set(described["models"]) == {"fast", "same"}
    assert described["providers"]["second"]["api_key"]["value"] == "\N{HORIZONTAL ELLIPSIS}ssss"
    assert "s" * 30 not in shown.text
    assert ADMIN_KEY not in shown.text


def test_given_settings_can_not_be_reloaded(client: FlaskClient) -> None:
    answer = client.post("/admin/reload", headers=ADMIN)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "invalid_configuration"
