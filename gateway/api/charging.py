"""What a request has used, written down when it ends, and what is left told in headers.

Knows Flask and OpenAI's headers. What is charged is decided in
``gateway.inference.charging``.
"""

from __future__ import annotations

import time

from flask import Flask, Response, g

from gateway.accounts.limits.admission import Admission
from gateway.api.services import services
from gateway.durations import format_duration
from gateway.telemetry import RequestRecord


def init_charging(app: Flask) -> None:
    """Have every request charged: a whole answer before it is sent, a stream at its end."""
    app.after_request(_settle)


def _settle(response: Response) -> Response:
    record: RequestRecord = g.record
    if not record.operation:
        return response
    charging = services().charging
    if response.is_streamed:
        response.call_on_close(lambda: charging.settle(record))
    else:
        charging.settle(record, record.status or response.status_code)
    if record.bill is not None:
        _add_headers(response, record.bill.admission)
    return response


def _add_headers(response: Response, admission: Admission) -> None:
    headers = response.headers
    allowance = admission.allowance
    if allowance is not None:
        resets_in = max(0.0, allowance.resets_at - time.monotonic())
        headers["x-ratelimit-limit-tokens"] = str(allowance.limit)
        headers["x-ratelimit-remaining-tokens"] = str(allowance.remaining)
        headers["x-ratelimit-reset-tokens"] = format_duration(resets_in)
    if warnings := admission.warnings:
        text = "; ".join(warnings)
        headers["x-gateway-budget-warning"] = text.encode("ascii", "replace").decode()
