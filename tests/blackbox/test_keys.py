"""Keys and limits: who may ask, and how often, whichever worker is asked."""

from __future__ import annotations

import base64
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.blackbox.late_redis import ATTEMPTS, never_more, show_while_redis_is_in_time
from tests.blackbox.wire import NDJSON, ollama_line
from tests.chaos.trouble import run_redis
from tests.gateway_process import (
    ADMIN_KEY,
    USER_KEY,
    Gateway,
    build_directory,
    build_environment,
    find_free_port,
    run_gateway,
)
from tests.upstream import Upstream, stream

MODELS = "/v1/models"


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {USER_KEY}"},
        {"Authorization": f"bearer {USER_KEY}"},
        {"Authorization": basic(USER_KEY)},
        {"x-api-key": USER_KEY},
        {"api-key": USER_KEY},
        {"Authorization": f"Bearer {ADMIN_KEY}"},
    ],
)
def test_key_is_taken_from_where_clients_put_it(gateway: Gateway, headers: dict[str, str]) -> None:
    assert requests.get(gateway.url + MODELS, headers=headers, timeout=30).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong-key-0123456789abcdef"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {USER_KEY}x"},
        {"Authorization": f"Bearer {USER_KEY[:-1]}"},
        {"Authorization": USER_KEY},
        {"Authorization": "Basic nonsense"},
        {"Authorization": basic("")},
        {"x-api-key": "wrong"},
    ],
)
@pytest.mark.parametrize("path", [MODELS, "/v1/chat/completions", "/v1/embeddings"])
def test_wrong_key_is_a_401(
    gateway: Gateway, upstream: Upstream, headers: dict[str, str], path: str
) -> None:
    method = "GET" if path == MODELS else "POST"
    got = requests.request(method, gateway.url + path, headers=headers, data=b"{", timeout=30)
    assert got.status_code == 401
    error = got.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert got.headers["WWW-Authenticate"].startswith("Bearer")
    assert USER_KEY not in got.text
    assert upstream.requests == []


def refused_start(directory: Path, **environment: str) -> str:
    """Start the gateway, which must refuse; returns what it said."""
    build_directory(directory)
    settings = {"HOME": str(directory), "PORT": str(find_free_port()), **environment}
    process = subprocess.run(
        [sys.executable, "-m", "gunicorn", "wsgi:app"],
        cwd=directory,
        env=build_environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    assert process.returncode != 0
    return process.stdout.decode()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"GATEWAY_API_KEYS": "too-short"}, "GATEWAY_API_KEYS"),
        ({"AUTH": "off", "HOST": "0.0.0.0"}, "AUTH"),
        ({"RATE_LIMIT": "many"}, "RATE_LIMIT"),
        ({"IDLE_TIMEOUT": "soon"}, "IDLE_TIMEOUT"),
        ({"AI_PROVIDER": "nobody"}, "AI_PROVIDER"),
        ({"GATEWAY_CONFIG": "missing.yaml"}, "missing.yaml"),
    ],
)
def test_wrong_setting_stops_the_start(
    tmp_path: Path, environment: dict[str, str], expected: str
) -> None:
    said = refused_start(tmp_path, **environment)
    assert expected in said
    assert "Traceback" not in said
    assert "too-short" not in said


def test_first_start_makes_one_admin_key_for_its_owner_only(
    tmp_path: Path, upstream: Upstream
) -> None:
    made = []
    environment: dict[str, Any] = {
        "GATEWAY_API_KEYS": "",
        "ADMIN_API_KEYS": "",
        "OLLAMA_BASE_URL": upstream.url,
    }
    for _ in range(2):
        with run_gateway(tmp_path, WEB_CONCURRENCY="4", **environment) as gateway:
            files = [path for path in (tmp_path / "data").iterdir() if path.is_file()]
            (file,) = (path for path in files if path.read_bytes().startswith(b"gw_"))
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            key = file.read_text().strip()
            made.append(key)
            headers = {"Authorization": f"Bearer {key}"}
            statuses = {gateway.get(MODELS, headers=headers).status_code for _ in range(20)}
            assert statuses == {200}
            assert gateway.get(MODELS).status_code == 401
            assert key not in gateway.log
    assert made[0] == made[1]
    assert re.fullmatch(r"gw_[0-9A-Za-z]{32,}", made[0])


def test_without_auth_nobody_needs_a_key_and_the_log_says_so(
    tmp_path: Path, upstream: Upstream
) -> None:
    with run_gateway(tmp_path, AUTH="off", OLLAMA_BASE_URL=upstream.url) as gateway:
        assert requests.get(gateway.url + MODELS, timeout=30).status_code == 200
        assert "AUTH" in gateway.log


def ask_at_once(gateway: Gateway, count: int) -> list[requests.Response]:
    """Ask ``count`` times at once, each on a connection of its own."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: gateway.chat("ollama/tiny"), range(count)))


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment for limits in a file of this machine, or in Redis."""
    if request.param == "file":
        yield {}
        return
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with run_redis(tmp_path) as (_, url):
        yield {"REDIS_URL": url}


def test_limit_is_exact_across_workers_and_survives_a_restart(
    tmp_path: Path, upstream: Upstream, store: dict[str, str]
) -> None:
    upstream.handler = stream([ollama_line("one", done=True)], 200, NDJSON)
    data = f"sqlite:///{tmp_path}/data/gateway.db"
    environment: dict[str, Any] = {
        "WEB_CONCURRENCY": "4",
        "RATE_LIMIT": "10/minute",
        "OLLAMA_BASE_URL": upstream.url,
        "DATABASE_URL": data,
        "GATEWAY_API_KEYS": ",".join(f"{USER_KEY}-{attempt}" for attempt in range(ATTEMPTS)),
        **store,
    }
    with run_gateway(tmp_path / "first", **environment) as gateway:
        show_while_redis_is_in_time(
            [gateway], lambda attempt: show_limit(gateway, upstream, attempt)
        )
        key = gateway.key
    with run_gateway(tmp_path / "second", **environment) as gateway:
        gateway.key = key

        def show_it_is_spent(attempt: int) -> None:
            assert gateway.chat("ollama/tiny").status_code == 429

        show_while_redis_is_in_time([gateway], show_it_is_spent)


def show_limit(gateway: Gateway, upstream: Upstream, attempt: int) -> None:
    gateway.key = f"{USER_KEY}-{attempt}"
    upstream.requests.clear()
    answers = ask_at_once(gateway, 100)
    counts = Counter(answer.status_code for answer in answers)
    never_more(counts[200], 10)
    assert counts == {200: 10, 429: 90}
    assert len(upstream.asked("/api/chat")) == 10
    passed = [answer for answer in answers if answer.status_code == 200]
    remaining = sorted(int(a.headers["x-ratelimit-remaining-requests"]) for a in passed)
    assert remaining == list(range(10))
    for answer in answers:
        assert answer.headers["x-ratelimit-limit-requests"] == "10"
        assert re.fullmatch(r"[\dhms.]+", answer.headers["x-ratelimit-reset-requests"])
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    # Another key has its own limit; health has none.
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
    assert gateway.get(MODELS, headers=admin).status_code == 200
    assert gateway.get("/health").status_code == 200
