"""Mistral: what is asked, by its own SDK's types, and what it says when something is wrong."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistralai.client.models import ChatCompletionRequest, EmbeddingRequest

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import InvalidRequestError, UnprocessableEntityError, UpstreamError
from gateway.providers import get_provider
from gateway.providers.mistral import Mistral
from tests.recordings import load, names

MISTRAL = cast("Mistral", get_provider("mistral"))
TARGET = Target(
    ProviderSettings("mistral", "mistral", "https://api.mistral.ai/v1"), "mistral-large", "m"
)


def build(**fields: Any) -> tuple[Any, tuple[str, ...]]:
    """Return what is sent, which the SDK's type has to take without a field left over."""
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    before = json.dumps(request)
    call = MISTRAL.build_completion(request, TARGET)
    assert json.dumps(request) == before
    sent = json.loads(call.requests[0].body or b"")
    known = {field.alias or name for name, field in ChatCompletionRequest.model_fields.items()}
    assert set(sent) <= known
    ChatCompletionRequest.model_validate(sent)
    return sent, call.dropped_params


def test_a_request_with_everything_is_one_of_mistrals() -> None:
    schema = {"name": "s", "schema": {"type": "object"}, "strict": True}
    sent, dropped = build(
        max_completion_tokens=7,
        seed=3,
        temperature=0.5,
        top_p=None,
        stop=["a"],
        n=2,
        tools=[{"type": "function", "function": {"name": "f", "strict": True}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": schema},
        reasoning_effort="high",
        stream=True,
        stream_options={"include_usage": True},
        user="ann",
        logit_bias={"5": 1},
        store=None,
        safe_prompt=True,
    )
    assert (sent["max_tokens"], sent["random_seed"]) == (7, 3)
    assert sent["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert sent["safe_prompt"] is True
    assert set(dropped) == {"user", "logit_bias"}
    assert "top_p" not in sent
    assert "stream_options" not in sent


def test_tool_calls_and_their_results_go_together_by_ids_of_nine_characters() -> None:
    call = {"id": "call_0123456789abcdef", "type": "function",
            "function": {"name": "f", "arguments": "{}"}}  # fmt: skip
    own = {**call, "id": "AbC123xyz"}
    sent, _ = build(
        messages=[
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "Hi", "name": "ann"},
            {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call, own]},
            {"role": "tool", "tool_call_id": call["id"], "content": "1"},
            {"role": "tool", "tool_call_id": own["id"], "content": "2"},
        ]
    )
    system, user, assistant, first, second = sent["messages"]
    assert system["role"] == "system"
    assert "name" not in user
    assert [each["id"] for each in assistant["tool_calls"]] == [
        first["tool_call_id"],
        second["tool_call_id"],
    ]
    assert second["tool_call_id"] == "AbC123xyz"
    assert len(first["tool_call_id"]) == 9
    assert first["tool_call_id"].isalnum()


@given(st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=20, unique=True))
def test_different_ids_stay_different(ids: list[str]) -> None:
    sent, _ = build(messages=[{"role": "tool", "tool_call_id": i, "content": "a"} for i in ids])
    short = [message["tool_call_id"] for message in sent["messages"]]
    assert len(set(short)) == len(ids)
    assert all(len(each) == 9 for each in short)


def test_thoughts_of_earlier_turns_are_parts_of_the_content() -> None:
    sent, _ = build(
        messages=[
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": "4", "reasoning_content": "Easy."},
            {"role": "user", "content": "Sure?"},
        ]
    )
    assert sent["messages"][1]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Easy."}]},
        {"type": "text", "text": "4"},
    ]


def test_an_answer_that_the_client_has_begun_is_a_prefix() -> None:
    begun = {"role": "assistant", "content": "The answer is"}
    sent, _ = build(messages=[{"role": "user", "content": "2+2?"}, begun])
    assert sent["messages"][-1] == {**begun, "prefix": True}
    sent, _ = build(messages=[begun, {"role": "user", "content": "Go on."}])
    assert "prefix" not in sent["messages"][0]


@pytest.mark.parametrize("name", [name for name in names("mistral") if "error" not in name])
def test_a_recorded_request_is_sent_as_it_was(name: str) -> None:
    recorded = load("mistral", name).request["body"]
    sent, _ = build(**{**recorded, "model": "m"})
    for field in set(recorded) - {"model", "messages", "tools"}:
        if recorded[field] is not None:
            assert sent[field] == recorded[field]
    assert [message["role"] for message in sent["messages"]] == [
        message["role"] for message in recorded["messages"]
    ]


def test_embeddings_are_asked_for_in_mistrals_words() -> None:
    request = {"model": "m", "input": ["a"], "dimensions": 8, "encoding_format": "float",
               "user": "ann"}  # fmt: skip
    call = MISTRAL.build_embeddings(request, TARGET)
    sent = json.loads(call.request.body or b"")
    EmbeddingRequest.model_validate(sent)
    assert sent == {
        "model": "mistral-large",
        "input": ["a"],
        "output_dimension": 8,
        "encoding_format": "float",
    }
    assert call.dropped_params == ("user",)


@pytest.mark.parametrize("tokens", [[1, 2], [[1], [2]]])
def test_token_ids_are_refused(tokens: Any) -> None:
    with pytest.raises(InvalidRequestError, match="takes no token ids") as raised:
        MISTRAL.build_embeddings({"model": "m", "input": tokens}, TARGET)
    assert raised.value.param == "input"


def parse(name: str) -> Any:
    recording = load("mistral", name)
    return MISTRAL.parse_error(recording.status, recording.headers, recording.body, TARGET)


def test_mistrals_errors_are_told_in_openais_shape() -> None:
    refused = parse(
        "error-400-invalid-request-invalid-args-image-input-is-not-enabled-for-this-model"
    )
    assert isinstance(refused, InvalidRequestError)
    assert refused.message.startswith("Image input is not enabled")
    assert refused.code == "3051"
    invalid = parse("error-422-validation")
    assert isinstance(invalid, UnprocessableEntityError)
    assert invalid.param == "tools[0].type"
    assert "Input should be 'function'" in invalid.message
    assert type(parse("error-401-unauthorized")) is UpstreamError
