"""Upstreams whose weather changes: they answer, refuse, break off or fall silent.

Knows both providers' formats in outline, and notes what it did to which prompt. Must
not know the gateway.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.blackbox.wire import NDJSON, SSE, ollama_line, openai_event
from tests.upstream import Connection, Request, Upstream

FAULTS = ("503", "refused", "reset", "silent", "cut", "hung")
"""All requests: answered 503, not let in, reset, not answered, broken off halfway, stopped
halfway."""

FAIR_SHARE = 0.6
"""Of the time."""

FAULTY_SHARES = (0.3, 0.3, 1.0)
"""Of the requests in bad weather: often few enough for the breakers to stay closed."""

LONGEST_WEATHER = 3.0
LONGEST_SILENCE = 6.0
"""Seconds; the gateway's own deadlines are shorter."""

PIECE_SECONDS = 0.01
_JSON = {"Content-Type": "application/json"}
_LISTS: dict[str, Any] = {
    "/api/ps": {"models": [{"name": "tiny", "model": "tiny"}]},
    "/api/tags": {"models": []},
    "/v1/models": {"object": "list", "data": []},
}


class Touch(NamedTuple):
    """What an upstream did to one request; ``fault`` is "" for a good answer."""

    at: float
    fault: str


@dataclass
class Flapping:
    """An upstream by name, with all that it did. Times are ``time.monotonic()``."""

    name: str
    random: random.Random
    touches: dict[str, list[Touch]] = field(default_factory=dict)
    """By prompt."""

    refused: list[tuple[float, float]] = field(default_factory=list)
    weather: str = ""
    faulty_share: float = 1.0

    def __post_init__(self) -> None:
        self._is_over = threading.Event()
        self._server = Upstream(socket.create_server(("127.0.0.1", 0), backlog=1024), self._answer)
        self._port = self._server.port
        self.url = self._server.url
        self._serve()
        self._thread = threading.Thread(target=self._change, daemon=True)

    def start(self) -> None:
        """Let the weather begin to change."""
        self._thread.start()

    def calm(self) -> None:
        """Have fair weather from now on."""
        self._is_over.set()
        self._thread.join()

    def faults_between(self, start: float, end: float) -> int:
        """Return how many requests it failed, and how often it refused to be connected."""
        touches = [touch for each in list(self.touches.values()) for touch in each if touch.fault]
        refused = sum(began < end and ended > start for began, ended in self.refused)
        return refused + sum(start <= touch.at <= end for touch in touches)

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve, daemon=True).start()

    def _change(self) -> None:
        while not self._is_over.is_set():
            fault = "" if self.random.random() < FAIR_SHARE else self.random.choice(FAULTS)
            seconds = self.random.uniform(0.3, LONGEST_WEATHER)
            self.faulty_share = self.random.choice(FAULTY_SHARES)
            self.weather = fault
            if fault == "refused":
                self._refuse(seconds)
            else:
                self._is_over.wait(seconds)
        self.weather = ""

    def _refuse(self, seconds: float) -> None:
        self.refused.append((time.monotonic(), float("inf")))
        self._server.listener.shutdown(socket.SHUT_RDWR)
        self._server.listener.close()
        self._is_over.wait(seconds)
        self._server.listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self._serve()
        self.refused[-1] = (self.refused[-1][0], time.monotonic())

    def _answer(self, request: Request, connection: Connection) -> None:
        if request.path in _LISTS:
            connection.send_json(_LISTS[request.path])
            return
        body = request.json()
        prompt = body["messages"][-1]["content"] if "messages" in body else body["input"]
        prompt = prompt if isinstance(prompt, str) else prompt[0]
        fault = self.weather if self.random.random() < self.faulty_share else ""
        self.touches.setdefault(prompt, []).append(Touch(time.monotonic(), fault))
        headers, pieces = build_answer(request.path, body, prompt)
        if fault == "503":
            connection.send_answer(b'{"error":{"message":"overloaded"}}', 503, _JSON)
        elif fault in ("refused", "reset"):
            connection.reset()
        elif fault == "silent":
            connection.wait_closed(LONGEST_SILENCE)
            connection.close()
        else:
            connection.send_head(200, headers)
            for piece in pieces[: len(pieces) // 2] if fault else pieces:
                connection.send_chunk(piece)
                time.sleep(PIECE_SECONDS)
            self._end(fault, connection)

    def _end(self, fault: str, connection: Connection) -> None:
        if not fault:
            connection.end_chunks()
        elif fault == "hung":
            connection.wait_closed(LONGEST_SILENCE)
            connection.close()
        elif self.random.random() < 0.5:
            connection.close()
        else:
            connection.reset()


def echo(prompt: str) -> str:
    """Return the only right answer to ``prompt``."""
    return f"this is the answer to {prompt} and no other"


def embedding(prompt: str) -> list[float]:
    """Return the only right embedding of ``prompt``."""
    return [float(byte) for byte in prompt.encode()]


def build_answer(path: str, body: Any, prompt: str) -> tuple[dict[str, str], list[bytes]]:
    """Return the headers and the pieces of the good answer to a request."""
    if path == "/api/chat":
        return NDJSON, [*map(ollama_line, iter_words(prompt)), ollama_line(done=True)]
    if path == "/api/embed":
        return _JSON, _halves({"model": "tiny", "embeddings": [embedding(prompt)]})
    if path == "/v1/embeddings":
        item = {"object": "embedding", "index": 0, "embedding": embedding(prompt)}
        return _JSON, _halves({"object": "list", "data": [item], "model": "tiny", "usage": _USAGE})
    if body.get("stream"):
        events = [openai_event({"content": word}) for word in iter_words(prompt)]
        events[0] = openai_event({"role": "assistant", "content": next(iter_words(prompt))})
        return SSE, [*events, openai_event(finish_reason="stop"), b"data: [DONE]\n\n"]
    message = {"role": "assistant", "content": echo(prompt), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000}
    return _JSON, _halves({**whole, "model": "tiny", "choices": [choice], "usage": _USAGE})


def iter_words(prompt: str) -> Iterator[str]:
    """Yield the answer to ``prompt`` word by word."""
    first, *others = echo(prompt).split(" ")
    yield first
    yield from (f" {word}" for word in others)


def _halves(value: Any) -> list[bytes]:
    data = json.dumps(value).encode()
    return [data[: len(data) // 2], data[len(data) // 2 :]]


_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
