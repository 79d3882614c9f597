"""The log: one line a request, with what an operator needs and nothing that is secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.blackbox.conftest import PROVIDER_KEY, build_config
from tests.blackbox.leaving import Patient, leave_response, read_until
from tests.blackbox.wire import NDJSON, ollama_line
from tests.gateway_process import ADMIN_KEY, USER_KEY, Gateway, chat_body, run_gateway
from tests.recordings import load
from tests.upstream import Upstream, answer, replay, stream

PROMPT = "canary prompt 7f3a"
ANSWER = "canary answer 9c1e"


@pytest.fixture(scope="module")
def json_logs(
    shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with run_gateway(
        tmp_path_factory.mktemp("json"), config=build_config(shared_upstream), LOG_FORMAT="json"
    ) as gateway:
        yield gateway


def ask(gateway: Gateway, request_id: str, **fields: Any) -> None:
    body = chat_body("fast", **{"messages": [{"role": "user", "content": PROMPT}], **fields})
    headers = {"x-request-id": request_id}
    gateway.post("/v1/chat/completions", body, headers=headers)


def line_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """Return the one line that tells the end of a request."""
    gateway.wait_for_log(f'"request", "request_id": "{request_id}"')
    lines = [json.loads(line) for line in gateway.log.splitlines() if request_id in line]
    (line,) = [line for line in lines if line["message"] == "request"]
    assert isinstance(line, dict)
    return line


@pytest.mark.parametrize("streamed", [False, True])
def test_one_line_tells_what_happened(
    json_logs: Gateway, upstream: Upstream, streamed: bool
) -> None:
    upstream.handler = replay(load("ollama", "chat-stream"))
    request_id = f"logged-{streamed}"
    ask(json_logs, request_id, stream=streamed)
    line = line_of(json_logs, request_id)
    last = json.loads(load("ollama", "chat-stream").pieces[-1])
    expected = {
        "request_id": request_id,
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "key": "user-1",
        "model": "fast",
        "provider": "ollama",
        "upstream_model": "tiny",
        "attempts": 1,
        "finish_reason": "stop",
        "prompt_tokens": last["prompt_eval_count"],
        "completion_tokens": last["eval_count"],
    }
    assert {name: line.get(name) for name in expected} == expected
    assert 0 < line["ttft_ms"] <= line["duration_ms"]
    assert 0 <= line["overhead_ms"] <= line["duration_ms"]


def test_failures_are_logged_with_their_status(json_logs: Gateway, upstream: Upstream) -> None:
    upstream.handler = answer(b"<html>", 500, "text/html")
    ask(json_logs, "logged-failure")
    line = line_of(json_logs, "logged-failure")
    assert (line["status"], line["provider"]) == (502, "ollama")
    ask(json_logs, "logged-refusal", temperature=9)
    assert line_of(json_logs, "logged-refusal")["status"] == 400


def test_client_that_left_is_a_499(json_logs: Gateway, upstream: Upstream) -> None:
    upstream.handler = patient = Patient(ollama_line("one"), NDJSON)
    client = json_logs.connect("POST", "/v1/chat/completions", chat_body("fast", stream=True))
    response = client.getresponse()
    request_id = response.headers["x-request-id"]
    read_until(response, b"one")
    leave_response(client, response)
    patient.left.get(timeout=5)
    line = line_of(json_logs, request_id)
    assert line["status"] == 499
    assert line["provider"] == "ollama"


FORGED = "x\nforged status=200 \x1b[31m\u2028"


def test_json_log_lines_cannot_be_forged(json_logs: Gateway, upstream: Upstream) -> None:
    json_logs.get(f"/v1/models/{quote(FORGED)}", headers={"x-request-id": "logged-forgery"})
    assert line_of(json_logs, "logged-forgery")["path"] == f"/v1/models/{FORGED}"
    assert not any(line.startswith("forged") for line in json_logs.log.splitlines())
    assert "\x1b" not in json_logs.log


def test_text_log_lines_cannot_be_forged(gateway: Gateway, upstream: Upstream) -> None:
    gateway.get(f"/v1/models/{quote(FORGED)}", headers={"x-request-id": "logged-forgery"})
    gateway.wait_for_log("request request_id=logged-forgery")
    assert not any(line.startswith("forged") for line in gateway.log.splitlines())
    assert "\x1b" not in gateway.log


def test_every_line_of_a_json_log_is_json(json_logs: Gateway) -> None:
    lines = json_logs.log.splitlines()
    assert lines
    for line in lines:
        assert isinstance(json.loads(line), dict), line


def test_neither_log_has_prompts_answers_or_keys(
    json_logs: Gateway, gateway: Gateway, upstream: Upstream
) -> None:
    for asked in (json_logs, gateway):
        for streamed in (False, True):
            upstream.handler = stream([ollama_line(ANSWER), ollama_line(done=True)], 200, NDJSON)
            ask(asked, "secret", stream=streamed)
            upstream.handler = stream([ollama_line(ANSWER), b"garbage " + ANSWER.encode()])
            ask(asked, "secret", stream=streamed)
            upstream.handler = answer(f'{{"error": "{PROVIDER_KEY} {PROMPT}"}}'.encode(), 500)
            asked.chat("openai/gpt-4o-mini", stream=streamed)
            ask(asked, "secret", temperature=PROMPT)
        asked.get("/v1/models", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
        asked.get("/v1/models", headers={"Authorization": "Bearer canary-wrong-key-012345"})
        asked.get(f"/v1/models?api_key={USER_KEY}")
        ask(asked, "secret-last", temperature=9)
        asked.wait_for_log("secret-last")
        for secret in (PROMPT, ANSWER, PROVIDER_KEY, USER_KEY, ADMIN_KEY, "canary-wrong-key"):
            assert secret not in asked.log, secret


def test_prompts_are_logged_when_switched_on(tmp_path: Path, upstream: Upstream) -> None:
    upstream.handler = stream([ollama_line(ANSWER), ollama_line(done=True)], 200, NDJSON)
    with run_gateway(tmp_path, config=build_config(upstream), LOG_CONTENT="on") as gateway:
        ask(gateway, "with-content")
        line = gateway.wait_for_log("with-content")
        assert PROMPT in line
        assert ANSWER in line
