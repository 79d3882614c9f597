"""Images that are only linked to: which are fetched, for whom, and how often."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.errors import InvalidRequestError
from gateway.inference import images
from gateway.inference.images import LinkedImages
from gateway.providers import get_provider
from gateway.transport import Fetcher, open_watch
from gateway.types import NativeRequest
from tests.upstream import Upstream, answer, serve_upstream

PNG = b"\x89PNG\r\n\x1a\n"
PNG_URI = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Upstream]:
    with serve_upstream() as server:
        yield server


@pytest.fixture
def server(shared_server: Upstream) -> Upstream:
    shared_server.reset({"/a.png": answer(PNG, content_type="image/png")})
    return shared_server


def _linked() -> LinkedImages:
    return LinkedImages(Fetcher(["127.0.0.0/8"]))


def _put_in(request: Any, linked: LinkedImages | None = None, kind: str = "gemini") -> Any:
    watch = open_watch(20)
    putting_in = (linked or _linked()).iter_put_in(request, get_provider(kind), watch)
    try:
        while True:
            assert next(putting_in) == []
    except StopIteration as end:
        return end.value
    finally:
        watch.close()


def _image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def _asking(*parts: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize("kind", ["gemini", "vertex", "ollama"])
def test_link_becomes_the_image_and_all_else_stays(server: Upstream, kind: str) -> None:
    text = {"type": "text", "text": "what is it?"}
    request = _asking(text, _image(f"{server.url}/a.png"))
    before = copy.deepcopy(request)
    assert _put_in(request, kind=kind) == _asking(text, _image(PNG_URI))
    assert request == before


def test_providers_that_take_links_get_them(server: Upstream) -> None:
    request = _asking(_image(f"{server.url}/a.png"))
    assert _put_in(request, kind="openai") is request
    assert _put_in(request, LinkedImages(None)) is request
    native = NativeRequest(request, "ollama_chat", {})
    assert _put_in(native, kind="ollama") is native
    assert server.requests == []


def test_one_link_is_fetched_once_however_often_it_is_there_and_tried(server: Upstream) -> None:
    linked = _linked()
    request = _asking(*[_image(f"{server.url}/a.png")] * 3)
    for _ in range(2):
        assert _put_in(request, linked) == _asking(*[_image(PNG_URI)] * 3)
    assert len(server.requests) == 1


def test_file_is_fetched_as_well(server: Upstream) -> None:
    server.routes["/a.pdf"] = answer(b"%PDF", content_type="application/pdf")
    file = {"type": "file", "file": {"file_data": f"{server.url}/a.pdf"}}
    held = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg=="}}
    assert _put_in(_asking(file)) == _asking(held)


def test_server_that_does_not_know_what_it_has(server: Upstream) -> None:
    server.routes["/a"] = answer(PNG, content_type="binary/octet-stream")
    (message,) = _put_in(_asking(_image(f"{server.url}/a")))["messages"]
    assert message["content"][0]["image_url"]["url"] == PNG_URI.replace("image/png", "")


def test_what_cannot_be_had_is_told_by_its_place(server: Upstream) -> None:
    for path in ("/a.svg", "/none"):
        with pytest.raises(InvalidRequestError) as caught:
            _put_in(_asking(_image(PNG_URI), _image(server.url + path)))
        assert caught.value.param == "messages[0].content[1].image_url.url"
        assert caught.value.code == "invalid_image_url"
        assert server.url not in caught.value.message
    with pytest.raises(InvalidRequestError, match="not on the internet"):
        _put_in(_asking(_image("http://169.254.169.254/latest/meta-data/")))


def test_number_and_size_of_all_are_bounded(
    server: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.handler = answer(PNG, content_type="image/png")
    monkeypatch.setattr(images, "MAX_LINKS", 2)
    several = [_image(f"{server.url}/{number}") for number in range(3)]
    with pytest.raises(InvalidRequestError, match="more than 2"):
        _put_in(_asking(*several))
    monkeypatch.setattr(images, "MAX_BYTES_OF_ALL", 2 * len(PNG) - 1)
    with pytest.raises(InvalidRequestError, match="larger than"):
        _put_in(_asking(*several[:2]))


@pytest.mark.parametrize(
    "messages",
    [
        None,
        3,
        [3, None],
        [{"content": 3}],
        [{"content": [3, {}, {"type": []}, {"type": "image_url"}, _image(3)]}],
        [{"content": [{"type": "image_url", "image_url": "http://127.0.0.1/"}]}],
    ],
)
def test_wrong_messages_are_left_for_others_to_find(messages: Any) -> None:
    request = {"model": "m", "messages": messages}
    assert _put_in(request) is request
