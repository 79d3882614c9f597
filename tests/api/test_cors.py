"""Browsers of the configured origins may call; those of others learn nothing."""

from __future__ import annotations

import pytest

from tests.api.conftest import BEARER, CHAT, BuildApp

ORIGIN = "https://app.example.com"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def test_preflight_needs_no_key_and_allows_what_is_asked(build_app: BuildApp) -> None:
    client = build_app(cors_origins=(ORIGIN,)).test_client()
    got = client.options(CHAT, headers=PREFLIGHT)
    assert got.status_code == 200
    assert got.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert got.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "POST" in got.headers["Access-Control-Allow-Methods"]
    assert got.headers["Access-Control-Max-Age"] == "600"
    assert "Access-Control-Allow-Credentials" not in got.headers


@pytest.mark.parametrize("headers", [{}, BEARER], ids=["refused", "answered"])
def test_answers_and_errors_can_be_read_with_their_headers(
    build_app: BuildApp, headers: dict[str, str]
) -> None:
    client = build_app(cors_origins=(ORIGIN,)).test_client()
    got = client.get("/v1/models", headers={"Origin": ORIGIN, **headers})
    assert got.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = got.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"x-request-id", "retry-after", "x-gateway-model"} <= set(exposed)
    assert "Access-Control-Allow-Methods" not in got.headers
    assert got.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ORIGIN + ".evil.example", ""])
def test_other_origins_are_told_nothing(build_app: BuildApp, origin: str) -> None:
    client = build_app(cors_origins=(ORIGIN,)).test_client()
    for got in (
        client.options(CHAT, headers={**PREFLIGHT, "Origin": origin}),
        client.get("/v1/models", headers={**BEARER, "Origin": origin}),
    ):
        assert not [name for name in got.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118
        assert got.headers["Vary"] == "Origin"


def test_star_allows_any_origin_by_name(build_app: BuildApp) -> None:
    client = build_app(cors_origins=("*",)).test_client()
    got = client.get("/health", headers={"Origin": "http://localhost:3000"})
    assert got.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert "Access-Control-Allow-Origin" not in client.get("/health").headers


def test_without_origins_nothing_is_added(build_app: BuildApp) -> None:
    got = build_app().test_client().options(CHAT, headers=PREFLIGHT)
    assert "Access-Control-Allow-Origin" not in got.headers
    assert "Vary" not in got.headers
