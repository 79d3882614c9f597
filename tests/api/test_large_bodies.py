"""Room for large bodies: who waits, for how long, and when it is given back."""

from __future__ import annotations

import io
import threading

import pytest
from flask import Flask, Response

from gateway.api.body import read_body
from gateway.api.large_bodies import LARGE_BYTES, Room
from gateway.errors import ServiceUnavailableError


def test_there_is_room_until_all_is_taken() -> None:
    room = Room()
    room.take(60, 100)
    room.take(40, 100)
    with pytest.raises(ServiceUnavailableError) as caught:
        room.take(1, 100, seconds=0.01)
    assert caught.value.code == "too_many_large_requests"
    assert caught.value.retry_after is not None
    room.give_back(40)
    room.take(40, 100, seconds=0.01)


def test_one_that_is_larger_than_all_room_passes_alone() -> None:
    room = Room()
    room.take(500, 100)
    room.give_back(500)
    room.take(100, 100, seconds=0.01)


def test_who_waits_goes_on_as_soon_as_there_is_room() -> None:
    room = Room()
    room.take(100, 100)
    passed = threading.Event()

    def wait() -> None:
        room.take(50, 100, seconds=10)
        passed.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not passed.wait(0.05)
    room.give_back(100)
    assert passed.wait(5)
    thread.join()


@pytest.mark.parametrize("size", [LARGE_BYTES, LARGE_BYTES + 1])
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("is_failing", [False, True])
def test_only_large_bodies_take_room_and_give_it_back_with_their_response(
    size: int, is_chunked: bool, is_failing: bool
) -> None:
    limit = 2 * LARGE_BYTES
    app = Flask(__name__)
    room = app.extensions["gateway.large_bodies"] = Room()
    held = []

    @app.post("/")
    def view() -> Response:
        body = read_body(limit)
        held.append(room.held)
        if is_failing:
            raise ZeroDivisionError
        return Response(str(len(body)))

    environ = {"wsgi.input": io.BytesIO(bytes(size)), "wsgi.input_terminated": True}
    if not is_chunked:
        environ["CONTENT_LENGTH"] = str(size)
    with app.test_client().post("/", environ_overrides=environ) as answer:
        assert answer.status_code == (500 if is_failing else 200)
    taken = limit if is_chunked else size
    assert held == [taken if size > LARGE_BYTES else 0]
    assert room.held == 0
