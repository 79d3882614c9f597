"""Answers no provider should send: whatever is in them, only errors of ours come out."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.event_stream import iter_messages
from gateway.types import ChatCall
from tests import recordings
from tests.event_streams import encode_event
from tests.providers.bedrock import asking as bedrock
from tests.providers.cohere import asking as cohere

WRONG: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 5, -1, 1.5, 2**70, "", "x", [], {}]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("text"), inner),
    max_leaves=3,
)


def _bedrock_events() -> list[tuple[str, Any]]:
    names = ("tools-claude-3-haiku", "reasoning-openai-gpt-oss-120b-1", "file-claude-haiku-4-5")
    recorded = [recordings.load("bedrock", f"converse-stream-{name}").body for name in names]
    made = [
        bedrock.delta(7, reasoningContent={"signature": "s"}),
        bedrock.delta(7, reasoningContent={"redactedContent": "AAAA"}),
        bedrock.stop_block(7),
    ]
    return [
        (str(message.headers[":event-type"]), orjson.loads(message.payload))
        for messages in iter_messages([b"".join(made), *recorded])
        for message in messages
    ]


def _cohere_events() -> list[tuple[str, Any]]:
    names = ("parallel-tools-command-r7b-12-2024", "toolresult-command-r7b-12-2024")
    bodies = [recordings.load("cohere", f"stream-{name}").body for name in names]
    lines = [line for body in bodies for line in body.splitlines() if line[:7] == b"data: {"]
    return [(event["type"], event) for event in (orjson.loads(line[6:]) for line in lines)]


EVENTS = {"bedrock": _bedrock_events(), "cohere": _cohere_events()}
PREFIXES = {"bedrock": "converse-whole", "cohere": "whole"}
WHOLE = {
    kind: [orjson.loads(recordings.load(kind, name).body) for name in recordings.names(kind, first)]
    for kind, first in PREFIXES.items()
}


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """Draw a copy of ``value`` in which one member, at any depth, is something else."""
    value = copy.deepcopy(value)
    at = value
    while True:
        key = draw(st.sampled_from(range(len(at)) if isinstance(at, list) else sorted(at)))
        inner = at[key]
        if not (isinstance(inner, dict | list) and inner) or draw(st.integers(0, 4)) == 0:
            at[key] = draw(WRONG)
            return value
        at = inner


def _encode(kind: str, name: str, event: Any) -> bytes:
    if kind == "bedrock":
        return encode_event(name, event)
    return b"data: %b\n\n" % json.dumps(event).encode()


@pytest.mark.parametrize("kind", EVENTS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_one_wrong_value_in_a_stream_is_read_over_or_an_error(
    kind: str, data: st.DataObject
) -> None:
    events = EVENTS[kind]
    place = data.draw(st.integers(0, len(events) - 1))
    name, event = events[place]
    wrong = data.draw(changed(event))
    around = [*events[max(0, place - 3) : place], (name, wrong), *events[place + 1 : place + 3]]
    body = b"".join(_encode(kind, *each) for each in around)
    call: ChatCall = bedrock.ask(stream=True) if kind == "bedrock" else cohere.ask(stream=True)
    with contextlib.suppress(GatewayError):
        for batch in call.iter_chunks(iter([body]), 0):
            assert all(chunk["object"] == "chat.completion.chunk" for chunk in batch)


@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_one_wrong_value_in_an_answer_is_read_over_or_an_error(
    kind: str, data: st.DataObject
) -> None:
    wrong = data.draw(changed(data.draw(st.sampled_from(WHOLE[kind]))))
    call: ChatCall = bedrock.ask() if kind == "bedrock" else cohere.ask()
    with contextlib.suppress(GatewayError):
        completion = call.parse_response(json.dumps(wrong).encode())
        assert completion["object"] == "chat.completion"
