"""What is sent for OpenAI's parameters, what is refused, and what is told to be dropped."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import InvalidRequestError
from tests.providers.gemini.asking import (
    HI,
    ask,
    refusal,
    sent,
    sent_config,
    target,
    vertex_target,
)
from tests.providers.tools import TIME, WEATHER

SCHEMA = {"type": "object", "properties": {"a": {"const": 1}}, "$schema": "http://x"}


def test_plain_request_says_nothing_more_than_was_said() -> None:
    assert sent() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize(
    ("asked", "config"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"top_p": 0.9, "top_k": 40}, {"topP": 0.9, "topK": 40}),
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"maxOutputTokens": 7}),
        ({"stop": "a"}, {"stopSequences": ["a"]}),
        ({"stop": ["a", "", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"stop": ""}, {}),
        ({"seed": 7}, {"seed": 7}),
        ({"seed": -1}, {"seed": 2**31 - 1}),
        ({"seed": 2**40 + 3}, {"seed": 3}),
        ({"n": 1}, {}),
        ({"n": 3}, {"candidateCount": 3}),
        (
            {"presence_penalty": 1, "frequency_penalty": -1.5},
            {"presencePenalty": 1, "frequencyPenalty": -1.5},
        ),
        ({"logprobs": True}, {"responseLogprobs": True}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"logprobs": False}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "s", "schema": SCHEMA},
                }
            },
            {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object", "properties": {"a": {"enum": [1]}}},
            },
        ),
        ({"temperature": None, "stop": None, "seed": None, "response_format": None}, {}),
    ],
)
def test_sampling_and_format_are_translated(asked: dict[str, Any], config: dict[str, Any]) -> None:
    assert sent_config(**asked) == config
    assert ask(**asked).dropped_params == ()


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "is_dropped"),
    [
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "MINIMAL"}, True),
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "MINIMAL"}, False),
        ("gemini-3-pro-preview", "minimal", {"thinkingLevel": "LOW"}, False),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM"}, False),
        ("gemini-flash-latest", "high", {"thinkingLevel": "HIGH"}, False),
        ("gemini-3.5-flash", "max", {"thinkingLevel": "XHIGH"}, False),
        ("models/gemini-2.5-flash", "none", {"thinkingBudget": 0}, False),
        ("gemini-2.5-flash-lite", "low", {"thinkingBudget": 1024}, False),
        ("gemini-2.5-flash", "xhigh", {"thinkingBudget": 24576}, False),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}, True),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576}, False),
        ("gemini-2.5-pro", "max", {"thinkingBudget": 32768}, False),
        ("gemini-2.0-flash-001", "high", None, True),
        ("gemini-2.0-flash-001", "none", None, False),
        ("gemini-1.5-pro", "low", None, True),
    ],
)
def test_effort_is_a_level_or_a_budget_by_generation(
    model: str, effort: str, thinking: dict[str, Any] | None, is_dropped: bool
) -> None:
    asked = target(model)
    if thinking is not None and effort != "none":
        thinking = {**thinking, "includeThoughts": True}
    assert sent_config(asked, reasoning_effort=effort).get("thinkingConfig") == thinking
    dropped = ["reasoning_effort"] if is_dropped else []
    assert list(ask(asked, reasoning_effort=effort).dropped_params) == dropped


def test_a_budget_of_thoughts_can_be_given_in_tokens() -> None:
    config = sent_config(reasoning={"max_tokens": 2000})
    assert config["thinkingConfig"] == {"includeThoughts": True, "thinkingBudget": 2000}
    assert sent_config(reasoning={"effort": "low"})["thinkingConfig"]["thinkingLevel"] == "LOW"


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, "reasoning.effort"),
        ({"reasoning_effort": "low", "reasoning": {"max_tokens": 9}}, "reasoning.max_tokens"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"audio": {"voice": "a", "format": "wav"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"n": 9}, "n"),
        ({"top_k": 0}, "top_k"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"extra_body": {"google": {"contents": []}}}, "extra_body.google.contents"),
        ({"extra_body": {"google": 3}}, "extra_body.google"),
        ({"generation_config": []}, "generation_config"),
        (
            {
                "reasoning_effort": "low",
                "extra_body": {"google": {"thinking_config": {"thinking_budget": 5}}},
            },
            "extra_body.google.thinking_config",
        ),
        (
            {"temperature": 1, "generation_config": {"temperature": 0}},
            "generation_config.temperature",
        ),
        ({"tools": [TIME], "extra_body": {"google": {"tools": {}}}}, "extra_body.google.tools"),
    ],
)
def test_what_would_change_the_meaning_is_refused(asked: dict[str, Any], param: str) -> None:
    assert refusal(**asked).param == param


@pytest.mark.parametrize(
    "asked",
    [
        {"logit_bias": {}},
        {"user": "u", "metadata": {"a": "b"}, "safety_identifier": "s"},
        {"store": False, "service_tier": "auto"},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"parallel_tool_calls": True, "tools": [TIME]},
    ],
)
def test_what_has_no_effect_is_neither_sent_nor_dropped(asked: dict[str, Any]) -> None:
    assert ask(**asked).dropped_params == ()
    assert "generationConfig" not in sent(**asked)


def test_what_cannot_be_honoured_is_told() -> None:
    asked: dict[str, Any] = {
        "store": True,
        "verbosity": "low",
        "prediction": {},
        "a_field_of_tomorrow": 1,
    }
    assert list(ask(**asked).dropped_params) == list(asked)
    assert list(ask(service_tier="scale").dropped_params) == ["service_tier"]
    options = {"search_context_size": "low"}
    dropped = ask(web_search_options=options).dropped_params
    assert list(dropped) == ["web_search_options.search_context_size"]


def test_service_tier_and_search_are_googles() -> None:
    assert sent(service_tier="default")["serviceTier"] == "standard"
    assert sent(service_tier="flex")["serviceTier"] == "flex"
    assert sent(web_search_options={})["tools"] == [{"googleSearch": {}}]
    assert len(sent(web_search_options={}, tools=[TIME])["tools"]) == 2


@pytest.mark.parametrize(
    "asked",
    [
        {"extra_body": {"google": {"thinking_config": {"include_thoughts": True}}}},
        {"google": {"thinkingConfig": {"includeThoughts": True}}},
        {"thinking_config": {"include_thoughts": True}},
        {"generation_config": {"thinking_config": {"include_thoughts": True}}},
    ],
)
def test_thinking_can_be_set_in_googles_words(asked: dict[str, Any]) -> None:
    assert sent_config(**asked) == {"thinkingConfig": {"includeThoughts": True}}
    assert ask(**asked).dropped_params == ()
    both = sent_config(reasoning_effort="low", **asked)
    assert both["thinkingConfig"] == {"includeThoughts": True, "thinkingLevel": "LOW"}


def test_what_only_google_can_say_passes_through() -> None:
    body = sent(
        target(allow_client_options=True),
        extra_body={
            "google": {
                "cached_content": "cachedContents/1",
                "safety_settings": [
                    {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}
                ],
                "generation_config": {"media_resolution": "MEDIA_RESOLUTION_LOW"},
                "response_modalities": ["TEXT"],
                "tools": [{"codeExecution": {}}],
            }
        },
        labels={"team": "a"},
        tools=[TIME],
    )
    assert body["cachedContent"] == "cachedContents/1"
    assert body["safetySettings"][0]["threshold"] == "BLOCK_NONE"
    assert body["generationConfig"] == {
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "responseModalities": ["TEXT"],
    }
    assert body["tools"] == [
        {"functionDeclarations": [{"name": "get_time"}]},
        {"codeExecution": {}},
    ]
    assert body["labels"] == {"team": "a"}


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "get_time"}},
            {"mode": "ANY", "allowedFunctionNames": ["get_time"]},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [TIME]},
            },
            {"mode": "ANY", "allowedFunctionNames": ["get_time"]},
        ),
    ],
)
def test_choice_of_tools_is_a_mode(choice: Any, config: dict[str, Any] | None) -> None:
    body = sent(tools=[WEATHER, TIME], tool_choice=choice)
    declarations = body["tools"][0]["functionDeclarations"]
    assert [each["name"] for each in declarations] == ["get_weather", "get_time"]
    assert declarations[0]["parametersJsonSchema"] == WEATHER["function"]["parameters"]
    assert body.get("toolConfig", {}).get("functionCallingConfig") == config


def test_tools_that_may_be_used_are_the_only_ones_offered() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TIME]}}
    body = sent(tools=[WEATHER, TIME], tool_choice=choice)
    assert body["tools"] == [{"functionDeclarations": [{"name": "get_time"}]}]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}


def test_older_functions_are_tools() -> None:
    body = sent(functions=[WEATHER["function"]], function_call={"name": "get_weather"})
    assert body["tools"][0]["functionDeclarations"][0]["name"] == "get_weather"
    config = {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}
    assert body["toolConfig"] == {"functionCallingConfig": config}


def test_strict_tools_are_validated_where_the_model_can() -> None:
    strict = {"type": "function", "function": {"name": "f", "strict": True}}
    mode = {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert sent(tools=[strict])["toolConfig"] == mode
    assert sent(tools=[strict], tool_choice="required")["toolConfig"] != mode
    old = ask(target("gemini-2.0-flash"), tools=[strict])
    assert old.dropped_params == ("tools.function.strict",)


@pytest.mark.parametrize(
    ("schema", "cleaned"),
    [
        (
            {"oneOf": [{"type": "string"}, {"const": 1}]},
            {"anyOf": [{"type": "string"}, {"enum": [1]}]},
        ),
        (
            {"properties": {"const": {"type": "string"}}},
            {"properties": {"const": {"type": "string"}}},
        ),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"required": ["b"]}]},
            {"properties": {"a": {}}, "required": ["a", "b"]},
        ),
        (
            {"items": {"$schema": "x", "type": ["string", "null"]}},
            {"items": {"type": ["string", "null"]}},
        ),
        (
            {"$defs": {"n": {"const": 2}}, "$ref": "#/$defs/n"},
            {"$defs": {"n": {"enum": [2]}}, "$ref": "#/$defs/n"},
        ),
        (
            {"additionalProperties": False, "type": "object"},
            {"additionalProperties": False, "type": "object"},
        ),
        ({"allOf": 3, "oneOf": "x", "properties": 1}, {"allOf": 3, "oneOf": "x", "properties": 1}),
        ({"allOf": [{"properties": [1]}, 5]}, {"properties": [1]}),
    ],
)
def test_schema_is_said_in_words_that_google_knows(schema: Any, cleaned: Any) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    (declaration,) = sent(tools=[tool])["tools"][0]["functionDeclarations"]
    assert declaration["parametersJsonSchema"] == cleaned


def test_bottomless_schema_is_refused() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(70):
        schema = {"type": "array", "items": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert refusal(tools=[tool]).param == "tools[0].function.parameters"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "/models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "/models/gemini-2.5-flash"),
        ("tunedModels/mine", "/tunedModels/mine"),
        ("a b/../c?d#e%2e", "/models/a%20b%2F..%2Fc%3Fd%23e%252e"),
    ],
)
def test_model_names_are_quoted_in_paths(model: str, path: str) -> None:
    assert ask(target(model)).requests[0].path == f"{path}:generateContent"
    streamed = ask(target(model), stream=True).requests[0].path
    assert streamed == f"{path}:streamGenerateContent?alt=sse"


@pytest.mark.parametrize("model", ["..", ".", "models/.."])
def test_dots_are_no_models_name(model: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ask(target(model))
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({}, ""),
        ({"project": "p", "region": "us-east5"}, "/projects/p/locations/us-east5"),
        ({"project": "a:b"}, "/projects/a%3Ab/locations/global"),
    ],
)
def test_vertex_finds_models_in_a_project_or_without_one(settings: Any, path: str) -> None:
    for model in ("m", "google/m", "publishers/google/models/m"):
        (request,) = ask(vertex_target(model, **settings)).requests
        assert request.path == f"{path}/publishers/google/models/m:generateContent"


def test_request_is_checked_first() -> None:
    assert refusal(messages=[{**HI, "role": "nobody"}]).param == "messages[0].role"


@pytest.mark.parametrize(
    "google",
    [
        {"cached_content": "cachedContents/1"},
        {"cachedContent": "cachedContents/1"},
        {"routing_config": {}},
        {"generation_config": {"model_selection_config": {}}},
        {"tools": [{"file_search": {}}]},
        {"tools": [{"codeExecution": {}}, {"retrieval": {}}]},
    ],
)
def test_what_is_the_gateways_own_is_not_for_clients(google: dict[str, Any]) -> None:
    error = refusal(extra_body={"google": google})
    assert error.code == "unsupported_parameter"
    assert (error.param or "").startswith("extra_body.google.")
    assert refusal(cached_content="cachedContents/1").param == "cached_content"
    assert sent(target(allow_client_options=True), extra_body={"google": google})


def test_tools_that_read_nothing_of_the_gateways_are_for_everyone() -> None:
    tools: list[dict[str, Any]] = [
        {"google_search": {}},
        {"codeExecution": {}},
        {"url_context": {}},
    ]
    assert sent(extra_body={"google": {"tools": tools}})["tools"] == tools
