"""Requests as AWS's own service model has them, and conversations there and back."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.event_streams import encode_event
from tests.providers.bedrock.asking import (
    HAIKU,
    NOVA,
    OPUS,
    OSS,
    PIXEL,
    SONNET,
    ask,
    delta,
    end,
    read,
    sent,
    start_call,
    stop_block,
)
from tests.providers.tools import TIME, WEATHER

loaders = pytest.importorskip("botocore.loaders", reason="botocore is not installed")
MODEL = pytest.importorskip("botocore.model").ServiceModel(
    loaders.Loader().load_service_model("bedrock-runtime", "service-2")
)
VALIDATOR = pytest.importorskip("botocore.validate").ParamValidator()

_CALL = {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
_FILE = {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}
_CONVERSATION = [
    {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"ttl": "5m"}}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "hi"},
            {"type": "image_url", "image_url": {"url": PIXEL}},
            {"type": "file", "file": _FILE},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        ],
    },
    {
        "role": "assistant",
        "content": "so",
        "tool_calls": [_CALL],
        "thinking_blocks": [
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "redacted_thinking", "data": "AAAA"},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": "sunny"},
]
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def _decode_blobs(value: Any) -> Any:
    """Return a body with bytes in place of base64, as the service model has them."""
    if isinstance(value, list):
        return [_decode_blobs(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64decode(each)
        if name in ("bytes", "redactedContent")
        else _decode_blobs(each)
        for name, each in value.items()
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [SONNET, OPUS, HAIKU, NOVA, OSS])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 0.5, "top_p": 0.9, "stop": ["x"], "max_tokens": 5000},
        {"messages": _CONVERSATION},
        {"messages": _CONVERSATION, "tools": [WEATHER, TIME], "tool_choice": "required"},
        {"reasoning_effort": "high", "max_tokens": 9000},
        {"response_format": _SCHEMA},
        {"response_format": {"type": "json_object"}, "tools": [WEATHER]},
        {"service_tier": "flex", "top_k": 4, "requestMetadata": {"a": "b"}},
    ],
    ids=lambda fields: "-".join(fields) or "plain",
)
def test_requests_are_what_the_service_model_defines(
    model: str, fields: dict[str, Any], stream: bool
) -> None:
    operation = MODEL.operation_model("ConverseStream" if stream else "Converse")
    body = _decode_blobs(sent(model, stream=stream, **fields))
    report = VALIDATOR.validate({"modelId": model, **body}, operation.input_shape)
    assert not report.has_errors(), report.generate_report()
    assert set(body) <= set(operation.input_shape.members)


_WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)
_ARGUMENTS = st.dictionaries(_WORDS, st.one_of(st.integers(-99, 99), _WORDS, st.none()), max_size=3)
_IDS = st.from_regex(r"[a-zA-Z0-9_.:-]{1,40}", fullmatch=True)
_SIGNED = st.tuples(_WORDS, _WORDS)


@settings(max_examples=60, deadline=None)
@given(
    said=st.none() | _WORDS,
    thoughts=st.lists(_SIGNED, max_size=2),
    calls=st.dictionaries(_IDS, _ARGUMENTS, max_size=3),
    streamed=st.booleans(),
)
def test_what_a_model_said_goes_back_to_it_as_it_was(
    said: str | None,
    thoughts: list[tuple[str, str]],
    calls: dict[str, dict[str, Any]],
    streamed: bool,
) -> None:
    content: list[Any] = [
        {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
        for text, signature in thoughts
    ]
    content += [{"text": said}] if said else []
    content += [
        {"toolUse": {"toolUseId": call_id, "name": "f", "input": arguments}}
        for call_id, arguments in calls.items()
    ]
    if not said and not calls:
        content.append({"text": "x"})
    message = _answer_stream(content) if streamed else _answer_whole(content)
    messages = sent(messages=[{"role": "user", "content": "hi"}, message])["messages"]
    assert messages[1] == {"role": "assistant", "content": content}


def _answer_whole(content: list[Any]) -> dict[str, Any]:
    body = {"output": {"message": {"content": content}}, "stopReason": "end_turn", "usage": {}}
    message: dict[str, Any] = ask().parse_response(orjson.dumps(body))["choices"][0]["message"]
    return message


def _answer_stream(content: list[Any]) -> dict[str, Any]:
    """Return the message that a client puts together of the same answer, streamed."""
    pieces = []
    for at, block in enumerate(content):
        if "text" in block:
            pieces.append(delta(at, text=block["text"]))
        elif "toolUse" in block:
            use = block["toolUse"]
            pieces.append(start_call(at, use["name"], use["toolUseId"]))
            pieces.append(delta(at, toolUse={"input": orjson.dumps(use["input"]).decode()}))
        else:
            signed = block["reasoningContent"]["reasoningText"]
            pieces += [delta(at, reasoningContent={name: signed[name]}) for name in signed]
        pieces.append(stop_block(at))
    message: dict[str, Any] = {"role": "assistant", "content": "", "thinking_blocks": []}
    calls: dict[int, Any] = {}
    for chunk in read([encode_event("messageStart", {"role": "assistant"}), *pieces, end()]):
        for choice in chunk["choices"]:
            said = choice["delta"]
            message["content"] += said.get("content") or ""
            message["thinking_blocks"] += said.get("thinking_blocks", [])
            for call in said.get("tool_calls", ()):
                known = calls.setdefault(call["index"], call)
                if known is not call:
                    known["function"]["arguments"] += call["function"]["arguments"]
    return {**message, "tool_calls": list(calls.values())}
