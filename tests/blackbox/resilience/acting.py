"""Upstreams that play a part: answer, fail in one of many ways, take their time, count.

Knows OpenAI's format as an upstream speaks it. Must not know the gateway.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.blackbox.wire import SSE, openai_event
from tests.upstream import Connection, Handler, Request, Upstream

CHAT = "/v1/chat/completions"
# A connection that was used before may be found closed, so that the transport sends what it
# lost once more. Here each request has its own, and what is counted are attempts.
CLOSE = {"Connection": "close"}
JSON = {"Content-Type": "application/json", **CLOSE}


def say(text: str, after: float = 0.0) -> Handler:
    """Answer ``text``, whole or as a stream of two pieces, ``after`` seconds."""

    def handler(request: Request, connection: Connection) -> None:
        time.sleep(after)
        if not request.json().get("stream"):
            connection.send_answer(json.dumps(_completion(text)).encode(), 200, JSON)
            connection.close()
            return
        connection.send_head(200, SSE | CLOSE)
        middle = len(text) // 2
        connection.send_chunk(begin_events(text[:middle]))
        connection.send_chunk(end_events(text[middle:]))
        connection.end_chunks()
        connection.close()

    return handler


def begin_events(text: str) -> bytes:
    """Return the beginning of a stream: the role, and a piece of content."""
    return openai_event({"role": "assistant", "content": ""}) + openai_event({"content": text})


def end_events(text: str) -> bytes:
    """Return the rest of a stream: a piece of content, and its end."""
    return openai_event({"content": text}) + openai_event({}, "stop") + b"data: [DONE]\n\n"


def fail(status: int, code: str = "made_up", **headers: str) -> Handler:
    """Answer with an error in OpenAI's shape; ``headers`` have ``_`` for ``-``."""
    error = {"message": "It went wrong.", "type": "made_up", "param": None, "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def handler(request: Request, connection: Connection) -> None:
        connection.send_answer(json.dumps({"error": error}).encode(), status, {**JSON, **named})
        connection.close()

    return handler


def reset(request: Request, connection: Connection) -> None:
    """Hang up without a word."""
    connection.reset()


def be_silent(request: Request, connection: Connection) -> None:
    """Say nothing until the other side has gone."""
    connection.wait_closed()


def say_role_and_reset(request: Request, connection: Connection) -> None:
    """Begin an answer as if all were well, and hang up before it says anything."""
    if request.json().get("stream"):
        connection.send_head(200, SSE)
        connection.send_chunk(openai_event({"role": "assistant", "content": ""}))
    else:
        connection.send_head(200, JSON)
        connection.send_chunk(b'{"id": "half')
    connection.close()


def tell_error_in_a_success(request: Request, connection: Connection) -> None:
    """Answer 200, and with it an error."""
    error = b'{"error": {"message": "It went wrong.", "type": "server_error", "code": null}}'
    if request.json().get("stream"):
        connection.send_answer(b"data: %b\n\n" % error, 200, SSE | CLOSE)
    else:
        connection.send_answer(error, 200, JSON)
    connection.close()


def talk_nonsense(request: Request, connection: Connection) -> None:
    """Answer with a web page."""
    connection.send_answer(b"<html>welcome</html>", 200, {"Content-Type": "text/html", **CLOSE})
    connection.close()


def list_no_models(request: Request, connection: Connection) -> None:
    """Answer as an upstream that is there, and keeps to itself which models it has."""
    connection.send_answer(b'{"object": "list", "data": []}', 200, JSON)
    connection.close()


def in_turn(*handlers: Handler) -> Handler:
    """Give each request the next of ``handlers``, and the last to all that follow."""
    lock = threading.Lock()
    left = list(handlers)

    def handler(request: Request, connection: Connection) -> None:
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        chosen(request, connection)

    return handler


class Counting:
    """Answers ``text`` after some seconds, and counts how many it has to answer at once."""

    def __init__(self, text: str, seconds: float) -> None:
        self._answer = say(text)
        self._seconds = seconds
        self._lock = threading.Lock()
        self.open = 0
        self.most = 0

    def __call__(self, request: Request, connection: Connection) -> None:
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        time.sleep(self._seconds)
        # Before it answers: the gateway may send the next as soon as it has.
        with self._lock:
            self.open -= 1
        self._answer(request, connection)


class Gate:
    """Answers ``text`` once it is opened; lets go of whoever leaves before."""

    def __init__(self, text: str) -> None:
        self._answer = say(text)
        self._open = threading.Event()
        self.asked = threading.Semaphore(0)

    def __call__(self, request: Request, connection: Connection) -> None:
        self.asked.release()
        assert self._open.wait(20)
        self._answer(request, connection)

    def wait_until_asked(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.asked.acquire(timeout=10)

    def open(self) -> None:
        self._open.set()


@contextmanager
def gate(upstream: Upstream, text: str) -> Iterator[Gate]:
    """Put a gate before ``upstream``, which opens at the latest with the end of the block."""
    it = Gate(text)
    upstream.handler = it
    try:
        yield it
    finally:
        it.open()


def seen(upstream: Upstream, model: str) -> list[dict[str, Any]]:
    """Return the chats that ``upstream`` was asked for from ``model``, in order."""
    bodies = [request.json() for request in list(upstream.requests) if request.method == "POST"]
    return [body for body in bodies if body.get("model") == model]


def prompt(text: str) -> list[dict[str, str]]:
    """Return the messages of a chat in which a user says ``text``."""
    return [{"role": "user", "content": text}]


def prompt_of(body: dict[str, Any]) -> str:
    """Return what the user said in a chat of ``prompt``."""
    text: str = body["messages"][-1]["content"]
    return text


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
