"""``Idempotency-Key``: the same request sent again is not done again.

Knows Flask's responses. What is kept and for how long is decided in
``gateway.resilience.idempotency``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import cast

from flask import Response, request

from gateway.api.services import services
from gateway.resilience.idempotency import REPLAY_HEADER, Replay, Run, parse_idempotency_key
from gateway.telemetry import RequestRecord
from gateway.transport import Watch

_KEPT_HEADERS = (
    "content-type",
    "x-gateway-provider",
    "x-gateway-model",
    "x-gateway-dropped-params",
)


StreamLate = Callable[[Iterator[bytes]], Response]
"""Makes a stream, kept alive while there is only b"", of the bytes of an answer."""


def run_once(
    body: bytes,
    watch: Watch,
    record: RequestRecord,
    answer: Callable[[], Response],
    stream_late: StreamLate | None = None,
) -> Response:
    """Return the answer of this request, or the one kept of the same request before it.

    Waits for the same request where that is still under way; with ``stream_late`` only
    until a ping is due, which then says the rest. Raises ``ConflictError`` for a key that
    came with another body.
    """
    key = parse_idempotency_key(request.environ.get("HTTP_IDEMPOTENCY_KEY"))
    if key is None:
        return answer()
    wait_for = watch.wait_without_pings if stream_late is None else watch.wait

    def wait(seconds: float) -> None:
        wait_for([], time.monotonic() + seconds)

    waiting = services().idempotency.begin(record.tenant, key, request.path, body, wait)
    while True:
        try:
            next(waiting)
        except StopIteration as end:
            return _answer_of(end.value, record, answer)
        if stream_late is not None and time.monotonic() >= watch.next_ping:
            return stream_late(_iter_late(waiting, record, answer))


def _iter_late(
    waiting: Generator[bytes, None, Replay | Run],
    record: RequestRecord,
    answer: Callable[[], Response],
) -> Iterator[bytes]:
    begun = yield from waiting
    response = _answer_of(begun, record, answer)
    try:
        yield from response.iter_encoded()
        if isinstance(begun, Replay):
            record.status = begun.status
    finally:
        response.close()


def _answer_of(
    begun: Replay | Run, record: RequestRecord, answer: Callable[[], Response]
) -> Response:
    if isinstance(begun, Replay):
        record.cache = "hit"
        headers = dict([*begun.headers.items(), REPLAY_HEADER])
        return Response(begun.body, begun.status, headers)
    try:
        response = answer()
    except BaseException:
        begun.abandon()
        raise
    response.call_on_close(begun.abandon)
    headers = {name: value for name, value in response.headers if name.lower() in _KEPT_HEADERS}
    if response.is_streamed:
        pieces = cast(Iterator[bytes], response.response)
        response.response = begun.recorded(pieces, headers, lambda: record.status == 200)
    else:
        begun.store(response.status_code, headers, response.get_data())
    return response
