"""Clients with mixed work, and what each of their requests came to.

Knows what a right answer is. Must not know why one is missing.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.blackbox.wire import iter_blocks, read_stream
from tests.chaos.weather import echo, embedding
from tests.gateway_process import Gateway

PAUSE_SECONDS = 0.08
CACHED_PROMPTS = 8
LOST = "connection lost"

WORK: dict[str, tuple[str, bool]] = {
    "whole": ("pair", False),
    "stream": ("pair", True),
    "least busy": ("busy", True),
    "queued whole": ("scarce", False),
    "queued stream": ("scarce", True),
    "cached whole": ("kept", False),
    "cached stream": ("kept", True),
    "embeddings": ("vectors", False),
}
"""Kind of work to the model that is asked, and whether for a stream."""


@dataclass
class Asked:
    """A request and its end. ``failure`` is an error's code, or ``LOST``; "" with an answer.

    ``wrong`` tells what is wrong with an answer that must not be; ``has_begun``: content
    had come before the failure. Times are ``time.monotonic()``.
    """

    kind: str
    model: str
    prompt: str
    began: float
    ended: float = float("inf")
    port: int = 0
    failure: str = ""
    wrong: str = ""
    has_begun: bool = False
    from_cache: bool = False


@dataclass
class Clients:
    """As many threads as ``count`` that ask one request after the other, seeded by ``seed``."""

    gateway: Gateway
    count: int
    seed: int
    requests: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._is_over = threading.Event()
        self._numbers = itertools.count(1)
        self._threads = [
            threading.Thread(target=self._work, args=(random.Random(f"{self.seed}-{each}"),))
            for each in range(self.count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let all of them finish what they are at."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, choices: random.Random) -> None:
        while not self._is_over.is_set():
            kind = choices.choice(list(WORK))
            number = next(self._numbers)
            if kind.startswith("cached"):
                number = -choices.randrange(CACHED_PROMPTS)
            self.requests.append(asked := build(kind, f"question {number}"))
            ask(self.gateway, asked)
            time.sleep(choices.uniform(0, PAUSE_SECONDS))


def build(kind: str, prompt: str) -> Asked:
    """Return a request that is about to be sent."""
    return Asked(kind, WORK[kind][0], prompt, time.monotonic())


def ask(gateway: Gateway, asked: Asked) -> None:
    """Send a request and note what came of it."""
    streamed = WORK[asked.kind][1]
    path, body = "/v1/chat/completions", {"model": asked.model, "stream": streamed}
    if asked.kind == "embeddings":
        path, body = "/v1/embeddings", {"model": asked.model, "input": asked.prompt}
    else:
        body |= {"messages": [{"role": "user", "content": asked.prompt}]}
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        connection.connect()
        asked.port = connection.sock.getsockname()[1]
        headers = {"Authorization": f"Bearer {gateway.key}", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        _judge(asked, connection.getresponse())
    except (OSError, http.client.HTTPException):
        asked.failure = LOST
    finally:
        asked.ended = time.monotonic()
        connection.close()


def _judge(asked: Asked, response: http.client.HTTPResponse) -> None:
    asked.from_cache = response.headers.get("x-gateway-cache") == "hit"
    if response.status == 200 and WORK[asked.kind][1]:
        _judge_stream(asked, response)
        return
    body = response.read()
    if response.status >= 500:
        asked.failure = str(json.loads(body)["error"]["code"])
    elif response.status == 200:
        check = _check_embeddings if asked.kind == "embeddings" else _check_whole
        asked.wrong = "" if check(json.loads(body), asked.prompt) else f"answer {body!r}"
    else:
        asked.wrong = f"status {response.status}: {body!r}"


def _judge_stream(asked: Asked, response: http.client.HTTPResponse) -> None:
    try:
        stream = read_stream(iter_blocks(response))
    except (AssertionError, ValueError) as error:
        asked.failure, asked.wrong = LOST, f"stream: {error}"
        return
    expected = echo(asked.prompt)
    asked.has_begun = bool(stream.content)
    if not expected.startswith(stream.content):
        asked.wrong = f"content {stream.content!r}"
    elif stream.errors:
        asked.failure = str(stream.errors[0]["error"]["code"])
    elif not stream.is_done:
        asked.failure = LOST
    elif stream.content != expected or stream.finish_reasons != ["stop"]:
        asked.wrong = f"half of an answer as if it were whole: {stream.content!r}"


def _check_whole(value: Any, prompt: str) -> bool:
    (choice,) = value["choices"]
    said = choice["message"]["content"]
    return bool(said == echo(prompt) and choice["finish_reason"] == "stop")


def _check_embeddings(value: Any, prompt: str) -> bool:
    return [item["embedding"] for item in value["data"]] == [embedding(prompt)]


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Return whether it became so in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)
    return True
