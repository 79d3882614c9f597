"""Reading a request's body: all of it, within a size and in time.

Knows WSGI's input stream. Must not know what is in the body.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from flask import after_this_request, request
from flask.wrappers import Response

from gateway.api.large_bodies import LARGE_BYTES, hold_room
from gateway.errors import (
    ClientDisconnectedError,
    InvalidRequestError,
    RequestTimeoutError,
    RequestTooLargeError,
)
from gateway.transport import is_gevent_patched, stop_reading

BLOCK_BYTES = 64 * 1024
BLOCK_SECONDS = 10.0
"""Each block of the body has to arrive within this time: a slow body is cut off."""


def read_body(limit: int) -> bytes:
    """Return the current request's body.

    Raises ``RequestTooLargeError`` over ``limit`` bytes, ``RequestTimeoutError`` where
    it comes too slowly, ``InvalidRequestError`` where its framing is broken,
    ``ServiceUnavailableError`` where too many large ones are under way, and
    ``ClientDisconnectedError`` where it ends too early.
    """
    environ = request.environ
    coding: str = environ.get("HTTP_CONTENT_ENCODING", "")
    if coding.lower() not in ("identity", ""):
        raise InvalidRequestError(
            "The request body must not be compressed: send it without Content-Encoding."
        )
    announced = request.content_length
    if announced is not None and announced > limit:
        raise _too_large(limit)
    if announced is not None and announced > LARGE_BYTES:
        hold_room(announced, limit)
    body = _read_all(environ, announced, limit)
    if announced is not None and len(body) < announced:
        raise ClientDisconnectedError("The request body is shorter than its Content-Length.")
    return body


def _read_all(environ: Mapping[str, Any], remaining: int | None, limit: int) -> bytes:
    stream = environ["wsgi.input"]
    # gunicorn's own stream takes a body apart into steps of 1 KiB; what lies under it does not.
    stream = getattr(stream, "reader", stream)
    if remaining is None and not environ.get("wsgi.input_terminated"):
        return b""
    whole = io.BytesIO()  # gives its bytes away without a copy
    size = 0
    while remaining is None or size < remaining:
        wanted = BLOCK_BYTES if remaining is None else min(BLOCK_BYTES, remaining - size)
        block = _read_block(stream, wanted)
        if not block:
            break
        if len(block) == remaining:
            return block
        whole.write(block)
        size += len(block)
        if size > limit:
            raise _too_large(limit)
        if remaining is None and size - len(block) <= LARGE_BYTES < size:
            hold_room(limit, limit)
    return whole.getvalue()


def _read_block(stream: Any, size: int) -> bytes:
    may_wait = is_gevent_patched() and not _is_buffered(stream, size)
    read = _read_in_time if may_wait else _read
    try:
        return read(stream, size)
    except RequestTimeoutError:
        _hang_up_afterwards()
        raise
    except Exception as error:
        if _is_client_gone(error):
            raise ClientDisconnectedError("The client closed the connection.") from error
        _hang_up_afterwards()
        raise InvalidRequestError("The request body's framing is broken.") from error


def _is_buffered(stream: Any, size: int) -> bool:
    """Tell whether gunicorn has read so much with the head, as it has of most bodies.

    A timer for what needs no waiting would cost as much as the reading.
    """
    buffered = getattr(getattr(stream, "unreader", None), "buf", None)
    return isinstance(buffered, io.BytesIO) and buffered.getbuffer().nbytes >= size


def _is_client_gone(error: Exception) -> bool:
    """Tell a lost connection from bad framing, for which each WSGI server has its own errors.

    gunicorn's are OSErrors too, but without a number.
    """
    if type(error).__name__ == "NoMoreData":
        return True
    return isinstance(error, OSError) and error.errno is not None


def _read_in_time(stream: Any, size: int) -> bytes:
    """Read a block; raises ``RequestTimeoutError`` where it comes too slowly."""
    import gevent

    timer = gevent.Timeout.start_new(BLOCK_SECONDS)
    try:
        return _read(stream, size)
    except gevent.Timeout as late:
        if late is not timer:
            raise
        raise RequestTimeoutError("The request body came too slowly.") from None
    finally:
        timer.close()


def _read(stream: Any, size: int) -> bytes:
    """Read a block, in the time that the server allows."""
    block: bytes = stream.read(size)
    return block


def _hang_up_afterwards() -> None:
    """Serve nothing more on this connection: what is left of the body can't be trusted."""
    client = request.environ.get("gunicorn.socket")

    @after_this_request
    def hang_up(response: Response) -> Response:
        if client is not None:
            response.call_on_close(lambda: stop_reading(client))
        return response


def _too_large(limit: int) -> RequestTooLargeError:
    return RequestTooLargeError(f"The request body is larger than the limit of {limit} bytes.")
