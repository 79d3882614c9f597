"""What providers that speak OpenAI's format are asked, each by its row of the table."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import InvalidRequestError
from gateway.kinds import COMPATIBLE_KINDS, KINDS, Quirks
from gateway.providers import get_provider
from gateway.providers.openai import OpenAI, OpenAIChatCall

HOSTED = [name for name, kind in COMPATIBLE_KINDS.items() if kind.base_url]
MESSAGES: list[dict[str, Any]] = [
    {"role": "developer", "content": [{"type": "text", "text": "Be"},
                                      {"type": "text", "text": "kind."}]},
    {"role": "user", "content": "Hi", "name": "ann"},
    {"role": "assistant", "content": None, "refusal": None, "annotations": [], "audio": None,
     "function_call": None, "reasoning_content": "Hm.", "reasoning_details": [{"a": 1}],
     "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f",
                                                                 "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "t", "content": "4"},
]  # fmt: skip


def target(kind: str, model: str = "some-model") -> Target:
    settings = ProviderSettings(kind, kind, "https://api.example.com/v1")
    return Target(settings, model, "asked")


def build(kind: str, model: str = "some-model", **fields: Any) -> tuple[Any, OpenAIChatCall]:
    request = {"model": "asked", "messages": MESSAGES, **fields}
    before = json.dumps(request)
    call = cast("OpenAI", get_provider(kind)).build_completion(request, target(kind, model))
    assert json.dumps(request) == before
    return json.loads(call.requests[0].body or b""), call


@pytest.mark.parametrize(
    ("base_url", "is_sent"),
    [("https://api.openai.com/v1", False), ("http://localhost:8000/v1", True)],
)
def test_openai_itself_does_not_get_the_reasoning_of_others(base_url: str, is_sent: bool) -> None:
    settings = ProviderSettings("openai", "openai", base_url)
    request = {"model": "m", "messages": [*MESSAGES, "x"]}
    call = get_provider("openai").build_chat(request, Target(settings, "gpt-4.1", "m"), None)
    sent = json.loads(call.requests[0].body or b"")["messages"]
    assert ("reasoning_content" in sent[2]) == is_sent
    assert sent[2]["tool_calls"] == MESSAGES[2]["tool_calls"]
    assert sent[-1] == "x"


@pytest.mark.parametrize(
    ("base_url", "is_long"),
    [("https://api.openai.com/v1", False), ("http://localhost:8000/v1", True)],
)
def test_openai_itself_gets_long_ids_of_calls_short(base_url: str, is_long: bool) -> None:
    settings = ProviderSettings("openai", "openai", base_url)
    ids = ["toolu_1~" + "x" * 5000, "toolu_2~" + "x" * 5000, "call_1", 5]
    calls = [{"id": each, "type": "function", "function": {}} for each in ids]
    answers = [{"role": "tool", "tool_call_id": each, "content": "4"} for each in ids]
    request = {"model": "m", "messages": [{"role": "assistant", "tool_calls": calls}, *answers]}
    call = get_provider("openai").build_chat(request, Target(settings, "gpt-4.1", "m"), None)
    assistant, *results = json.loads(call.requests[0].body or b"")["messages"]
    sent = [each["id"] for each in assistant["tool_calls"]]
    assert sent == [each["tool_call_id"] for each in results]
    assert len(set(sent)) == 4
    assert (max(len(str(each)) for each in sent) > 40) == is_long
    assert sent[2:] == ids[2:]


def test_there_are_twenty_rows_and_more() -> None:
    assert len(COMPATIBLE_KINDS) > 20
    assert all(name in KINDS for name in COMPATIBLE_KINDS)


@pytest.mark.parametrize("kind", HOSTED)
def test_a_row_has_an_address_and_variables_of_its_own(kind: str) -> None:
    row = COMPATIBLE_KINDS[kind]
    assert row.base_url is not None
    assert row.base_url.startswith(("https://", "http://localhost:"))
    assert row.base_url.endswith(row.default_path)
    others = [other.variables for name, other in KINDS.items() if name != kind]
    assert not {*row.variables.values()} & {v for each in others for v in each.values()}


@pytest.mark.parametrize("kind", COMPATIBLE_KINDS)
def test_messages_have_only_what_the_provider_takes(kind: str) -> None:
    quirks = COMPATIBLE_KINDS[kind].quirks or Quirks()
    sent, _ = build(kind)
    system, user, assistant, tool = sent["messages"]
    assert system["role"] == "system"
    assert user == MESSAGES[1]
    assert tool == MESSAGES[3]
    plain = {"role", "content", "tool_calls", *quirks.message_fields}
    assert set(assistant) <= plain | {quirks.reasoning_field}
    if quirks.reasoning_field is not None:
        assert assistant[quirks.reasoning_field] == "Hm."


def test_reasoning_details_go_back_to_openrouter_alone() -> None:
    having = [kind for kind in COMPATIBLE_KINDS if "reasoning_details" in str(build(kind)[0])]
    assert having == ["openrouter"]


def test_lists_of_texts_are_one_text_where_nothing_else_is_taken() -> None:
    assert build("sambanova")[0]["messages"][0]["content"] == "Be\nkind."
    assert build("groq")[0]["messages"][0]["content"] == MESSAGES[0]["content"]
    image = [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    sent, _ = build("sambanova", messages=[{"role": "user", "content": image}])
    assert sent["messages"][0]["content"] == image


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_tokens": 7, "max_completion_tokens": 9}, {"max_tokens": 7}),
        ({"max_tokens": None, "max_completion_tokens": 9}, {"max_tokens": 9}),
    ],
)
def test_the_token_limit_has_the_providers_name(given: Any, expected: Any) -> None:
    sent, _ = build("deepseek", **given)
    assert {name: sent[name] for name in sent if name.startswith("max_")} == expected


def test_what_is_dropped_is_told() -> None:
    sent, call = build("cerebras", logit_bias={"5": 1}, presence_penalty=None, seed=4)
    assert "logit_bias" not in sent
    assert "presence_penalty" not in sent
    assert sent["seed"] == 4
    assert call.dropped_params == ("logit_bias",)


def test_unknown_parameters_go_on() -> None:
    assert build("vllm", guided_json={"type": "object"})[0]["guided_json"] == {"type": "object"}


def test_a_refusal_without_content_is_the_content_of_its_message() -> None:
    sent, _ = build("groq", messages=[{"role": "assistant", "content": None, "refusal": "No."}])
    assert sent["messages"] == [{"role": "assistant", "content": "No."}]


def test_what_is_no_list_of_messages_is_for_the_upstream_to_judge() -> None:
    assert build("groq", messages=["a", 7])[0]["messages"] == ["a", 7]


@pytest.mark.parametrize("kind", COMPATIBLE_KINDS)
def test_embeddings_are_refused_where_there_are_none(kind: str) -> None:
    provider = get_provider(kind)
    quirks = COMPATIBLE_KINDS[kind].quirks
    assert quirks is not None
    if quirks.embeddings:
        call = provider.build_embeddings({"model": "asked", "input": "a"}, target(kind))
        assert call.request.path == "/embeddings"
        return
    with pytest.raises(InvalidRequestError, match="has no embeddings") as raised:
        provider.build_embeddings({"model": "asked", "input": "a"}, target(kind))
    assert raised.value.param == "model"


@pytest.mark.parametrize(
    ("model", "is_renamed"),
    [
        ("o1", True),
        ("o3-mini", True),
        ("o4-mini-2025-04-16", True),
        ("gpt-5", True),
        ("gpt-5.6-sol", True),
        ("gpt-6-astra", True),
        ("ft:gpt-5-mini:org::id", True),
        ("gpt-4.1", False),
        ("gpt-4o", False),
        ("chatgpt-4o-latest", False),
        ("openai/gpt-oss-20b", False),
        ("gpt-oss-120b", False),
        ("o1x", False),
        ("gpt-50x", False),
        ("llama3.2", False),
    ],
)
@pytest.mark.parametrize("kind", ["openai", "azure"])
def test_openais_reasoning_models_get_the_token_limit_by_its_new_name(
    kind: str, model: str, is_renamed: bool
) -> None:
    sent, _ = build(kind, model, max_tokens=7)
    expected = {"max_completion_tokens": 7} if is_renamed else {"max_tokens": 7}
    assert {name: sent[name] for name in sent if name.startswith("max_")} == expected
    both, _ = build(kind, model, max_tokens=7, max_completion_tokens=9)
    assert (both["max_tokens"], both["max_completion_tokens"]) == (7, 9)
