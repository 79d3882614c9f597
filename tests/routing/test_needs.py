"""What a request needs of a model, and which targets have it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import ModelSettings, ProviderSettings, Target
from gateway.routing import Needs, able_targets, can_serve, needs_model_info, needs_of
from gateway.types import ModelInfo
from tests.routing.targets import target

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 60_000}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}


def _request(content: Any = "Hello!", **fields: Any) -> dict[str, Any]:
    return {"model": "public", "messages": [{"role": "user", "content": content}], **fields}


TOOLS = _request(tools=[WEATHER])
LONG = _request("word " * 6000)


@pytest.mark.parametrize(
    ("request_body", "capabilities"),
    [
        (_request(), set()),
        (_request(tools=[], tool_choice=None, response_format=None), set()),
        (TOOLS, {"tools"}),
        (_request(functions=[WEATHER["function"]]), {"tools"}),
        (_request([{"type": "text", "text": "What is it?"}, IMAGE]), {"vision"}),
        (
            _request([{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]),
            {"audio"},
        ),
        (_request(response_format=SCHEMA), {"json_schema"}),
        (_request(response_format={"type": "json_object"}), set()),
        (_request(reasoning_effort="high"), {"thinking"}),
        (_request(reasoning={"effort": "low"}), {"thinking"}),
        (_request(think=True), {"thinking"}),
        (_request(reasoning_effort="none", think=False, reasoning={}), set()),
    ],
)
def test_a_request_tells_what_it_needs(
    request_body: dict[str, Any], capabilities: set[str]
) -> None:
    assert needs_of(request_body).capabilities == capabilities


def test_a_prompt_is_counted_as_text_and_tools_but_not_pictures() -> None:
    assert needs_of(_request("a" * 600)).prompt_tokens == 100
    assert needs_of(_request("é" * 300)).prompt_tokens == 100
    assert needs_of(_request([{"type": "text", "text": "a" * 600}, IMAGE])).prompt_tokens == 100
    described = {**WEATHER, "function": {"name": "weather", "description": "a" * 60_000}}
    assert 10_000 < needs_of(_request(tools=[described])).prompt_tokens < 10_100


def test_an_assistants_turn_without_text_is_no_prompt() -> None:
    asked = {"messages": [{"role": "assistant", "content": None}, {"role": "user", "content": []}]}
    assert needs_of(asked) == Needs(frozenset(), 0)


@given(st.text(max_size=300))
def test_no_prompt_is_counted_as_longer_than_it_is(text: str) -> None:
    assert needs_of(_request(text)).prompt_tokens <= len(text.encode())


def _info(*capabilities: str, context_length: int | None = None) -> ModelInfo:
    return ModelInfo("m", capabilities=frozenset(capabilities), context_length=context_length)


def _of_provider(**settings: Any) -> Target:
    """Return a target whose provider's configuration says something of its model."""
    return target(
        "m", ProviderSettings("p", "ollama", "http://h", models={"m": ModelSettings(**settings)})
    )


UNKNOWN = target("m")


@pytest.mark.parametrize(
    ("candidate", "info", "able"),
    [
        (UNKNOWN, None, True),
        (UNKNOWN, ModelInfo("m"), True),
        (UNKNOWN, _info("completion"), False),
        (UNKNOWN, _info("completion", "tools"), True),
        (target("m", capabilities=frozenset({"tools"})), _info("completion"), True),
        (target("m", capabilities=frozenset({"completion"})), _info("tools"), False),
        (_of_provider(capabilities=frozenset({"tools"})), None, True),
        (_of_provider(capabilities=frozenset({"vision"})), _info("tools"), False),
    ],
)
def test_the_configuration_tells_before_the_provider_and_what_nobody_tells_is_able(
    candidate: Target, info: ModelInfo | None, able: bool
) -> None:
    assert can_serve(candidate, info, needs_of(TOOLS)) is able


def test_only_the_configuration_tells_of_schemas() -> None:
    needs = needs_of(_request(response_format=SCHEMA))
    assert can_serve(UNKNOWN, _info("completion", "tools"), needs)
    assert not can_serve(target("m", capabilities=frozenset({"tools"})), None, needs)
    assert can_serve(target("m", capabilities=frozenset({"json_schema"})), None, needs)


@pytest.mark.parametrize(
    ("candidate", "info", "able"),
    [
        (UNKNOWN, None, True),
        (UNKNOWN, _info(context_length=4096), False),
        (UNKNOWN, _info(context_length=8192), True),
        (target("m", context_length=4096), _info(context_length=8192), False),
        (target("m", context_length=8192), _info(context_length=4096), True),
        (_of_provider(context_length=4096), None, False),
        (_of_provider(context_length=40_960, num_ctx=4096), None, False),
        (_of_provider(context_length=4096, num_ctx=8192), None, True),
    ],
)
def test_too_long_a_prompt_goes_elsewhere(
    candidate: Target, info: ModelInfo | None, able: bool
) -> None:
    assert needs_of(LONG).prompt_tokens == 5000
    assert can_serve(candidate, info, needs_of(LONG)) is able


@pytest.mark.parametrize(
    ("candidate", "request_body", "asks"),
    [
        (UNKNOWN, _request(), False),
        (UNKNOWN, _request(response_format=SCHEMA), False),
        (UNKNOWN, TOOLS, True),
        (UNKNOWN, LONG, True),
        (target("m", capabilities=frozenset({"tools"})), TOOLS, False),
        (target("m", context_length=10), LONG, False),
        (target("m", context_length=10), TOOLS, True),
        (target("m", capabilities=frozenset()), LONG, True),
    ],
)
def test_a_provider_is_only_asked_for_what_decides(
    candidate: Target, request_body: dict[str, Any], asks: bool
) -> None:
    assert needs_model_info(candidate, needs_of(request_body)) is asks


INFOS = {"tools": _info("tools"), "plain": _info("completion"), "words": _info("completion")}


def _able(names: list[str], request_body: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the models that are able, and those whose provider was asked."""
    asked: list[str] = []

    def model_info(candidate: Target) -> ModelInfo | None:
        asked.append(candidate.model)
        return INFOS.get(candidate.model)

    targets = [target(name) for name in names]
    return [each.model for each in able_targets(targets, request_body, model_info)], asked


def test_only_those_that_are_able_are_left_in_their_order() -> None:
    names = ["plain", "unknown", "words", "tools"]
    assert _able(names, TOOLS) == (["unknown", "tools"], names)
    assert _able(names, _request()) == (names, [])


def test_of_none_that_is_able_the_first_tells_the_client() -> None:
    assert _able(["plain", "words"], TOOLS)[0] == ["plain"]


def test_a_single_target_is_never_shut_out_nor_asked() -> None:
    assert _able(["plain"], TOOLS) == (["plain"], [])
