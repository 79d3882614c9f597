"""``POST /v1/completions``: one prompt or several, whole and streamed.

Several prompts are completed one after the other, each as a request of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from flask import Blueprint, Response, g

from gateway.api.authentication import authenticate
from gateway.api.body import read_body
from gateway.api.chatting import (
    answer_chat_request,
    expect_stream,
    stream_late,
    stream_response,
)
from gateway.api.idempotency import run_once
from gateway.api.lifecycle import answer_headers, cache_control, open_client_watch
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.dialects import completions
from gateway.dialects.completions import (
    CompletionsRequest,
    add_usage,
    iter_frames_of_all,
    join_completions,
    split_request,
)
from gateway.inference import ChatAnswer
from gateway.telemetry import RequestRecord
from gateway.transport import Watch
from gateway.types import Usage

bp = Blueprint("completions", __name__)
bp.before_request(authenticate)


@bp.post("/v1/completions")
def create_completion() -> Response:
    """Complete one prompt or several."""
    body = read_body(services().settings.max_request_bytes)
    requests = split_request(body)
    if len(requests) == 1:
        return answer_chat_request(completions, requests[0], body)
    record: RequestRecord = g.record
    record.model, record.operation = requests[0]["model"], "chat"
    record.parts = requests
    watch = open_client_watch()

    if not requests[0]["stream"]:
        return run_once(body, watch, record, lambda: _complete_all(requests, watch, record))
    expect_stream(watch, record)
    return run_once(
        body,
        watch,
        record,
        lambda: _stream_all(requests, watch, record),
        lambda pieces: stream_late(completions, requests[0], pieces, watch, record),
    )


def _complete_all(
    requests: list[CompletionsRequest], watch: Watch, record: RequestRecord
) -> Response:
    answers = []
    usage = _PaidUsage(record)
    for request in requests:
        asked, completion = services().inference.complete_chat(
            request, watch, record, cache_control()
        )
        answers.append(completion)
        usage.add(completion.get("usage"))
        usage.note()
    joined = join_completions(answers, requests)
    return json_response(joined, headers=answer_headers(asked, record))


def _stream_all(
    requests: list[CompletionsRequest], watch: Watch, record: RequestRecord
) -> Response:
    # Later prompts are asked for while the response is written, outside of the request's context.
    inference, caching = services().inference, cache_control()
    open_answers: list[ChatAnswer] = []

    def ask(request: CompletionsRequest) -> ChatAnswer:
        for answered in open_answers:
            answered.close(finished=True)
        answer = inference.stream_chat(request, watch, record, caching)
        open_answers[:] = [answer]
        return answer

    def iter_answers() -> Iterator[Any]:
        usage = _PaidUsage(record)
        yield first.batches, requests[0]
        for request in requests[1:]:
            usage.add(record.usage)
            record.usage = None
            yield ask(request).batches, request
        usage.add(record.usage)
        usage.note()

    first = ask(requests[0])
    response = stream_response(
        completions, iter_frames_of_all(iter_answers()), first, watch, record
    )
    response.call_on_close(lambda: [each.close() for each in open_answers])
    return response


class _PaidUsage:
    """Adds up what was used for several prompts; what came from the cache cost nothing."""

    def __init__(self, record: RequestRecord) -> None:
        self._record = record
        self._paid: dict[str, int] = {}
        self._all: dict[str, int] = {}

    def add(self, usage: Usage | None) -> None:
        """Add what the last answer's usage is."""
        add_usage(self._all, usage)
        if self._record.cache != "hit":
            add_usage(self._paid, usage)

    def note(self) -> None:
        """Note the sum in the record: of what was paid, or of all where nothing was."""
        record = self._record
        record.usage = cast(Usage, {**(self._all if record.bill is None else self._paid)})
        if record.bill is not None and record.cache == "hit":
            record.cache = "miss"
