"""What is sent to Bedrock for a request, but for messages and tools."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import NotFoundError
from tests.providers.bedrock.asking import (
    FABLE,
    HAIKU,
    LLAMA,
    NOVA,
    OPUS,
    OSS,
    SONNET,
    ask,
    refusal,
    sent,
)

NOVA_MEDIUM = {"type": "enabled", "maxReasoningEffort": "medium"}


def test_a_plain_request_has_nothing_but_its_message() -> None:
    assert sent() == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"),
        ({"stream": True}, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"),
    ],
)
def test_the_path_names_the_model(fields: dict[str, Any], path: str) -> None:
    call = ask(**fields)
    assert [request.path for request in call.requests] == [path]
    assert call.streamed is bool(fields)


def test_an_arn_is_one_step_of_the_path() -> None:
    arn = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
    (request,) = ask(arn).requests
    assert request.path == f"/model/{arn.replace(':', '%3A').replace('/', '%2F')}/converse"


@pytest.mark.parametrize("model", [".", ".."])
def test_a_name_that_no_path_can_hold_is_no_model(model: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        ask(model)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 9}, {"maxTokens": 9}),
        ({"max_completion_tokens": 9, "max_tokens": 8}, {"maxTokens": 9}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5}, {"topP": 0.5}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stopSequences": ["x", "y"]}),
        ({"temperature": None, "stop": None}, None),
    ],
)
def test_sampling_has_the_names_of_converse(fields: dict[str, Any], expected: Any) -> None:
    assert sent(**fields).get("inferenceConfig") == expected
    assert ask(**fields).dropped_params == ()


def test_a_temperature_above_1_is_refused_rather_than_lowered() -> None:
    assert refusal(temperature=1.2).param == "temperature"


@pytest.mark.parametrize("model", ["anthropic.claude-opus-4-8", FABLE])
def test_newer_claudes_take_no_sampling(model: str) -> None:
    call = ask(model, temperature=0.2, top_p=1)
    assert call.dropped_params == ("temperature",)
    assert "inferenceConfig" not in sent(model, temperature=0.2, top_p=1)


@pytest.mark.parametrize(
    ("model", "effort", "additional", "output"),
    [
        (SONNET, "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, None),
        (SONNET, "high", {"thinking": {"type": "enabled", "budget_tokens": 4096}}, None),
        (SONNET, "none", None, None),
        (OPUS, "xhigh", {"thinking": {"type": "adaptive", "display": "summarized"}}, "xhigh"),
        (OPUS, "minimal", {"thinking": {"type": "adaptive", "display": "summarized"}}, "low"),
        (OPUS, "none", {"thinking": {"type": "disabled"}}, None),
        (
            NOVA,
            "medium",
            {"reasoningConfig": NOVA_MEDIUM},
            None,
        ),
        (OSS, "max", {"reasoning_effort": "high"}, None),
    ],
)
def test_effort_is_said_as_the_model_takes_it(
    model: str, effort: str, additional: Any, output: str | None
) -> None:
    body = sent(model, reasoning_effort=effort)
    assert body.get("additionalModelRequestFields") == additional
    assert body.get("outputConfig") == (output and {"effort": output})
    assert ask(model, reasoning_effort=effort).dropped_params == ()


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (HAIKU, {"reasoning_effort": "high"}),
        (LLAMA, {"reasoning_effort": "low"}),
        ("us.amazon.nova-pro-v1:0", {"reasoning_effort": "low"}),
        (FABLE, {"reasoning_effort": "none"}),
        (OSS, {"reasoning_effort": "none"}),
        (SONNET, {"reasoning_effort": "high", "max_tokens": 1000}),
    ],
)
def test_effort_that_can_not_be_honoured_is_told(model: str, fields: dict[str, Any]) -> None:
    assert ask(model, **fields).dropped_params == ("reasoning_effort",)
    assert "additionalModelRequestFields" not in sent(model, **fields)


def test_a_budget_leaves_room_for_the_answer() -> None:
    body = sent(reasoning_effort="max", max_tokens=3000)
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 2999
    assert body["inferenceConfig"] == {"maxTokens": 3000}


def test_what_can_not_stand_beside_thinking_is_told() -> None:
    call = ask(reasoning_effort="low", temperature=0, top_p=1)
    assert call.dropped_params == ("temperature",)
    nova: dict[str, Any] = {"reasoning_effort": "high", "max_tokens": 5, "temperature": 0.1}
    assert ask(NOVA, **nova).dropped_params == ("max_tokens", "temperature")
    assert "inferenceConfig" not in sent(NOVA, **nova)


def test_a_budget_needs_the_signed_reasoning_of_an_open_turn() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turn: dict[str, Any] = {"role": "assistant", "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "a", "content": "1"}
    user = {"role": "user", "content": "hi"}
    asked: dict[str, Any] = {"reasoning_effort": "low", "messages": [user, turn, result]}
    assert "reasoning_effort" in ask(**asked).dropped_params
    signed = [{"type": "thinking", "thinking": "so", "signature": "s"}]
    asked["messages"] = [user, {**turn, "thinking_blocks": signed}, result]
    assert ask(**asked).dropped_params == ()
    assert sent(**asked)["messages"][1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "so", "signature": "s"}}
    }


def test_converses_own_fields_go_to_it_and_unknown_ones_to_the_model() -> None:
    body = sent(
        guardrailConfig={"guardrailIdentifier": "abc", "guardrailVersion": "1"},
        requestMetadata={"team": "search"},
        additionalModelRequestFields={"anthropic_beta": ["x"]},
        outputConfig={"effort": "low"},
        top_k=5,
    )
    assert body["guardrailConfig"] == {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    assert body["requestMetadata"] == {"team": "search"}
    assert body["outputConfig"] == {"effort": "low"}
    assert body["additionalModelRequestFields"] == {"anthropic_beta": ["x"], "top_k": 5}
    nova = sent(NOVA, top_k=5)["additionalModelRequestFields"]
    assert nova == {"inferenceConfig": {"topK": 5}}


@pytest.mark.parametrize(
    ("tier", "expected", "dropped"),
    [
        ("flex", {"type": "flex"}, ()),
        ("priority", {"type": "priority"}, ()),
        ("auto", None, ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_a_service_tier_keeps_its_meaning_or_is_dropped(
    tier: str, expected: Any, dropped: tuple[str, ...]
) -> None:
    assert sent(service_tier=tier).get("serviceTier") == expected
    assert ask(service_tier=tier).dropped_params == dropped


def test_what_is_dropped_is_named() -> None:
    fields: dict[str, Any] = {"seed": 1, "frequency_penalty": 0.5, "prediction": {}, "store": True}
    call = ask(**fields, presence_penalty=0, verbosity=None)
    assert call.dropped_params == ("seed", "frequency_penalty", "prediction", "store")
    assert "additionalModelRequestFields" not in sent(**fields)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"audio": {"voice": "a"}}, "audio"),
        ({"web_search_options": {"x": 1}}, "web_search_options"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_would_change_the_meaning_is_refused(fields: dict[str, Any], param: str) -> None:
    assert refusal(**fields).param == param


def test_empty_values_of_refused_fields_are_nothing() -> None:
    assert "additionalModelRequestFields" not in sent(logprobs=False, logit_bias={}, audio=None)


def test_each_choice_is_a_stream_of_its_own() -> None:
    call = ask(n=3)
    assert len(call.requests) == 3
    assert call.streamed
    assert all(request.path.endswith("/converse-stream") for request in call.requests)


def test_a_schema_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(1000):
        schema = {"items": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert refusal(tools=[tool]).code == "invalid_value"


def test_an_empty_wish_to_search_the_web_is_refused_as_any() -> None:
    assert refusal(web_search_options={}).param == "web_search_options"
