"""The promises that streams keep, over recorded upstreams in TCP pieces of every size."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.blackbox.wire import (
    NDJSON,
    SSE,
    Stream,
    assert_promises_kept,
    iter_blocks,
    ollama_line,
    openai_event,
    read_stream,
)
from tests.gateway_process import Gateway, chat_body
from tests.recordings import Recording, load, names
from tests.upstream import Connection, Request, Upstream, answer, replay, stream

CUTS = [1, 2, 3, 7, 64, None]

OLLAMA_STREAMS = [
    name
    for name in names("ollama")
    if load("ollama", name).request.get("path") == "/api/chat"
    and load("ollama", name).status == 200
    and name not in ("error-runner-killed-stream", "load")
]
OPENAI_STREAMS = names("openai", "stream-")


def read(
    gateway: Gateway, model: str, note: Callable[[str], object] = bool, **fields: Any
) -> Stream:
    """Ask for a stream, expecting a 200, and read it to its end; tell each block to ``note``."""
    body = chat_body(model, stream=True, **fields)
    connection = gateway.connect("POST", "/v1/chat/completions", body)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["X-Accel-Buffering"] == "no"

    def noted() -> Iterator[str]:
        for block in iter_blocks(response):
            note(block)
            yield block

    result = read_stream(noted())
    connection.close()
    return result


def lines_of(recording: Recording) -> list[dict[str, Any]]:
    return [json.loads(line) for line in recording.body.split(b"\n") if line.strip()]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", OLLAMA_STREAMS)
def test_recorded_ollama_answer_streams_whole(
    gateway: Gateway, upstream: Upstream, name: str, cut: int | None
) -> None:
    recording = load("ollama", name)
    upstream.handler = replay(recording, cut)
    lines = lines_of(recording)
    messages = [line["message"] for line in lines]
    calls = [call["function"] for message in messages for call in message.get("tool_calls", [])]

    got = read(gateway, "ollama/" + lines[0]["model"], stream_options={"include_usage": True})

    assert_promises_kept(got, usage=True)
    assert got.content == "".join(message["content"] for message in messages)
    assert got.reasoning == "".join(message.get("thinking", "") for message in messages)
    assert got.tool_calls == [(call["name"], call["arguments"]) for call in calls]
    reason = lines[-1]["done_reason"]
    assert got.finish_reasons == ["tool_calls" if calls and reason == "stop" else reason]
    assert {chunk["model"] for chunk in got.chunks} == {"ollama/" + lines[0]["model"]}
    usage = got.chunks[-1]["usage"]
    assert usage["prompt_tokens"] == lines[-1].get("prompt_eval_count", 0)
    assert usage["completion_tokens"] == lines[-1].get("eval_count", 0)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", OPENAI_STREAMS)
def test_recorded_openai_stream_passes_byte_for_byte(
    gateway: Gateway, upstream: Upstream, name: str, cut: int | None
) -> None:
    recording = load("openai", name)
    upstream.handler = stream(recording.pieces, 200, SSE, cut)

    got = gateway.chat("openai/gpt-4o-mini", stream=True, stream_options={"include_usage": True})

    assert got.status_code == 200
    assert got.content == recording.body
    (asked,) = upstream.asked("/v1/chat/completions")
    assert asked.json()["model"] == "gpt-4o-mini"


@pytest.mark.parametrize("name", OPENAI_STREAMS)
def test_usage_nobody_asked_for_is_hidden(gateway: Gateway, upstream: Upstream, name: str) -> None:
    recording = load("openai", name)
    upstream.handler = stream(recording.pieces, 200, SSE)
    events = [event for event in recording.body.decode().split("\n\n") if event]
    sent = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    expected = [
        {name: value for name, value in chunk.items() if name != "usage"}
        for chunk in sent
        if chunk["choices"]
    ]

    got = read(gateway, "openai/gpt-4o-mini")

    assert got.chunks == expected
    assert got.is_done
    (asked,) = upstream.asked("/v1/chat/completions")
    assert asked.json()["stream_options"] == {"include_usage": True}


def test_usage_of_ollama_is_hidden_unless_asked_for(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "chat-stream"))
    assert_promises_kept(read(gateway, "ollama/tiny"))


@pytest.mark.parametrize("model", ["ollama/tiny", "openai/gpt-4o-mini"])
def test_each_token_is_passed_on_before_the_next_exists(
    gateway: Gateway, upstream: Upstream, model: str
) -> None:
    pieces, headers = token_pieces(model, ["one", "two", "three"])
    client_has_it = threading.Semaphore(0)

    def handler(request: Request, connection: Connection) -> None:
        connection.send_head(200, headers)
        for piece in pieces[:-1]:
            connection.send_chunk(piece)
            assert client_has_it.acquire(timeout=10)
        connection.send_chunk(pieces[-1])
        connection.end_chunks()

    upstream.handler = handler
    body = chat_body(model, stream=True)
    connection = gateway.connect("POST", "/v1/chat/completions", body)
    blocks = iter_blocks(connection.getresponse())
    received = []
    for block in blocks:
        received.append(block)
        if '"content":' in block and any(word in block for word in ("one", "two", "three")):
            client_has_it.release()
    connection.close()

    got = read_stream(received)
    assert got.content == "onetwothree"
    assert got.finish_reasons == ["stop"]


def token_pieces(model: str, words: list[str]) -> tuple[list[bytes], dict[str, str]]:
    """Return one piece a word, and one for the end, in the format of the model's provider."""
    if model.startswith("ollama/"):
        return [*map(ollama_line, words), ollama_line(done=True)], NDJSON
    first, *rest = words
    pieces = [openai_event({"role": "assistant", "content": first})]
    pieces += [openai_event({"content": word}) for word in rest]
    return [*pieces, openai_event(finish_reason="stop") + b"data: [DONE]\n\n"], SSE


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("error-model-not-found", 404, "model_not_found"),
        ("error-context-overflow", 400, "context_length_exceeded"),
    ],
)
def test_error_before_the_first_token_has_its_real_status(
    gateway: Gateway, upstream: Upstream, name: str, status: int, code: str
) -> None:
    upstream.handler = replay(load("ollama", name))
    got = gateway.chat("ollama/tiny", stream=True)
    assert got.status_code == status
    assert got.headers["Content-Type"] == "application/json"
    assert got.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("model", "pieces", "headers"),
    [
        ("ollama/tiny", [b'{"error":"model runner has unexpectedly stopped"}\n'], NDJSON),
        ("ollama/tiny", [], NDJSON),
        ("ollama/tiny", [b"<html>\n"], NDJSON),
        ("ollama/tiny", [ollama_line("")], NDJSON),
        ("openai/gpt-4o-mini", [openai_event({"role": "assistant", "content": ""})], SSE),
        ("openai/gpt-4o-mini", [b'data: {"error":{"message":"overloaded"}}\n\n'], SSE),
        ("openai/gpt-4o-mini", [], SSE),
    ],
)
def test_failure_before_the_first_content_is_a_502(
    gateway: Gateway, upstream: Upstream, model: str, pieces: list[bytes], headers: dict[str, str]
) -> None:
    upstream.handler = stream(pieces, 200, headers)
    got = gateway.chat(model, stream=True)
    assert got.status_code == 502, got.text
    assert set(got.json()["error"]) == {"message", "type", "param", "code"}


def test_runner_killed_in_mid_stream_ends_with_error_event(
    gateway: Gateway, upstream: Upstream
) -> None:
    recording = load("ollama", "error-runner-killed-stream")
    upstream.handler = replay(recording)

    got = read(gateway, "ollama/tiny-loop")

    words = [line["message"]["content"] for line in lines_of(recording) if "message" in line]
    assert got.content == "".join(words)
    assert got.finish_reasons == []
    (error,) = got.errors
    assert set(error["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("model", "tail"),
    [
        ("ollama/tiny", b""),
        ("ollama/tiny", b"<html>Bad gateway</html>\n"),
        ("ollama/tiny", b"[1]\n"),
        ("ollama/tiny", b'{"message":{"content":"half'),
        ("openai/gpt-4o-mini", b""),
        ("openai/gpt-4o-mini", b"data: <html>\n\n"),
        ("openai/gpt-4o-mini", b'data: {"error":{"message":"overloaded"}}\n\ndata: [DONE]\n\n'),
        ("openai/gpt-4o-mini", b'data: {"id":"chatcmpl-1","choi'),
    ],
)
def test_stream_without_its_own_end_mark_ends_with_error_event(
    gateway: Gateway, upstream: Upstream, model: str, tail: bytes
) -> None:
    pieces, headers = token_pieces(model, ["one", "two"])
    upstream.handler = stream([*pieces[:2], tail] if tail else pieces[:2], 200, headers)

    got = read(gateway, model)

    assert got.content == "onetwo"
    assert got.finish_reasons == []
    assert len(got.errors) == 1
    assert set(got.errors[0]["error"]) >= {"message", "type", "param", "code"}


def test_done_after_output_without_a_reason_counts_as_stop(
    gateway: Gateway, upstream: Upstream
) -> None:
    pieces = [openai_event({"role": "assistant", "content": "one"}), b"data: [DONE]\n\n"]
    upstream.handler = stream(pieces, 200, SSE)
    got = read(gateway, "openai/gpt-4o-mini")
    assert got.content == "one"
    assert got.errors == []
    assert got.finish_reasons == ["stop"]
    assert got.is_done


def test_pings_keep_a_silent_stream_alive(impatient: Gateway, upstream: Upstream) -> None:
    pinged = threading.Semaphore(0)

    def handler(request: Request, connection: Connection) -> None:
        for _ in range(2):
            assert pinged.acquire(timeout=10)
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line("late") + ollama_line(done=True))
        connection.end_chunks()

    upstream.handler = handler
    began = time.monotonic()
    got = read(impatient, "ollama/tiny", lambda block: pinged.release())
    assert set(got.comments) == {": ping"}
    assert 2 <= len(got.comments) <= (time.monotonic() - began) / 0.4
    assert got.content == "late"
    assert_promises_kept(got)


def test_failure_after_a_ping_is_an_error_event(impatient: Gateway, upstream: Upstream) -> None:
    pinged = threading.Event()

    def handler(request: Request, connection: Connection) -> None:
        assert pinged.wait(10)
        connection.send_json({"error": "model 'tiny' not found"}, 404)

    upstream.handler = handler
    got = read(impatient, "ollama/tiny", lambda block: pinged.set())
    assert got.comments[0] == ": ping"
    assert got.chunks == []
    assert got.errors[0]["error"]["code"] == "model_not_found"


def test_answer_that_is_no_stream_is_still_streamed(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = answer(ollama_line("all at once", done=True).rstrip())
    got = read(gateway, "ollama/tiny")
    assert got.content == "all at once"
    assert_promises_kept(got)


def test_several_choices_share_one_stream(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "chat-stream"))
    got = read(gateway, "ollama/tiny", n=3, stream_options={"include_usage": True})
    assert_promises_kept(got, usage=True)
    assert len(upstream.asked("/api/chat")) == 3
    for index in range(3):
        deltas = [choice["delta"] for choice in got.choices if choice["index"] == index]
        assert "".join(delta.get("content") or "" for delta in deltas) == "Hello from a tiny model."
    assert got.finish_reasons == ["stop"] * 3


def test_one_worker_serves_many_clients_at_once(impatient: Gateway, upstream: Upstream) -> None:
    def handler(request: Request, connection: Connection) -> None:
        time.sleep(0.5)
        connection.send_answer(ollama_line("one", done=True), 200, NDJSON)

    upstream.handler = handler
    assert len(impatient.worker_pids()) == 1
    start = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: impatient.chat("ollama/tiny").status_code, range(20)))
    assert statuses == [200] * 20
    assert time.monotonic() - start < 5  # one after another they would take ten
