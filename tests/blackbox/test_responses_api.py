"""OpenAI's own SDK at ``/v1/responses``, over Ollama, over Responses, and over chats only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from tests.blackbox.wire import NDJSON, SSE, ollama_line, openai_event
from tests.gateway_process import Gateway
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, answer, replay, stream

TOOL: Any = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=gateway.key,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


def answer_chat(request: Request, connection: Connection) -> None:
    if request.json().get("stream"):
        body = openai_event({"role": "assistant", "content": "Hello"})
        body += openai_event({"content": " there"}, "stop") + b"data: [DONE]\n\n"
        connection.send_answer(body, 200, SSE)
    else:
        connection.send_answer(load("openai", "whole-plain-gpt-5").body, 200, NDJSON)


def test_over_ollama(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "chat-stream"))
    whole = client.responses.create(model="ollama/tiny", input="hi", instructions="Be brief.")
    assert whole.status == "completed"
    assert whole.output_text.startswith("Hello from")
    assert whole.store is False  # type: ignore[attr-defined]
    assert upstream.asked("/api/chat")[-1].json()["messages"][0]["role"] == "system"
    with client.responses.stream(model="ollama/tiny", input="hi") as events:
        types = [event.type for event in events]
        final = events.get_final_response()
    assert types[0] == "response.created"
    assert types[-1] == "response.completed"
    assert final.output_text == whole.output_text
    assert final.usage is not None
    assert final.usage.output_tokens > 0


def test_tools_over_ollama(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "tools-parallel-stream"))
    asked: Any = [{"role": "user", "content": "hi"}]
    with client.responses.stream(model="ollama/tiny-tools", input=asked, tools=[TOOL]) as events:
        final = events.get_final_response()
    calls = [item for item in final.output if item.type == "function_call"]
    assert len(calls) == 2
    results: list[Any] = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        for call in calls
    ]
    upstream.routes["/api/chat"] = replay(load("ollama", "chat-stream"))
    sent: list[Any] = [item.to_dict() for item in final.output]
    again = client.responses.create(model="ollama/tiny-tools", input=[*asked, *sent, *results])
    assert again.output_text.startswith("Hello from")
    roles = [each["role"] for each in upstream.asked("/api/chat")[-1].json()["messages"]]
    assert roles == ["user", "assistant", "tool", "tool"]


PATCH = '*** Begin Patch\n*** Add File: "é".py\n+x = 1\n*** End Patch\n'
PATCHING: Any = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}


def test_custom_tools_over_ollama(client: openai.OpenAI, upstream: Upstream) -> None:
    made = {"function": {"name": "apply_patch", "arguments": {"input": PATCH}}}
    line = ollama_line("", done=True, tool_calls=[made])
    upstream.routes["/api/chat"] = stream([line], headers=NDJSON)
    asked: Any = [{"role": "user", "content": "hi"}]
    raw = client.responses.with_raw_response.create(
        model="ollama/tiny-tools", input=asked, tools=[PATCHING]
    )
    assert raw.headers["x-gateway-dropped-params"] == "tools[0].format"
    whole = raw.parse()
    (call,) = whole.output
    assert call.type == "custom_tool_call"
    assert (call.name, call.input) == ("apply_patch", PATCH)
    (offered,) = upstream.asked("/api/chat")[-1].json()["tools"]
    assert offered["function"]["parameters"]["required"] == ["input"]
    with client.responses.stream(
        model="ollama/tiny-tools", input=asked, tools=[PATCHING]
    ) as events:
        told = [
            event.delta for event in events if event.type == "response.custom_tool_call_input.delta"
        ]
        (streamed,) = events.get_final_response().output
    assert "".join(told) == PATCH
    assert streamed.to_dict()["input"] == PATCH
    upstream.routes["/api/chat"] = replay(load("ollama", "chat-stream"))
    sent: Any = call.to_dict()
    result: Any = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "Done!"}
    again = client.responses.create(
        model="ollama/tiny-tools", input=[*asked, sent, result], tools=[PATCHING]
    )
    assert again.output_text.startswith("Hello from")
    _, said, done = upstream.asked("/api/chat")[-1].json()["messages"]
    assert said["tool_calls"][0]["function"]["arguments"] == {"input": PATCH}
    assert done["content"] == "Done!"


def test_custom_tools_of_a_chat_over_ollama(client: openai.OpenAI, upstream: Upstream) -> None:
    made = {"function": {"name": "shell", "arguments": {"input": "ls"}}}
    line = ollama_line("", done=True, tool_calls=[made])
    upstream.routes["/api/chat"] = stream([line], headers=NDJSON)
    tool: Any = {"type": "custom", "custom": {"name": "shell"}}
    chosen: Any = {"type": "custom", "custom": {"name": "shell"}}
    raw = client.chat.completions.with_raw_response.create(
        model="ollama/tiny-tools",
        messages=[{"role": "user", "content": "hi"}],
        tools=[tool],
        tool_choice=chosen,
    )
    assert "x-gateway-dropped-params" not in raw.headers
    calls = raw.parse().choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "custom"
    assert calls[0].custom.input == "ls"


def test_reasoning_and_structure_over_ollama(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "think-stream"))
    whole = client.responses.create(model="ollama/seeing", input="hi")
    assert whole.output[0].type == "reasoning"
    assert whole.output[0].summary[0].text

    class Answer(BaseModel):
        value: int

    line = ollama_line('{"value": 30}', done=True)
    upstream.routes["/api/chat"] = answer(line, content_type="application/x-ndjson")
    parsed = client.responses.parse(model="ollama/tiny", input="hi", text_format=Answer)
    assert parsed.output_parsed == Answer(value=30)
    assert upstream.asked("/api/chat")[-1].json()["format"]["required"] == ["value"]


def test_over_responses_bytes_go_on_as_they_came(gateway: Gateway, upstream: Upstream) -> None:
    recording = load("openai", "responses-stream-servertool-effort-gpt-5-6-sol")
    upstream.routes["/v1/responses"] = replay(recording)
    body = {**recording.request["body"], "model": "openai/gpt-5.6-sol"}
    answered = gateway.post("/v1/responses", body)
    assert answered.content == recording.body
    assert answered.headers["content-type"].startswith("text/event-stream")
    sent = upstream.asked("/v1/responses")[-1].json()
    assert sent == {**body, "model": "gpt-5.6-sol", "store": False}
    recording = load("openai", "responses-whole-servertool-citations-gpt-4o")
    upstream.routes["/v1/responses"] = replay(recording)
    whole = gateway.post("/v1/responses", {**recording.request["body"], "model": "openai/gpt-4o"})
    assert whole.content == recording.body
    assert '"total_tokens"' not in gateway.log.splitlines()[-1]
    assert "prompt_tokens=" in gateway.log.splitlines()[-1]


def test_over_chats_only_the_provider_is_asked_by_chat(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    upstream.routes["/v1/chat/completions"] = answer_chat
    upstream.routes["/v1/responses"] = answer(b"404 page not found", 404, "text/plain")
    whole = client.responses.create(model="chatty/old", input="hi")
    assert isinstance(whole, Response)
    assert whole.output_text
    with client.responses.stream(model="chatty/old", input="hi") as events:
        assert events.get_final_response().output_text == "Hello there"
    # What an upstream has not is remembered, by each worker for itself.
    assert len(upstream.asked("/v1/responses")) <= 2
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="chatty/old", input="hi", tools=[{"type": "web_search"}])
    assert caught.value.param == "tools[0]"


def test_a_404_about_the_request_is_the_clients_and_one_that_passes_changes_little(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.routes["/v1/chat/completions"] = answer_chat
    missing = {"error": {"message": "Item with id 'rs_1' not found.", "param": "input"}}
    upstream.routes["/v1/responses"] = answer(json.dumps(missing).encode(), 404)
    body: dict[str, Any] = {"model": "openai/gpt-4o", "input": "hi"}
    refused = gateway.post("/v1/responses", body)
    assert refused.status_code == 404
    assert refused.json()["error"]["message"] == "Item with id 'rs_1' not found."
    assert upstream.asked("/v1/chat/completions") == []
    # A proxy without its server: what only Responses can say does not become the client's fault.
    upstream.routes["/v1/responses"] = answer(b"", 404)
    hosted = gateway.post("/v1/responses", {**body, "tools": [{"type": "web_search"}]})
    assert hosted.status_code == 502
    upstream.routes["/v1/responses"] = replay(load("openai", "responses-whole-plain-gpt-4o"))
    assert gateway.post("/v1/responses", body).json()["id"].startswith("resp_")


def test_a_chat_that_only_responses_serve(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.routes["/v1/responses"] = replay(load("openai", "responses-stream-tools-gpt-4o"))
    chunks = list(
        client.chat.completions.create(
            model="openai/gpt-5.6",
            messages=[{"role": "user", "content": "hi"}],
            tools=[CHAT_TOOL],
            reasoning_effort="low",
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    functions = [call.function for delta in deltas for call in delta.tool_calls or ()]
    arguments = [function.arguments for function in functions if function is not None]
    assert "".join(filter(None, arguments)) == '{"country":"France"}'
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 271
    sent = upstream.asked("/v1/responses")[-1].json()
    assert sent["reasoning"] == {"effort": "low"}
    assert sent["store"] is False
    upstream.routes["/v1/responses"] = replay(load("openai", "responses-whole-tools-gpt-4o"))
    whole = client.chat.completions.create(
        model="openai/gpt-5.6", messages=[{"role": "user", "content": "hi"}], tools=[CHAT_TOOL]
    )
    assert whole.choices[0].finish_reason == "tool_calls"


def test_errors(client: openai.OpenAI, upstream: Upstream) -> None:
    name = "responses-error-400-model-not-found-the-requested-model-bad-model-does-not-exist"
    upstream.routes["/v1/responses"] = replay(load("openai", name))
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="openai/gpt-4o", input="hi")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="openai/gpt-4o", input="hi", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"


@pytest.mark.parametrize("model", ["openai/gpt-4o", "ollama/tiny"])
def test_a_stream_that_breaks_ends_with_a_failure(
    client: openai.OpenAI, upstream: Upstream, model: str
) -> None:
    recording = load("openai", "responses-stream-effort-gpt-5-6-sol")
    cut = b"".join(recording.pieces).partition(b"event: response.output_text.done")[0]
    upstream.routes["/v1/responses"] = stream([cut], headers=recording.headers)
    line = json.dumps({"message": {"role": "assistant", "content": "Hel"}, "done": False})
    upstream.routes["/api/chat"] = stream([line.encode() + b"\n"], headers=NDJSON)
    events = list(client.responses.create(model=model, input="hi", stream=True))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.id == events[0].response.id  # type: ignore[union-attr]
    assert last.response.error is not None
