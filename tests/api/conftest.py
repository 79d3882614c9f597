"""The application over the demo provider, asked in the test's own process."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from gateway.config.settings import ProviderSettings, Settings

USER_KEY = "user-key-0123456789abcdef"
ADMIN_KEY = "admin-key-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {USER_KEY}"}
CHAT = "/v1/chat/completions"


class BuildApp(Protocol):
    def __call__(self, **settings: Any) -> Flask: ...


def chat_body(**fields: Any) -> dict[str, Any]:
    return {"model": "demo/echo", "messages": [{"role": "user", "content": "hi"}], **fields}


@pytest.fixture
def log() -> io.StringIO:
    """What the application of the test has logged."""
    return io.StringIO()


@pytest.fixture
def build_app(tmp_path: Path, log: io.StringIO) -> Iterator[BuildApp]:
    """Return a builder of applications, with settings other than the defaults of these tests."""
    package = logging.getLogger("gateway")
    before = package.handlers[:], package.level, package.propagate

    def build(**settings: Any) -> Flask:
        defaults: dict[str, Any] = {
            "providers": {"demo": ProviderSettings("demo", "demo", "demo://echo")},
            "default_provider": "demo",
            "gateway_api_keys": (USER_KEY,),
            "admin_api_keys": (ADMIN_KEY,),
            "rate_limit": "1000000/minute",
            "database_url": f"sqlite:///{tmp_path}/gateway.db",
            "log_format": "json",
        }
        app = create_app(Settings(**{**defaults, **settings}))
        (handler,) = package.handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(log)
        return app

    yield build
    package.handlers[:], package.level, package.propagate = before


@pytest.fixture
def app(build_app: BuildApp) -> Flask:
    return build_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
