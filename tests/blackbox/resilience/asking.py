"""What clients of a resilient gateway do: ask at once, read either kind of answer, look at targets.

Must not know the gateway's code.
"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import requests

from tests.blackbox.wire import DONE, Stream, assert_promises_kept, read_stream
from tests.gateway_process import ADMIN_KEY, Gateway, chat_body

CHAT = "/v1/chat/completions"
AS_ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}

_Result = TypeVar("_Result")


def at_once(count: int, ask: Callable[[int], _Result]) -> list[_Result]:
    """Return what ``ask(number)`` does for each of ``count`` numbers, all at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def stream_of(response: requests.Response) -> Stream:
    """Take apart a stream that was read to its end."""
    assert response.headers["Content-Type"].startswith("text/event-stream"), response.text
    return read_stream(block for block in response.text.split("\n\n") if block)


def text_of(response: requests.Response) -> str:
    """Return the content of the one good answer, whole or streamed, that this has to be."""
    assert response.status_code == 200, response.text
    if not response.headers["Content-Type"].startswith("text/event-stream"):
        (choice,) = response.json()["choices"]
        return str(choice["message"]["content"])
    assert response.text.count(DONE) == 1
    stream = stream_of(response)
    assert_promises_kept(stream)
    return stream.content


def open_chat(gateway: Gateway, model: str, **fields: Any) -> http.client.HTTPConnection:
    """Send a chat on a connection of its own, to read or leave by hand."""
    return gateway.connect("POST", CHAT, chat_body(model, **fields))


def log_field(line: str, name: str) -> str:
    """Return the field ``name`` of a line of the log."""
    found = re.search(rf" {name}=(\S+)", line)
    assert found, line
    return found[1]


def log_line(gateway: Gateway, response: requests.Response) -> str:
    """Return the line of the log for the request that ``response`` answered."""
    return gateway.wait_for_log(f"request_id={response.headers['x-request-id']} ")


def describe_targets(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """Return what admins see of providers and targets, by their names."""
    described = gateway.get("/admin/targets", headers=AS_ADMIN)
    assert described.status_code == 200, described.text
    value = described.json()
    return {each["name"]: each for each in value["targets"] + value["providers"]}


def wait_until(condition: Callable[[], bool], timeout: float = 15.0) -> float:
    """Return after how many seconds ``condition`` held; fails if it doesn't in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout, "it does not come about"
        time.sleep(0.02)
    return time.monotonic() - began
