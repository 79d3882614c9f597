"""Requests in Anthropic's own format: what goes on, and what comes back, byte for byte."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import messages
from gateway.errors import GatewayError, UpstreamError
from gateway.providers.anthropic import Anthropic
from gateway.providers.anthropic.native import AnthropicNativeChat
from gateway.types import NativeChunk, NativeCompletion, NativeRequest
from tests.cutting import cuts
from tests.providers.answers import text
from tests.providers.anthropic.asking import event, read_pieces, start, target, text_block
from tests.providers.anthropic.test_recordings import CALL, STREAMS, WHOLES
from tests.recordings import load

BODY = {
    "model": "my-model",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "hi"}],
    "context_management": {"edits": []},
    "unknown": [1],
}
HEADERS = {"anthropic-version": "2026-10-21", "anthropic-beta": "a,b", "cookie": "no"}


def parse(**fields: Any) -> NativeRequest:
    return messages.parse_request(orjson.dumps({**BODY, **fields}), HEADERS)


def build(**fields: Any) -> AnthropicNativeChat:
    call = Anthropic().build_chat(parse(**fields), target(), None)
    assert isinstance(call, AnthropicNativeChat)
    return call


def test_the_body_goes_on_with_the_targets_model_and_the_clients_headers() -> None:
    (request,) = build(stream=True).requests
    assert orjson.loads(request.body or b"") == {**BODY, "model": "claude-opus-5", "stream": True}
    assert request.path == "/v1/messages"
    assert request.headers == {"anthropic-version": "2026-10-21", "anthropic-beta": "a,b"}


def test_only_its_own_dialect_goes_on_as_it_came() -> None:
    assert Anthropic().speaks("messages", target())
    assert not Anthropic().speaks("responses", target())


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_goes_on_byte_for_byte(name: str) -> None:
    body = load("anthropic", name).body
    call = build(stream=True)
    batches = list(call.iter_chunks(iter(load("anthropic", name).pieces), 0))
    frames = messages.iter_frames(iter(batches), parse(stream=True))
    assert b"".join(frames) == body
    chunks = [chunk for batch in batches for chunk in batch]
    assert all(isinstance(chunk, NativeChunk) for chunk in chunks)
    assert text(chunks) == text(read_pieces([body], CALL))
    assert chunks[-1]["usage"] == read_pieces([body], CALL)[-1]["usage"]


@settings(max_examples=40)
@given(st.data())
def test_a_stream_cut_anywhere_goes_on_the_same(data: st.DataObject) -> None:
    body = load("anthropic", data.draw(st.sampled_from(STREAMS))).body
    batches = build(stream=True).iter_chunks(iter(data.draw(cuts(body))), 0)
    assert b"".join(chunk.raw for batch in batches for chunk in batch) == body  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", WHOLES)
def test_a_whole_answer_goes_on_byte_for_byte(name: str) -> None:
    body = load("anthropic", name).body
    call = build()
    assert not call.streamed
    whole = call.parse_response(body)
    assert isinstance(whole, NativeCompletion)
    assert messages.encode_completion(whole, parse()) == body
    assert whole["usage"] == CALL.parse_response(body)["usage"]


def test_an_event_without_its_blank_line_gets_it() -> None:
    body = start() + event("message_stop").rstrip()
    batches = build(stream=True).iter_chunks(iter([body]), 0)
    raws = [chunk.raw for batch in batches for chunk in batch]  # type: ignore[attr-defined]
    assert b"".join(raws) == body + b"\n\n"


@pytest.mark.parametrize("rest", [b"", event("error", error={"type": "api_error"})])
def test_a_stream_that_fails_raises_after_what_came(rest: bytes) -> None:
    said = start() + text_block(0, "a")
    batches = build(stream=True).iter_chunks(iter([said + rest]), 0)
    chunks: list[Any] = next(batches)
    assert b"".join(chunk.raw for chunk in chunks) == said
    with pytest.raises(GatewayError):
        next(batches)


def test_tokens_are_counted_where_anthropic_does() -> None:
    request = Anthropic().build_token_count(parse(), target())
    assert request is not None
    assert request.path == "/v1/messages/count_tokens"
    assert orjson.loads(request.body or b"")["model"] == "claude-opus-5"
    recording = load("anthropic", "count-tokens-claude-sonnet-5")
    assert Anthropic().parse_token_count(recording.body) == 20


@pytest.mark.parametrize("body", [b"", b"{}", b'{"input_tokens": true}', b'{"input_tokens": -1}'])
def test_what_is_no_count_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        Anthropic().parse_token_count(body)
