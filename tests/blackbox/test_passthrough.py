"""Operations that pass through: images, audio, moderations, reranking."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
import requests

from tests.blackbox.wire import SSE
from tests.gateway_process import Gateway
from tests.upstream import Connection, Request, Upstream

AUDIO = bytes(range(256)) * 1000
IMAGES = (
    b'{"created": 1, "data": [{"b64_json": "AAAA"}],'
    b' "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}}'
)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    url = f"{gateway.url}/v1"
    with openai.OpenAI(base_url=url, api_key=gateway.key, max_retries=0) as client:
        yield client


def test_an_image(client: openai.OpenAI, gateway: Gateway, upstream: Upstream) -> None:
    def paint(request: Request, connection: Connection) -> None:
        connection.send_answer(IMAGES, 200, {"Content-Type": "application/json"})

    upstream.routes["/v1/images/generations"] = paint
    raw = client.images.with_raw_response.generate(model="openai/gpt-image-1", prompt="a cat")
    assert raw.content == IMAGES
    assert raw.headers["x-gateway-provider"] == "openai"
    asked = upstream.asked("/v1/images/generations")[-1].json()
    assert asked == {"model": "gpt-image-1", "prompt": "a cat"}
    line = gateway.wait_for_log("path=/v1/images/generations status=200")
    assert "prompt_tokens=5 completion_tokens=7" in line


def test_speech_comes_piece_by_piece(client: openai.OpenAI, upstream: Upstream) -> None:
    def speak(request: Request, connection: Connection) -> None:
        connection.send_head(200, {"Content-Type": "audio/mpeg"})
        for start in range(0, len(AUDIO), 50_000):
            connection.send_chunk(AUDIO[start : start + 50_000])
        connection.end_chunks()

    upstream.routes["/v1/audio/speech"] = speak
    with client.audio.speech.with_streaming_response.create(
        model="openai/tts-1", voice="alloy", input="hello"
    ) as response:
        assert response.headers["content-type"] == "audio/mpeg"
        assert b"".join(response.iter_bytes()) == AUDIO


def test_a_transcription_takes_a_file(client: openai.OpenAI, upstream: Upstream) -> None:
    def listen(request: Request, connection: Connection) -> None:
        connection.send_json({"text": "hello", "usage": {"type": "duration", "seconds": 1}})

    upstream.routes["/v1/audio/transcriptions"] = listen
    got = client.audio.transcriptions.create(model="openai/whisper-1", file=("a.wav", AUDIO))
    assert got.text == "hello"
    asked = upstream.asked("/v1/audio/transcriptions")[-1]
    assert AUDIO in asked.body
    assert b"openai/whisper-1" not in asked.body
    assert b"whisper-1" in asked.body


def test_moderations_and_reranking(gateway: Gateway, upstream: Upstream) -> None:
    def answer(request: Request, connection: Connection) -> None:
        connection.send_json({"id": "modr-1", "model": "x", "results": []})

    for operation in ("moderations", "rerank"):
        upstream.routes[f"/v1/{operation}"] = answer
        got = gateway.post(f"/v1/{operation}", {"model": "openai/judge", "input": "a"})
        assert (got.status_code, got.json()["id"]) == (200, "modr-1")


def test_a_provider_without_it_says_so(client: openai.OpenAI, upstream: Upstream) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(model="ollama/tiny", prompt="a cat")
    assert raised.value.param == "model"
    assert not upstream.asked("/v1/images/generations")


def test_an_upstreams_error_keeps_its_status(client: openai.OpenAI, upstream: Upstream) -> None:
    def refuse(request: Request, connection: Connection) -> None:
        error = {"message": "No cats.", "type": "invalid_request_error", "code": "no_cats"}
        connection.send_json({"error": error}, 400)

    upstream.routes["/v1/images/generations"] = refuse
    with pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(model="openai/gpt-image-1", prompt="a cat")
    assert raised.value.code == "no_cats"


def test_an_answer_that_breaks_off_is_no_whole_one(gateway: Gateway, upstream: Upstream) -> None:
    def break_off(request: Request, connection: Connection) -> None:
        connection.send_head(200, {"Content-Type": "audio/mpeg"})
        connection.send_chunk(AUDIO)
        connection.close()

    upstream.routes["/v1/audio/speech"] = break_off
    with pytest.raises(requests.RequestException):
        gateway.post("/v1/audio/speech", {"model": "openai/tts-1", "input": "a"})
    assert "Traceback" not in gateway.log


def test_a_stream_that_breaks_off_ends_with_an_error_event(
    gateway: Gateway, upstream: Upstream
) -> None:
    def break_off(request: Request, connection: Connection) -> None:
        connection.send_head(200, SSE)
        connection.send_chunk(b'data: {"type":"transcript.text.delta","delta":"a"}\n\n')
        connection.close()

    upstream.routes["/v1/audio/transcriptions"] = break_off
    files = {"file": ("a.wav", AUDIO)}
    got = gateway.request(
        "POST",
        "/v1/audio/transcriptions",
        data={"model": "openai/whisper-1", "stream": "true"},
        files=files,
    )
    assert got.text.startswith('data: {"type":"transcript.text.delta"')
    assert '"code":"upstream_error"' in got.text.split("\n\n")[1]


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/audio/speech", "/v1/rerank"])
def test_a_request_without_a_model_is_refused(gateway: Gateway, path: str) -> None:
    got = gateway.post(path, {"prompt": "a"})
    assert (got.status_code, got.json()["error"]["param"]) == (400, "model")
