"""Who asks: every place a client may put its key, and what it is told without one."""

from __future__ import annotations

import base64

import pytest
from flask.testing import FlaskClient

from tests.api.conftest import ADMIN_KEY, BEARER, CHAT, USER_KEY, BuildApp

MISSING = (
    "You didn't provide an API key. Send it in the Authorization header, as "
    "'Authorization: Bearer YOUR_KEY'."
)
WRONG = "Incorrect API key provided."


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        BEARER,
        {"Authorization": f"bearer   {USER_KEY} "},
        {"Authorization": f"Bearer {ADMIN_KEY}"},
        {"Authorization": basic(f"anyone:{USER_KEY}")},
        {"Authorization": basic(f":{USER_KEY}")},
        {"x-api-key": USER_KEY},
        {"api-key": USER_KEY},
        {"Authorization": "Token other", "x-api-key": USER_KEY},
    ],
    ids=repr,
)
def test_key_is_found_where_clients_put_it(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, MISSING),
        ({"Authorization": "Bearer"}, MISSING),
        ({"Authorization": "Digest username=x"}, MISSING),
        ({"Authorization": "Basic"}, MISSING),
        ({"Authorization": "Basic no base64!"}, MISSING),
        ({"Authorization": "Basic \xe9\xe9\xe9\xe9"}, MISSING),
        ({"Authorization": "Basic " + base64.b64encode(b"\xff\xff").decode()}, MISSING),
        ({"Authorization": basic(f"{USER_KEY}:")}, MISSING),
        ({"Authorization": basic(USER_KEY)}, MISSING),
        ({"x-api-key": ""}, MISSING),
        ({"Authorization": "Bearer wrong"}, WRONG),
        ({"Authorization": f"Bearer {USER_KEY[:-1]}"}, WRONG),
        ({"Authorization": f"Bearer {USER_KEY} {USER_KEY}"}, WRONG),
        ({"Authorization": f"Bearer {USER_KEY.upper()}"}, WRONG),
        ({"Authorization": "Bearer \xe9\xfc"}, WRONG),
        ({"Authorization": "Bearer wrong", "x-api-key": USER_KEY}, WRONG),
        ({"x-api-key": "wrong"}, WRONG),
    ],
    ids=repr,
)
def test_anything_else_is_a_401_that_says_why(
    client: FlaskClient, headers: dict[str, str], message: str
) -> None:
    got = client.get("/v1/models", headers=headers)
    assert got.status_code == 401
    assert got.json == {
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }
    assert got.headers["WWW-Authenticate"] == 'Bearer realm="gateway"'


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CHAT),
        ("POST", "/v1/embeddings"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/demo/echo"),
    ],
)
def test_every_path_of_the_api_needs_a_key(client: FlaskClient, method: str, path: str) -> None:
    assert client.open(path, method=method).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/health/ready", "/v1/health/ready"])
def test_health_needs_none(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_key_is_checked_before_the_body_is_read(client: FlaskClient) -> None:
    assert client.post(CHAT, data=b"no json").status_code == 401


def test_without_auth_nobody_needs_a_key(build_app: BuildApp) -> None:
    app = build_app(auth=False, gateway_api_keys=(), admin_api_keys=())
    assert app.test_client().get("/v1/models").status_code == 200
