"""Tokens of a prompt, counted by Bedrock."""

from __future__ import annotations

import orjson
import pytest

from gateway.errors import UpstreamError
from gateway.providers.bedrock import Bedrock
from gateway.types import NativeRequest, UpstreamRequest
from tests.providers.bedrock.asking import NOVA, SONNET, target
from tests.providers.tools import WEATHER
from tests.recordings import load

HELLO = [{"role": "user", "content": "Hello, world!"}]


def build(model: str, **fields: object) -> UpstreamRequest | None:
    canonical = {"model": "m", "messages": HELLO, **fields}
    return Bedrock().build_token_count(NativeRequest(canonical, "messages", {}), target(model))


def test_the_recorded_request_is_what_is_asked() -> None:
    recording = load("bedrock", "count-tokens-claude-sonnet-4")
    request = build("us.anthropic.claude-sonnet-4-20250514-v1:0")
    assert request is not None
    assert request.path == recording.request["path"]
    recorded = recording.request["body"]["input"]["converse"]
    assert orjson.loads(request.body or b"") == {
        "input": {"converse": {"messages": recorded["messages"]}}
    }
    assert Bedrock().parse_token_count(recording.body) == 11


def test_what_counts_goes_along_and_nothing_else() -> None:
    request = build(SONNET, tools=[WEATHER], max_tokens=5, stop="x", stream=True)
    assert request is not None
    asked = orjson.loads(request.body or b"")["input"]["converse"]
    assert set(asked) == {"messages", "toolConfig"}


@pytest.mark.parametrize("model", [NOVA, "arn:aws:bedrock:eu-west-1:1:inference-profile/x"])
def test_others_are_not_counted(model: str) -> None:
    assert build(model) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"inputTokens": "5"}'])
def test_what_is_no_count_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        Bedrock().parse_token_count(body)
