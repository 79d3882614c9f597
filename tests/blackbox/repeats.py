"""What tests of repeated requests share: an upstream that never answers the same twice."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.blackbox.conftest import build_config
from tests.blackbox.wire import NDJSON, Stream, ollama_line, read_stream
from tests.gateway_process import Gateway, chat_body
from tests.upstream import Connection, Request, Upstream

CHAT = "/v1/chat/completions"
OTHER_KEY = "other-user-key-0123456789"
CLIENTS = 20

_prompts = itertools.count(1)


def build_cached_config(upstream: Upstream, **cache: Any) -> dict[str, Any]:
    """Return a configuration with the cache on; a failed request is not tried again."""
    config = build_config(upstream)
    for provider in config["providers"].values():
        provider["max_retries"] = 0
    config["models"] = {
        "chat": "ollama/tiny",
        "poet": {"target": "ollama/tiny", "cache": {"when": "always"}},
        "short": {"target": "ollama/tiny", "cache": {"ttl": 1}},
        "never": {"target": "ollama/tiny", "cache": False},
        "vectors": "ollama/tiny",
        "cloud": "openai/gpt-4o-mini",
    }
    return {**config, "cache": cache}


def fresh(**fields: Any) -> dict[str, Any]:
    """Return a deterministic chat that nobody has asked for yet, with ``fields`` on top."""
    prompt = [{"role": "user", "content": f"question {next(_prompts)}"}]
    return chat_body("chat", temperature=0, messages=prompt) | fields


class Numbered:
    """Answers a chat of Ollama with the number of times it was asked, in two pieces."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def __call__(self, request: Request, connection: Connection) -> None:
        text = f"answer {next(self._count)}"
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line(text) + ollama_line(" in full") + ollama_line(done=True))
        connection.end_chunks()


class Gate:
    """Begins its answers at once, with the number of times it was asked, and ends them when told.

    Only the first ``fails`` of them break off instead of ending.
    """

    def __init__(self, fails: int = 0) -> None:
        self.asked = threading.Semaphore(0)
        self.end = threading.Event()
        self._fails = fails
        self._count = itertools.count(1)

    def __call__(self, request: Request, connection: Connection) -> None:
        number = next(self._count)
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line(f"answer {number}"))
        self.asked.release()
        assert self.end.wait(20)
        if number <= self._fails:
            connection.reset()
            return
        connection.send_chunk(ollama_line(done=True))
        connection.end_chunks()


def ask(gateway: Gateway, body: Any, **headers: str | bytes) -> requests.Response:
    """Send a chat, as JSON or as its bytes; ``headers`` have ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.post(CHAT, body, headers=named)


def text_of(response: requests.Response) -> str:
    """Return the answer's text, whole or streamed; fails unless it is a good one."""
    assert response.status_code == 200, response.text
    if response.headers["Content-Type"].startswith("text/event-stream"):
        stream = stream_of(response)
        assert stream.errors == []
        assert stream.is_done
        assert stream.finish_reasons == ["stop"]
        return stream.content
    (choice,) = response.json()["choices"]
    assert choice["finish_reason"] == "stop"
    content = choice["message"]["content"]
    assert isinstance(content, str)
    return content


def stream_of(response: requests.Response) -> Stream:
    """Take an answer that was streamed apart."""
    return read_stream(response.text.removesuffix("\n\n").split("\n\n"))


def ask_at_once(
    gateway: Gateway, gate: Gate, bodies: list[dict[str, Any]], **headers: str | bytes
) -> list[requests.Response]:
    """Send all ``bodies`` together, and open ``gate`` once the upstream was asked."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        asking = [pool.submit(ask, gateway, body, **headers) for body in bodies]
        assert gate.asked.acquire(timeout=10)
        gate.end.set()
        return [each.result() for each in asking]
