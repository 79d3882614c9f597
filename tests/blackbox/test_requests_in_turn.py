"""Answers that take several requests upstream, where few are let in at a time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from tests.blackbox.wire import NDJSON, assert_promises_kept, iter_blocks, ollama_line, read_stream
from tests.gateway_process import Gateway, chat_body, run_gateway
from tests.upstream import Connection, Request, Upstream, serve_upstream

EMBEDDER = "amazon.titan-embed-text-v2:0"
LIMIT = 2


class Counting:
    """Answers Ollama's chats and Titan's embeddings, and counts those it has open at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.open = 0
        self.most = 0

    def __call__(self, request: Request, connection: Connection) -> None:
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        time.sleep(0.03)
        with self._lock:
            self.open -= 1
        if request.path == "/api/chat":
            connection.send_answer(ollama_line("Hello") + ollama_line(done=True), 200, NDJSON)
        else:
            connection.send_answer(
                json.dumps({"embedding": [0.5], "inputTextTokenCount": 2}).encode()
            )


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with serve_upstream() as it:
        yield it


@pytest.fixture(scope="module")
def gateway(server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    bedrock = {"kind": "bedrock", "base_url": server.url, "api_key": "bedrock-key-0123456789"}
    providers = {
        "ollama": {"kind": "ollama", "base_url": server.url, "max_concurrency": LIMIT},
        "free": {"kind": "ollama", "base_url": server.url},
        "bedrock": {**bedrock, "max_concurrency": LIMIT},
    }
    models = {"single": {"targets": [{"target": "free/limited", "max_concurrency": 1}]}}
    config = {"providers": providers, "models": models}
    with run_gateway(tmp_path_factory.mktemp("turns"), config=config) as it:
        yield it


@pytest.fixture
def counting(server: Upstream) -> Counting:
    it = Counting()
    server.reset()
    server.handler = it
    return it


def test_more_choices_than_slots_are_made_one_after_the_other(
    gateway: Gateway, counting: Counting, server: Upstream
) -> None:
    got = gateway.chat("single", n=3)
    assert [choice["message"]["content"] for choice in got.json()["choices"]] == ["Hello"] * 3
    assert got.json()["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    assert (counting.most, len(server.asked("/api/chat"))) == (1, 3)


def test_a_stream_of_choices_in_turn_keeps_the_promises(
    gateway: Gateway, counting: Counting
) -> None:
    body = chat_body("ollama/tiny", n=3, stream=True, stream_options={"include_usage": True})
    connection = gateway.connect("POST", "/v1/chat/completions", body)
    got = read_stream(iter_blocks(connection.getresponse()))
    connection.close()
    assert_promises_kept(got, usage=True)
    assert got.finish_reasons == ["stop"] * 3
    assert counting.most == 1


def test_requests_of_several_choices_never_ask_more_at_once_than_the_limit(
    gateway: Gateway, counting: Counting
) -> None:
    clients = [
        threading.Thread(target=gateway.chat, args=("ollama/tiny",), kwargs={"n": 4})
        for _ in range(4)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert counting.most == LIMIT


def test_without_a_limit_they_are_made_at_once(gateway: Gateway, counting: Counting) -> None:
    assert len(gateway.chat("free/tiny", n=3).json()["choices"]) == 3
    assert counting.most == 3


def test_embeddings_that_are_asked_for_one_by_one_take_turns_too(
    gateway: Gateway, counting: Counting
) -> None:
    body = {"model": f"bedrock/{EMBEDDER}", "input": ["a", "b", "c"]}
    got = gateway.post("/v1/embeddings", body)
    assert len(got.json()["data"]) == 3, got.text
    assert counting.most == 1
