"""What is worked out once for all requests: that it comes to what gunicorn works out for each."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidHeader, InvalidHeaderName
from gunicorn.http.message import HeaderPolicy

from gateway.worker.tuning import tune


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return a configuration that has been tuned for; gunicorn is put back afterwards."""
    config = Config()
    config.set("forwarded_allow_ips", "10.0.0.0/8,192.168.1.1")
    monkeypatch.setattr(util, "http_date", util.http_date)
    monkeypatch.setattr(wsgi, "base_environ", wsgi.base_environ)
    monkeypatch.setattr(wsgi, "Response", wsgi.Response)
    monkeypatch.setattr(HeaderPolicy, "_peer_is_trusted_proxy", HeaderPolicy._peer_is_trusted_proxy)
    tune(config, Logger(config))
    return config


def is_trusted(config: Config, peer: Any) -> bool:
    request: Any = SimpleNamespace(cfg=config, peer_addr=peer)
    trusted: bool = HeaderPolicy._peer_is_trusted_proxy(request)
    return trusted


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (("10.1.2.3", 1234), True),
        (("192.168.1.1", 1234), True),
        (("192.168.1.2", 1234), False),
        (("::1", 1234, 0, 0), False),
        ("", True),  # a Unix socket
    ],
)
def test_proxies_are_trusted_by_their_address(config: Config, peer: Any, expected: bool) -> None:
    for _ in range(2):
        assert is_trusted(config, peer) is expected


def test_each_request_has_an_environment_of_its_own(config: Config) -> None:
    one, other = wsgi.base_environ(config), wsgi.base_environ(config)
    one["REQUEST_METHOD"] = "GET"
    assert "REQUEST_METHOD" not in other
    assert other["wsgi.version"] == (1, 0)


def test_dates_are_those_of_http(config: Config) -> None:
    assert util.http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert re.fullmatch(r"\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT", util.http_date())


def test_settings_are_what_they_were(config: Config) -> None:
    assert config.__dict__["keepalive"] == Config().settings["keepalive"].get()


def build_response(config: Config) -> Any:
    request: Any = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
    return wsgi.Response(request, None, config)


def test_headers_are_checked_each_time_however_well_their_names_are_known(config: Config) -> None:
    for _ in range(2):
        response = build_response(config)
        headers = [("x-name", " value\t"), ("Connection", "close"), ("Content-Length", "3")]
        response.start_response("200 OK", headers)
        assert response.headers == [("x-name", "value"), ("Content-Length", "3")]
        assert response.response_length == 3
        with pytest.raises(InvalidHeader):
            build_response(config).start_response("200 OK", [("x-name", "one\r\nx-other: two")])
        with pytest.raises(InvalidHeaderName):
            build_response(config).start_response("200 OK", [("x name", "value")])
