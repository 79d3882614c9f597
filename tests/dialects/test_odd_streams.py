"""Whatever an upstream makes of OpenAI's format, every API's own client can read the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import messages, responses
from gateway.dialects.ollama import chat
from gateway.errors import GatewayError, InternalServerError
from gateway.providers.openai.stream import iter_chunks
from gateway.providers.openai.whole import parse_completion
from tests.dialects.messages.test_answers import put_together
from tests.dialects.messages.test_answers import read_events as read_messages
from tests.dialects.responses.test_events import read_events as read_responses
from tests.providers.openai.test_compatible_deviations import CHUNK, DONE

REQUESTS: Any = {
    messages: {"model": "m"},
    responses: {"model": "m", "input": "hi"},
    chat: {"model": "m"},
}


def is_readable(batches: Iterator[Any]) -> bool:
    """Tell whether a stream comes to its end, and for one choice."""
    try:
        choices = [choice for batch in batches for chunk in batch for choice in chunk["choices"]]
    except GatewayError:
        return False
    return not any(choice["index"] for choice in choices)


@given(st.lists(CHUNK, max_size=6))
@settings(max_examples=120, deadline=None)
def test_no_odd_stream_breaks_a_client(values: list[Any]) -> None:
    events = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)

    def batches() -> Any:
        return iter_chunks(iter([events + DONE]), "m")

    if not is_readable(batches()):
        return
    put_together(read_messages(list(messages.iter_frames(batches(), REQUESTS[messages]))))
    read_responses(list(responses.iter_frames(batches(), REQUESTS[responses])))
    try:
        lines = b"".join(chat.iter_frames(batches(), REQUESTS[chat])).splitlines()
    except InternalServerError:
        raise
    except GatewayError:  # arguments that are no object, which Ollama can't say
        return
    assert json.loads(lines[-1])["done"] is True


@given(CHUNK)
@settings(max_examples=120, deadline=None)
def test_no_odd_answer_breaks_a_client(value: Any) -> None:
    try:
        completion = parse_completion(json.dumps(value).encode(), "m")
    except GatewayError:
        return
    for dialect, request in REQUESTS.items():
        try:
            encoded = dialect.encode_completion(completion, request)
        except InternalServerError:
            raise
        except GatewayError:
            continue
        assert encoded
