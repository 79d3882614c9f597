"""``Idempotency-Key``: the same request sent again is not done again.

Knows Flask's responses. What is kept and for how long is decided in
``gateway.resilience.idempotency``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import cast

from flask import Response, request

from gateway.api.services import services
from gateway.resilience.cache import finish
from gateway.resilience.idempotency import REPLAY_HEADER, Replay, parse_idempotency_key
from gateway.telemetry import RequestRecord
from gateway.transport import Watch

_KEPT_HEADERS = (
    "content-type",
    "x-gateway-provider",
    "x-gateway-model",
    "x-gateway-dropped-params",
)


def run_once(
    body: bytes, watch: Watch, record: RequestRecord, answer: Callable[[], Response]
) -> Response:
    """Return the answer of this request, or the one kept of the same request before it.

    Waits for the same request where that is still under way. Raises ``ConflictError``
    for a key that came with another body.
    """
    key = parse_idempotency_key(request.environ.get("HTTP_IDEMPOTENCY_KEY"))
    if key is None:
        return answer()

    def wait(seconds: float) -> None:
        watch.wait_without_pings([], time.monotonic() + seconds)

    begun = finish(services().idempotency.begin(record.tenant, key, request.path, body, wait))
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
