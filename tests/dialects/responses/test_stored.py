"""``store`` and ``previous_response_id`` where responses are stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.responses.stored import StoredResponse, StoringResponses
from gateway.errors import InvalidRequestError
from gateway.providers.openai.responses_answer import parse_native_response
from gateway.providers.openai.responses_stream import iter_native_chunks
from gateway.types import NativeRequest
from tests.dialects.responses.test_events import ANSWER, read_events
from tests.recordings import load

HELLO = {"type": "message", "role": "user", "content": "hi"}
COMPLETION = {
    "id": "x",
    "created": 7,
    "model": "m-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
    ],
}


class Shelf:
    """Keeps responses in a dict, unless it is ``full``."""

    def __init__(self, *, full: bool = False) -> None:
        self.kept: dict[str, StoredResponse] = {}
        self._full = full

    def dialect(self) -> StoringResponses:
        return StoringResponses(self.kept.get, self._keep)

    def _keep(self, stored: StoredResponse) -> bool:
        if not self._full:
            self.kept[stored.response["id"]] = stored
        return not self._full


def parse(dialect: StoringResponses, **fields: Any) -> NativeRequest:
    body = {"model": "m", "input": "hi", **fields}
    return dialect.parse_request(json.dumps(body).encode(), {})


def converse(shelf: Shelf, **fields: Any) -> dict[str, Any]:
    dialect = shelf.dialect()
    request = parse(dialect, **fields)
    response: dict[str, Any] = dialect.encode_completion(COMPLETION, request)
    return response


def test_a_response_is_kept_and_what_led_to_it_comes_before_the_next_input() -> None:
    shelf = Shelf()
    first = converse(shelf, instructions="Be brief.")
    assert first["store"] is True
    assert shelf.kept[first["id"]] == StoredResponse(first, [HELLO])
    second = converse(shelf, previous_response_id=first["id"], input=[{**HELLO, "content": "so?"}])
    assert second["previous_response_id"] == first["id"]
    third = parse(shelf.dialect(), previous_response_id=second["id"], input="and?")
    told = [(each["role"], each["content"]) for each in third["messages"]]
    assert told == [
        ("user", "hi"),
        ("assistant", "Hello."),
        ("user", "so?"),
        ("assistant", "Hello."),
        ("user", "and?"),
    ]
    assert "previous_response_id" not in third.native
    assert len(third.native["input"]) == 5


def test_no_new_input_is_needed_after_an_earlier_response() -> None:
    shelf = Shelf()
    first = converse(shelf)
    request = parse(shelf.dialect(), previous_response_id=first["id"], input=None)
    assert [each["role"] for each in request["messages"]] == ["user", "assistant"]


def test_what_is_not_to_be_kept_is_not() -> None:
    shelf = Shelf()
    assert converse(shelf, store=False)["store"] is False
    assert shelf.kept == {}
    assert converse(Shelf(full=True))["store"] is False


def test_an_unknown_response_is_named() -> None:
    for unknown in ("resp_x", 5):
        with pytest.raises(InvalidRequestError) as caught:
            parse(Shelf().dialect(), previous_response_id=unknown)
        assert caught.value.param == "previous_response_id"
        assert caught.value.code == "previous_response_not_found"


def test_a_stream_is_kept_before_it_ends() -> None:
    shelf = Shelf()
    dialect = shelf.dialect()
    request = parse(dialect, stream=True)
    frames = list(dialect.iter_frames(iter(ANSWER), request))
    events = read_events(frames)
    assert all(event["response"]["store"] for event in (events[0], events[-1]))
    assert shelf.kept[events[-1]["response"]["id"]].response == events[-1]["response"]


def test_a_stream_that_is_cut_by_length_is_kept_too() -> None:
    shelf = Shelf()
    dialect = shelf.dialect()
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "length"}]}
    list(dialect.iter_frames(iter([[chunk]]), parse(dialect)))  # type: ignore[list-item]
    assert [each.response["status"] for each in shelf.kept.values()] == ["incomplete"]


def test_native_answers_are_kept_and_say_so() -> None:
    shelf = Shelf()
    dialect = shelf.dialect()
    recording = load("openai", "responses-stream-effort-gpt-5-6-sol")
    frames = list(
        dialect.iter_frames(iter_native_chunks(iter(recording.pieces)), parse(dialect))  # type: ignore[arg-type]
    )
    events = read_events(frames)
    told = [event["response"] for event in events if "response" in event]
    assert [each["store"] for each in told] == [True, True, True]
    assert shelf.kept[told[-1]["id"]].response == told[-1]
    whole = parse_native_response(load("azure-openai", "responses-whole-reasoning-o4-mini").body)
    response = dialect.encode_completion(whole, parse(dialect))
    assert response["store"] is True
    reasoning, message = response["output"]
    assert reasoning["type"] == "reasoning"
    # Without its content no other server knows this reasoning.
    again = parse(shelf.dialect(), previous_response_id=response["id"])
    assert again.native["input"][1] == message
