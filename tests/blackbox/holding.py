"""Streams that last as long as a test wants, and workers that take over from others."""

from __future__ import annotations

import threading
import time

from tests.blackbox.wire import NDJSON, Stream, iter_blocks, ollama_line, read_stream
from tests.gateway_process import Gateway, chat_body
from tests.upstream import Connection, Request


class Held:
    """An upstream that begins its answers at once and ends them when it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.end = threading.Event()

    def __call__(self, request: Request, connection: Connection) -> None:
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line("one"))
        self.asked.release()
        assert self.end.wait(20)
        connection.send_chunk(ollama_line("two", done=True))
        connection.end_chunks()


class OpenStream:
    """A stream under way, on a connection that is kept open after it."""

    def __init__(self, gateway: Gateway, model: str = "ollama/tiny") -> None:
        body = chat_body(model, stream=True)
        self.client = gateway.connect("POST", "/v1/chat/completions", body)
        self.response = self.client.getresponse()
        assert self.response.status == 200

    def read(self) -> Stream:
        """Read it to its end."""
        return read_stream(iter_blocks(self.response))

    def close(self) -> None:
        self.response.close()
        self.client.close()


def wait_for_other_workers(gateway: Gateway, old: list[int]) -> None:
    """Return when all workers are new ones, and one of them answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        workers = gateway.worker_pids()
        if len(workers) >= len(old) and not set(workers) & set(old):
            assert gateway.get("/health").status_code == 200
            return
        time.sleep(0.02)
    raise AssertionError(f"not all workers are new:\n{gateway.log}")
