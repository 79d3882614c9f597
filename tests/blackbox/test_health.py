"""What anyone may ask, and what there is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.gateway_process import Gateway, find_free_port, run_gateway
from tests.upstream import Upstream


@pytest.mark.parametrize("path", ["/health", "/v1/health"])
def test_health_needs_no_key_and_asks_nobody(
    gateway: Gateway, upstream: Upstream, path: str
) -> None:
    got = requests.get(gateway.url + path, timeout=30)
    assert (got.status_code, got.json()["status"]) == (200, "ok")
    assert upstream.requests == []


def test_ready_asks_providers_without_generating(gateway: Gateway, upstream: Upstream) -> None:
    got = requests.get(gateway.url + "/health/ready", timeout=30)
    assert got.status_code == 200
    assert {request.method for request in upstream.requests} <= {"GET", "HEAD"}


def test_not_ready_when_no_provider_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{find_free_port()}"
    with run_gateway(tmp_path, OLLAMA_BASE_URL=url) as gateway:
        got = gateway.get("/health/ready")
        assert got.status_code == 503
        assert url not in got.text
        assert gateway.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/metrics", 404),
        ("GET", "/docs", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/health", 405),
    ],
)
def test_unknown_paths_and_methods_have_errors_of_openais_shape(
    gateway: Gateway, method: str, path: str, status: int
) -> None:
    got = gateway.request(method, path)
    assert got.status_code == status
    error = got.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    if status == 405:
        assert got.headers["Allow"]


def test_request_id_is_the_clients_if_it_is_harmless(gateway: Gateway) -> None:
    for given, kept in (("abc-DEF_1", True), ("a" * 64, True), ("a" * 65, False), ("a b", False)):
        got = gateway.get("/health", headers={"x-request-id": given})
        assert (got.headers["x-request-id"] == given) is kept
        assert got.headers["x-request-id"]


def test_several_workers_serve(gateway: Gateway) -> None:
    assert len(gateway.worker_pids()) == 2
