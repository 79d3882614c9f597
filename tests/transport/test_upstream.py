"""What a configured upstream is sent, and that every failure of it is one of the gateway's own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from gateway.config.settings import ProviderSettings
from gateway.errors import GatewayError, UpstreamError
from gateway.transport import (
    Exchange,
    InProcessAdapter,
    UnexpectedStatusError,
    Upstream,
    Watch,
    open_watch,
)
from gateway.types import UpstreamRequest
from tests import upstream as fake
from tests.transport.exchanging import PATIENT

CHAT = UpstreamRequest("POST", "/api/chat", b'{"model":"tiny"}')
LIST = UpstreamRequest("GET", "/api/tags")


@pytest.fixture
def server() -> Iterator[fake.Upstream]:
    with fake.serve_upstream() as server:
        server.handler = fake.answer(b"{}", Set_Cookie="session=1; Path=/")
        yield server


class Provider:
    """An upstream with the settings of a test, and what it is asked."""

    def __init__(self, **settings: Any) -> None:
        configured = ProviderSettings("test", "ollama", timeouts=PATIENT, **settings)
        self.upstream = Upstream(configured, build_headers)

    def send(self, request: UpstreamRequest = CHAT) -> bytes:
        watch = open_watch(PATIENT.request)
        try:
            exchange = self.upstream.send(request, watch)
            try:
                return exchange.read(1000)
            finally:
                exchange.close()
        finally:
            watch.close()

    def fetch(self, request: UpstreamRequest = LIST) -> requests.Response:
        return self.upstream.fetch(request, 20)


def build_headers(api_key: str | None) -> Mapping[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


@pytest.fixture
def provide(server: fake.Upstream) -> Iterator[type[Provider]]:
    made: list[Provider] = []

    class Provided(Provider):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**{"base_url": server.url, **settings})
            made.append(self)

    yield Provided
    for provider in made:
        provider.upstream.close()


def test_plain_request_has_these_headers_and_no_others(
    server: fake.Upstream, provide: type[Provider]
) -> None:
    assert provide().send() == b"{}"
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/api/chat", CHAT.body)
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "ai-gateway",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(CHAT.body or b"")),
    }


def test_request_without_a_body_says_nothing_of_one(
    server: fake.Upstream, provide: type[Provider]
) -> None:
    assert provide().fetch().json() == {}
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/api/tags")
    assert set(request.headers) == {"host", "user-agent", "accept-encoding"}


def test_path_of_the_base_url_comes_first(server: fake.Upstream, provide: type[Provider]) -> None:
    provide(base_url=f"{server.url}/proxy/v1").send()
    assert server.requests[0].path == "/proxy/v1/api/chat"


def test_the_version_of_an_api_is_a_part_of_every_address(
    server: fake.Upstream, provide: type[Provider]
) -> None:
    provider = provide(api_version="2024-10-21")
    provider.send()
    provider.send(UpstreamRequest("POST", "/x?a=b", b"{}"))
    provider.fetch()
    assert [request.path for request in server.requests] == [
        "/api/chat?api-version=2024-10-21",
        "/x?a=b&api-version=2024-10-21",
        "/api/tags?api-version=2024-10-21",
    ]


def test_configured_headers_win_whatever_their_case(
    server: fake.Upstream, provide: type[Provider]
) -> None:
    headers = {"authorization": "Custom 1", "HOST": "other", "content-type": "text/json"}
    provide(api_keys=("key",), headers=headers).send()
    sent = server.requests[0].headers
    assert sent["authorization"] == "Custom 1"
    assert (sent["host"], sent["content-type"]) == ("other", "text/json")


def test_headers_of_a_request_win_over_all(server: fake.Upstream, provide: type[Provider]) -> None:
    request = CHAT._replace(headers={"X-Version": "2"})
    provide(headers={"x-version": "1"}).send(request)
    assert server.requests[0].headers["x-version"] == "2"


def test_each_header_is_sent_once() -> None:
    heads: list[bytes] = []

    class Recording(InProcessAdapter):
        def begin(
            self, head: bytes, body: bytes | None, watch: Watch, first_byte: float | None = None
        ) -> Exchange:
            heads.append(head)
            return super().begin(head, body, watch, first_byte)

    headers = {"host": "other", "user-agent": "mine", "accept-encoding": "gzip"}
    settings = ProviderSettings("test", "demo", "demo://echo", headers=headers)
    adapter = Recording(lambda *_: iter([(0.0, b"{}")]))
    Upstream(settings, build_headers, adapter).fetch(CHAT, 20)
    names = [line.split(b":")[0].lower() for line in heads[0].splitlines()[1:]]
    assert sorted(names) == [b"accept-encoding", b"content-type", b"host", b"user-agent"]


def test_api_keys_are_used_in_turn(server: fake.Upstream, provide: type[Provider]) -> None:
    provider = provide(api_keys=("one", "two", "three"))
    for _ in range(4):
        provider.send()
    provider.fetch()
    keys = [request.headers["authorization"] for request in server.requests]
    assert keys == [f"Bearer {key}" for key in ("one", "two", "three", "one", "two")]


def test_cookies_of_an_answer_are_not_sent_back(
    server: fake.Upstream, provide: type[Provider]
) -> None:
    provider = provide()
    for _ in range(2):
        provider.fetch()
        provider.send()
    assert all("cookie" not in request.headers for request in server.requests)


def test_nothing_is_taken_from_the_environment(
    server: fake.Upstream,
    provide: type[Provider],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login root password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    provider = provide(api_keys=("key",))
    provider.send()
    provider.fetch()
    assert [each.headers["authorization"] for each in server.requests] == ["Bearer key"] * 2


def test_redirects_are_not_followed(server: fake.Upstream, provide: type[Provider]) -> None:
    server.handler = fake.answer(b"", 307, Location=f"{server.url}/elsewhere")
    provider = provide(api_keys=("key",))
    assert provider.fetch().status_code == 307
    with pytest.raises(UnexpectedStatusError):
        provider.send()
    assert [request.path for request in server.requests] == ["/api/tags", "/api/chat"]


def test_fetch_tells_status_and_body_of_an_error(
    server: fake.Upstream, provide: type[Provider]
) -> None:
    server.handler = fake.answer(b'{"error":"no"}', 404)
    response = provide().fetch()
    assert (response.status_code, response.content) == (404, b'{"error":"no"}')


def test_fetch_is_over_in_time(server: fake.Upstream, provide: type[Provider]) -> None:
    def stall(request: fake.Request, connection: fake.Connection) -> None:
        connection.wait_closed(20)

    server.handler = stall
    with pytest.raises(GatewayError) as caught:
        provide().upstream.fetch(LIST, 0.1)
    assert caught.value.status == 504


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST", "127.1"])
def test_host_may_be_spelt_in_any_way(
    server: fake.Upstream, provide: type[Provider], host: str
) -> None:
    provider = provide(base_url=f"http://{host}:{server.port}/a/../b")
    assert provider.fetch().status_code == 200
    assert provider.send() == b"{}"


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://*.example.com"},
        {"base_url": "http://.example.com"},
        {"headers": {"x": "line\nend"}},
    ],
)
def test_settings_that_requests_refuses_are_a_502(
    provide: type[Provider], settings: dict[str, Any]
) -> None:
    provider = provide(**settings)
    for ask in (provider.send, provider.fetch):
        with pytest.raises(UpstreamError) as caught:
            ask()
        assert (caught.value.status, caught.value.should_retry) == (502, False)


FOREIGN = [
    OSError(5, "Input/output error"),
    ConnectionResetError(104, "Connection reset by peer"),
    ConnectionRefusedError(111, "Connection refused"),
    ConnectionAbortedError(103, "Software caused connection abort"),
    BrokenPipeError(32, "Broken pipe"),
    TimeoutError("timed out"),
    PermissionError(13, "Permission denied"),
    OSError(24, "Too many open files"),
    OSError(101, "Network is unreachable"),
    OSError(113, "No route to host"),
    ssl.SSLError(1, "bad record mac"),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
    ssl.SSLZeroReturnError(6, "zero return"),
    ssl.SSLSyscallError(5, "syscall"),
    ssl.SSLCertVerificationError(1, "expired"),
]


@pytest.mark.parametrize("error", FOREIGN, ids=repr)
@pytest.mark.parametrize("operation", ["connect", "send", "recv"])
def test_every_foreign_failure_is_one_of_ours(
    provide: type[Provider], monkeypatch: pytest.MonkeyPatch, error: Exception, operation: str
) -> None:
    def fail(*_: object) -> object:
        raise error

    monkeypatch.setattr(f"socket.socket.{operation}", fail)
    provider = provide()
    if operation == "send":
        # Only what can be read tells whether it failed: here it can't be sent at all.
        monkeypatch.setattr("socket.socket.recv", fail)
    for ask in (provider.send, provider.fetch):
        with pytest.raises(GatewayError) as caught:
            ask()
        assert caught.value.status in (502, 504)
        assert str(error) not in caught.value.message
