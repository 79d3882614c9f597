"""Counting the tokens of a prompt with Gemini."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import InvalidRequestError, UpstreamError
from gateway.providers.gemini import Gemini, Vertex
from gateway.types import NativeRequest
from tests.providers.gemini.asking import HI, target, vertex_target
from tests.providers.tools import TIME
from tests.recordings import load


def _request(*messages: Any, **fields: Any) -> NativeRequest:
    return NativeRequest({"model": "m", "messages": list(messages), **fields}, "messages", {})


def test_prompt_is_counted_with_its_instruction_and_tools() -> None:
    system = {"role": "system", "content": "be brief"}
    counting = Gemini().build_token_count(_request(system, HI, tools=[TIME]), target("models/g"))
    assert counting is not None
    assert counting.path == "/models/g:countTokens"
    prompt = {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "tools": [{"functionDeclarations": [{"name": "get_time"}]}],
    }
    sent = json.loads(counting.body or b"")
    assert sent == {"generateContentRequest": {"model": "models/g", **prompt}}
    counting = Vertex().build_token_count(_request(system, HI, tools=[TIME]), vertex_target("g"))
    assert counting is not None
    assert json.loads(counting.body or b"") == prompt


def test_recorded_count_is_read() -> None:
    assert Gemini().parse_token_count(load("gemini", "count-tokens-gemini-3-5-flash").body) == 4
    assert Gemini().parse_token_count(b"{}") == 0
    for body in (b"x", b"[]", b'{"totalTokens":"4"}'):
        with pytest.raises(UpstreamError):
            Gemini().parse_token_count(body)


def test_what_would_have_to_be_fetched_is_not_counted_and_wrong_messages_are_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    linked = _request({"role": "user", "content": [image]})
    assert Gemini().build_token_count(linked, target()) is None
    with pytest.raises(InvalidRequestError):
        Gemini().build_token_count(_request({"role": "nobody", "content": "a"}), target())
