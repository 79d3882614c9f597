"""Models of Ollama that are not in memory: longer patience, comments, and who answers meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.blackbox.resilience.acting import say
from tests.blackbox.resilience.asking import at_once, stream_of, text_of, wait_until
from tests.blackbox.resilience.conftest import Upstreams, build_provider
from tests.blackbox.wire import NDJSON, assert_error, ollama_line
from tests.gateway_process import Gateway, build_environment, run_gateway
from tests.upstream import Connection, Request, Upstream

FIRST_BYTE_TIMEOUT = 0.4
LOAD_TIMEOUT = 3.0
WORKERS = 2
SLACK = 2.0
"""Seconds that a machine busy with tests may add."""


class Ollama:
    """An Ollama that has models in memory, and takes ``seconds`` to load another."""

    def __init__(self, upstream: Upstream) -> None:
        self.loaded = {"warm"}
        self.seconds = 0.0
        self.pause = 0.0
        self.loads: list[str] = []
        self._lock = threading.Lock()
        upstream.routes.update({"/api/ps": self._list, "/api/chat": self._chat})

    def _list(self, request: Request, connection: Connection) -> None:
        connection.send_json({"models": [{"name": f"{each}:latest"} for each in self.loaded]})

    def _chat(self, request: Request, connection: Connection) -> None:
        body = request.json()
        if not body["messages"]:
            with self._lock:
                self.loads.append(body["model"])
        time.sleep(self.seconds)
        self.loaded.add(body["model"])
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line("from the "))
        time.sleep(self.pause)
        connection.send_chunk(ollama_line("GPU", done=True))
        connection.end_chunks()


@pytest.fixture(scope="module")
def loading_gateway(
    shared_upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gpu = {
        "kind": "ollama",
        "base_url": shared_upstreams["first"].url,
        "load_timeout": LOAD_TIMEOUT,
        "timeouts": {"first_byte": FIRST_BYTE_TIMEOUT},
    }
    config = {
        "providers": {
            "gpu": gpu,
            "polite": {**gpu, "overflow_while_loading": True},
            "cloud": build_provider(shared_upstreams["second"].port),
        },
        "models": {
            "spilling": {"targets": ["polite/spilling", "cloud/big"]},
            "waiting": {"targets": ["gpu/waiting", "cloud/big"]},
        },
    }
    with run_gateway(
        tmp_path_factory.mktemp("loading"),
        config=config,
        WEB_CONCURRENCY=str(WORKERS),
        PING_AFTER="0.2",
    ) as gateway:
        yield gateway


@pytest.fixture
def ollama(loading_gateway: Gateway, upstreams: Upstreams) -> Ollama:
    upstreams["second"].handler = say("from the cloud")
    return Ollama(upstreams["first"])


def test_load_has_its_own_deadline_and_comments_flow(
    loading_gateway: Gateway, ollama: Ollama, fresh: str
) -> None:
    ollama.seconds = 2 * FIRST_BYTE_TIMEOUT
    got = loading_gateway.chat(f"gpu/{fresh}", stream=True)
    assert text_of(got) == "from the GPU"
    comments = stream_of(got).comments
    assert len(comments) >= 2
    assert set(comments) == {": loading"}
    assert text_of(loading_gateway.chat(f"gpu/another-{fresh}")) == "from the GPU"


def test_silence_after_the_load_is_not_taken_for_loading(
    loading_gateway: Gateway, ollama: Ollama, fresh: str
) -> None:
    ollama.pause = 1.5
    got = loading_gateway.chat(f"gpu/{fresh}", stream=True)
    assert text_of(got) == "from the GPU"
    comments = stream_of(got).comments
    assert len(comments) >= 2
    assert ": loading" not in comments


def test_loaded_model_has_the_usual_deadline(loading_gateway: Gateway, ollama: Ollama) -> None:
    ollama.seconds = FIRST_BYTE_TIMEOUT + SLACK
    began = time.monotonic()
    got = loading_gateway.chat("gpu/warm")
    assert got.status_code == 504
    assert time.monotonic() - began < FIRST_BYTE_TIMEOUT + SLACK


def test_load_beyond_its_deadline_is_a_504(
    loading_gateway: Gateway, ollama: Ollama, fresh: str
) -> None:
    ollama.seconds = LOAD_TIMEOUT + SLACK
    began = time.monotonic()
    got = loading_gateway.chat(f"gpu/{fresh}")
    assert got.status_code == 504
    assert_error(got.text)
    assert LOAD_TIMEOUT <= time.monotonic() - began < LOAD_TIMEOUT + SLACK


def test_nobody_else_answers_meanwhile_unless_configured(
    loading_gateway: Gateway, ollama: Ollama
) -> None:
    ollama.seconds = 2 * FIRST_BYTE_TIMEOUT
    assert text_of(loading_gateway.chat("waiting")) == "from the GPU"


def test_next_target_answers_while_the_model_loads(
    loading_gateway: Gateway, ollama: Ollama
) -> None:
    ollama.seconds = 2.5
    began = time.monotonic()
    got = at_once(6, lambda number: text_of(loading_gateway.chat("spilling")))
    assert got == ["from the cloud"] * 6
    assert time.monotonic() - began < ollama.seconds
    wait_until(lambda: len(ollama.loads) > 0)
    assert 1 <= len(ollama.loads) <= WORKERS, "one load for each worker at the most"
    wait_until(lambda: "spilling" in ollama.loaded)
    ollama.seconds = 0
    wait_until(lambda: text_of(loading_gateway.chat("spilling")) == "from the GPU")


def test_warm_loads_a_model(loading_gateway: Gateway, ollama: Ollama, fresh: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "warm", f"gpu/{fresh}"],
        cwd=loading_gateway.directory,
        env=build_environment(HOME=str(loading_gateway.directory)),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert ollama.loads == [fresh]
    assert fresh in ollama.loaded
