"""Fetching what clients name: with real sockets, from the internet alone, and within limits."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from gateway.config.settings import Timeouts
from gateway.errors import ClientDisconnectedError, UpstreamTimeoutError
from gateway.transport import Fetched, Fetcher, FetchError, fetching, open_watch
from tests.upstream import Connection, Request, Upstream, answer, serve_upstream, stream

LOOPBACK = ("127.0.0.0/8",)
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 1000
Resolve = Callable[[str, list[str]], None]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Upstream]:
    with serve_upstream() as server:
        yield server


@pytest.fixture
def server(shared_server: Upstream) -> Upstream:
    shared_server.reset()
    return shared_server


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Return what makes a host's name stand for addresses."""
    names: dict[str, list[str]] = {}
    ask = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        return [
            found
            for address in names.get(host, [host])
            for found in ask(address, port, *args, **options)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names.__setitem__


def _fetch(
    url: str, networks: tuple[str, ...] = LOOPBACK, seconds: float = 20, limit: int = 10**6
) -> Fetched:
    watch = open_watch(seconds)
    fetching = Fetcher(networks, limit).iter_fetch(
        url, ("image/", "application/octet-stream"), watch
    )
    try:
        while True:
            next(fetching)
    except StopIteration as end:
        fetched: Fetched = end.value
        return fetched
    finally:
        fetching.close()
        watch.close()


def _refusal(url: str, networks: tuple[str, ...] = LOOPBACK, **options: Any) -> str:
    with pytest.raises(FetchError) as caught:
        _fetch(url, networks, **options)
    return str(caught.value)


def _stay_silent(request: Request, connection: Connection) -> None:
    connection.wait_closed()


def test_image_is_fetched_whole(server: Upstream) -> None:
    server.routes["/a%20b.png?x=1"] = answer(PNG, content_type="IMAGE/PNG; a=b")
    assert _fetch(f" {server.url}/a b.png?x=1#part") == (PNG, "image/png")
    (asked,) = server.requests
    assert asked.method == "GET"
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"
    assert "authorization" not in asked.headers
    assert "cookie" not in asked.headers


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ],
)
def test_no_address_inside_is_connected_to(server: Upstream, host: str) -> None:
    before = server.connections
    assert _refusal(f"http://{host}:{server.port}/a.png", ()) in (
        "is not on the internet",
        "can't be fetched",  # a machine without IPv6 can't even read some of these
    )
    assert server.connections == before


def test_name_that_stands_for_an_address_inside_is_not_connected_to(
    server: Upstream, resolve: Resolve
) -> None:
    resolve("rebound.example", ["127.0.0.1"])
    resolve("both.example", ["93.184.216.34", "127.0.0.1"])
    for name in ("rebound.example", "both.example"):
        url = f"http://{name}:{server.port}/a.png"
        assert _refusal(url, ()) == "is not on the internet"
    assert server.connections == 0


def test_name_is_looked_up_once_so_that_it_cannot_change_in_between(
    server: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = socket.getaddrinfo
    asked = []

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        asked.append(host)
        return list(ask("127.0.0.1", port, *args, **options))

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    server.handler = answer(PNG, content_type="image/png")
    _fetch(f"http://once.example:{server.port}/a.png")
    assert asked == ["once.example"]


def test_own_networks_can_be_allowed_and_no_others(server: Upstream) -> None:
    server.handler = answer(PNG, content_type="image/png")
    url = f"{server.url}/a.png"
    assert _fetch(url, ("10.0.0.0/8", "127.0.0.1/32")).content == PNG
    assert _refusal(url, ("10.0.0.0/8", "fd00::/8")) == "is not on the internet"


def test_redirect_inside_is_not_followed(server: Upstream) -> None:
    inside = f"http://127.0.0.2:{server.port}/secret"
    server.routes["/a"] = answer(b"", 302, location=inside)
    before = server.connections
    assert _refusal(f"{server.url}/a", ("127.0.0.1/32",)) == "is not on the internet"
    assert server.connections == before + 1
    assert not server.asked("/secret")


def test_redirects_are_followed_a_few_times(server: Upstream) -> None:
    server.routes["/1"] = answer(b"", 301, location="/2")
    server.routes["/2"] = answer(b"", 307, location=f"{server.url}/3")
    server.routes["/3"] = answer(PNG, content_type="image/png")
    assert _fetch(f"{server.url}/1").content == PNG
    server.routes["/3"] = answer(b"", 302, location="/1")
    assert _refusal(f"{server.url}/1") == "is redirected too often"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://[", ""])
def test_redirect_to_what_is_no_address_is_not_followed(server: Upstream, location: str) -> None:
    server.routes["/a"] = answer(b"", 302, location=location)
    assert _refusal(f"{server.url}/a")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http:///a",
        "//127.0.0.1/a",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user:pw@127.0.0.1/a",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://[::1/",
        "http://exa mple/",
        "http://a\r\nX: y/",
        "http://" + "a" * 300 + "/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    assert _refusal(url)


def test_nothing_can_be_put_into_the_request(server: Upstream) -> None:
    server.handler = answer(PNG, content_type="image/png")
    _fetch(f"{server.url}/a\r\nX-Evil: 1\r\n\r\nGET /b")
    assert [set(each.headers) & {"x-evil"} for each in server.requests] == [set()]


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (answer(b"no", 404), "was answered with status 404"),
        (answer(b"", 302), "was answered with status 302"),
        (answer(b"{}", content_type="application/json"), "is of another type"),
        (answer(b"<p>", content_type="text/html"), "can't be fetched"),
        (answer(b"", content_type="image/png"), "is empty"),
        (
            answer(PNG, content_type="image/png", content_encoding="gzip"),
            "can't be fetched",
        ),
        (answer(b"x" * 1001, content_type="image/png"), "is larger than 1000 bytes"),
        (
            stream([b"x" * 600] * 2, headers={"Content-Type": "image/png"}),
            "is larger than 1000 bytes",
        ),
    ],
)
def test_what_is_no_image_is_refused(server: Upstream, served: Any, reason: str) -> None:
    server.handler = served
    assert _refusal(f"{server.url}/a", limit=1000) == reason


def test_broken_and_silent_servers_are_given_up(
    server: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(request: Request, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nx")
        connection.close()

    def dripping(request: Request, connection: Connection) -> None:
        connection.send_head(200, {"Content-Type": "image/png"})
        while True:
            connection.send_chunk(b"x")
            time.sleep(0.05)

    server.handler = cut
    assert _refusal(f"{server.url}/a") == "can't be fetched"
    short = Timeouts(connect=1, first_byte=0.2, idle=0.2)
    server.handler = _stay_silent
    with monkeypatch.context() as patch:
        patch.setattr(fetching, "_TIMEOUTS", short)
        assert _refusal(f"{server.url}/a") == "can't be fetched"
    server.handler = dripping
    monkeypatch.setattr(fetching, "MAX_SECONDS", 0.3)
    assert _refusal(f"{server.url}/a") == "takes too long to fetch"


def test_closed_port_is_told_without_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert _refusal(f"http://127.0.0.1:{port}/a") == "can't be fetched"


def test_end_of_the_request_and_of_the_client_are_not_the_images_fault(server: Upstream) -> None:
    server.handler = _stay_silent
    with pytest.raises(UpstreamTimeoutError):
        _fetch(f"{server.url}/a", seconds=0.1)
    watch = open_watch(20)
    watch.interrupt(lambda: ClientDisconnectedError("gone"))
    with pytest.raises(ClientDisconnectedError):
        list(Fetcher(LOOPBACK).iter_fetch(f"{server.url}/a", ("image/",), watch))
    watch.close()


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),
        ("2002:5db8:d822::", True),
        ("2001:0:7f00:1::1", False),
        ("fec0::1", False),
        ("240.0.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
    ],
)
def test_addresses_of_the_internet(address: str, is_public: bool) -> None:
    assert fetching.is_public(ip_address(address)) is is_public
