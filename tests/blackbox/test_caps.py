"""Upstreams that send without end: stopped at a cap, while the worker's memory stays flat."""

from __future__ import annotations

import gzip
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.blackbox.wire import NDJSON, SSE, assert_error, iter_blocks, ollama_line, read_stream
from tests.gateway_process import Gateway, chat_body, run_gateway
from tests.upstream import Connection, Request, Upstream, answer, stream

MEBIBYTE = 1024 * 1024
MODELS = ["ollama/tiny", "openai/gpt-4o-mini"]
CHAT = "/v1/chat/completions"


def peak_memory(gateway: Gateway) -> int:
    """Return the highest resident memory any worker ever had, in bytes."""
    peaks = []
    for pid in gateway.worker_pids():
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peaks.append(int(line.split()[1]) * 1024)
    return max(peaks)


def test_many_large_uploads_wait_for_room_and_are_answered_all(
    shared_upstream: Upstream, tmp_path: Path
) -> None:
    def transcribe(request: Request, connection: Connection) -> None:
        time.sleep(0.1)
        connection.send_json({"text": f"{len(request.body)} bytes"})

    config = {"providers": {"o": {"kind": "openai", "base_url": f"{shared_upstream.url}/v1"}}}
    sound = b"RIFF" * MEBIBYTE
    shared_upstream.reset({"/v1/audio/transcriptions": transcribe})
    with run_gateway(tmp_path, config=config, MAX_REQUEST_BYTES="5 MiB") as gateway:

        def upload(number: int) -> int:
            answered = gateway.request(
                "POST",
                "/v1/audio/transcriptions",
                files={"file": ("a.wav", sound)},
                data={"model": "o/whisper"},
            )
            return answered.status_code

        assert upload(0) == 200
        before = peak_memory(gateway)
        with ThreadPoolExecutor(40) as pool:
            assert set(pool.map(upload, range(40))) == {200}
        # What all of them are, once, is 160 MiB.
        assert peak_memory(gateway) - before < 128 * MEBIBYTE


def test_gzip_nobody_asked_for_is_decoded(gateway: Gateway, upstream: Upstream) -> None:
    body = gzip.compress(ollama_line("zipped", done=True))
    upstream.handler = answer(body, 200, "application/x-ndjson", Content_Encoding="gzip")
    got = gateway.chat("ollama/tiny")
    assert got.json()["choices"][0]["message"]["content"] == "zipped"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_gzip_bomb_is_stopped_at_a_cap(
    impatient: Gateway, upstream: Upstream, model: str, streamed: bool
) -> None:
    packer = zlib.compressobj(1, wbits=31)
    zeros = bytes(MEBIBYTE)
    bomb = b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush()
    upstream.handler = answer(bomb, 200, "application/json", Content_Encoding="gzip")
    before = peak_memory(impatient)
    got = impatient.chat(model, stream=streamed)
    assert got.status_code == 502, got.text
    assert_error(got.text)
    assert peak_memory(impatient) - before < 128 * MEBIBYTE


def test_whole_answer_of_many_short_lines_is_stopped_at_a_cap(
    impatient: Gateway, upstream: Upstream
) -> None:
    lines = ollama_line("x" * 100_000) * 1000
    bomb = gzip.compress(lines + ollama_line(done=True))
    upstream.handler = answer(bomb, 200, "application/x-ndjson", Content_Encoding="gzip")
    before = peak_memory(impatient)
    got = impatient.chat("ollama/tiny")
    assert got.status_code == 502, got.text
    assert_error(got.text)
    assert peak_memory(impatient) - before < 192 * MEBIBYTE


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_line_without_end_is_stopped_at_a_cap(
    gateway: Gateway, upstream: Upstream, model: str, streamed: bool
) -> None:
    sent = 0

    def handler(request: Request, connection: Connection) -> None:
        nonlocal sent
        connection.send_head(200, NDJSON if model.startswith("ollama") else SSE)
        connection.send_chunk(b'data: {"message":{"content":"'[0 if "open" in model else 6 :])
        while sent < 256 * MEBIBYTE:
            connection.send_chunk(b"x" * 65536)
            sent += 65536

    upstream.handler = handler
    before = peak_memory(gateway)
    got = gateway.chat(model, stream=streamed)
    assert got.status_code == 502, got.text
    assert_error(got.text)
    assert sent < 64 * MEBIBYTE
    assert peak_memory(gateway) - before < 128 * MEBIBYTE


def test_line_of_eight_mebibytes_passes(gateway: Gateway, upstream: Upstream) -> None:
    text = "x" * (8 * MEBIBYTE)
    upstream.handler = stream([ollama_line(text), ollama_line(done=True)], 200, NDJSON)
    got = gateway.chat("ollama/tiny")
    assert got.json()["choices"][0]["message"]["content"] == text
    connection = gateway.connect("POST", CHAT, chat_body("ollama/tiny", stream=True))
    streamed = read_stream(iter_blocks(connection.getresponse()))
    connection.close()
    assert streamed.content == text
