"""Tokens for a service account, from a token server that stands in for Google's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.config.settings import ProviderSettings
from gateway.errors import ConfigurationError, UpstreamError
from gateway.transport import GoogleTokens, check_google_auth
from tests.upstream import answer, serve_upstream


def write_key_file(path: Path, token_url: str) -> Path:
    """Write a service account's key file whose tokens are given at ``token_url``."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "a@p.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_url,
    }
    path.write_text(json.dumps(account))
    return path


def _settings(path: Path) -> ProviderSettings:
    return ProviderSettings(
        "cloud", "vertex", "http://127.0.0.1:1", project="p", credentials_file=str(path)
    )


def test_token_is_asked_for_once_and_renewed_when_it_ends(tmp_path: Path) -> None:
    with serve_upstream() as server:
        path = write_key_file(tmp_path / "key.json", f"{server.url}/token")
        tokens = GoogleTokens(_settings(path))
        body = {"access_token": "ya29.one", "expires_in": 3600, "token_type": "Bearer"}
        server.routes["/token"] = answer(json.dumps(body).encode())
        assert [next(tokens), next(tokens)] == ["Bearer ya29.one"] * 2
        assert len(server.requests) == 1
        tokens._credentials.expiry = None
        tokens._credentials.token = None
        body["access_token"] = "ya29.two"
        server.routes["/token"] = answer(json.dumps(body).encode())
        assert next(tokens) == "Bearer ya29.two"


def test_what_gives_no_token_is_an_error_without_the_key(tmp_path: Path) -> None:
    with serve_upstream() as server:
        path = write_key_file(tmp_path / "key.json", f"{server.url}/token")
        server.handler = answer(b'{"error":"invalid_grant"}', 400)
        with pytest.raises(UpstreamError) as caught:
            next(GoogleTokens(_settings(path)))
    assert "gserviceaccount" not in caught.value.message
    (tmp_path / "bad.json").write_text("{}")
    for name in ("bad.json", "none.json"):
        with pytest.raises(UpstreamError, match="no credentials"):
            next(GoogleTokens(_settings(tmp_path / name)))


def test_missing_google_auth_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    check_google_auth(_settings(Path("x")))
    hidden: dict[str, Any] = {"google.auth": None}
    for name, module in hidden.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(ConfigurationError, match=r"pip install -r requirements-vertex\.txt"):
        check_google_auth(_settings(Path("x")))
