"""A fake upstream: a real HTTP/1.1 server on loopback whose every byte the test decides.

Knows HTTP framing and threads. Must not know any provider's format: what it
answers are recordings, or functions of the test. It runs in the test's process,
one thread a connection, and keeps every request it saw.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tests.recordings import Recording


@dataclass(frozen=True)
class Request:
    """One request as it came. Names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """The upstream's end of one connection: sends what the test wants, when it wants."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._reader = sock.makefile("rb")
        self.is_open = True

    def send(self, data: bytes, cut: int | None = None) -> None:
        """Send ``data`` as it is, or in TCP pieces of ``cut`` bytes."""
        for start in range(0, len(data), cut or max(len(data), 1)):
            self._socket.sendall(data[start : start + (cut or len(data))])

    def send_head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of an answer with a chunked body."""
        self.send(_head(status, {**(headers or {}), "Transfer-Encoding": "chunked"}))

    def send_chunk(self, data: bytes) -> None:
        self.send(_chunk(data))

    def end_chunks(self) -> None:
        self.send(b"0\r\n\r\n")

    def send_answer(
        self,
        body: bytes = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole answer with ``Content-Length``."""
        length = {"Content-Length": str(len(body))}
        self.send(_head(status, {**(headers or {}), **length}) + body)

    def send_json(self, value: Any, status: int = 200) -> None:
        self.send_answer(json.dumps(value).encode(), status, {"Content-Type": "application/json"})

    def close(self) -> None:
        """Close in good order (FIN)."""
        self.is_open = False
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._socket.close()

    def reset(self) -> None:
        """Close with a reset (RST)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.is_open = False
        self._reader.close()
        self._socket.close()

    def wait_closed(self, timeout: float = 10.0) -> float | None:
        """Return the monotonic time at which the other side let go, None if it did not in time."""
        self._socket.settimeout(timeout)
        try:
            while self._socket.recv(65536):
                pass
        except TimeoutError:
            return None
        except OSError:
            pass
        self.is_open = False
        return time.monotonic()

    def read_request(self) -> Request | None:
        """Read the next request; None when there is no other."""
        start = self._reader.readline()
        if not start:
            return None
        method, path, _ = start.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := self._reader.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Request(method, path, headers, self._read_body(headers))

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._reader.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self._reader.readline(), 16):
            body += self._reader.read(size)
            self._reader.readline()
        self._reader.readline()
        return body


Handler = Callable[[Request, Connection], None]


@dataclass
class Upstream:
    """The server. ``handler`` answers what none of ``routes`` (by path) does."""

    listener: socket.socket
    handler: Handler
    routes: dict[str, Handler] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    """How many connections were opened since the last ``reset``."""

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset(self, routes: Mapping[str, Handler] | None = None) -> None:
        """Forget everything seen and scripted; ``routes`` is what is answered from now on."""
        self.handler = not_scripted
        self.routes = dict(routes or {})
        self.requests.clear()
        self.connections = 0

    def asked(self, path: str) -> list[Request]:
        """Return the requests seen for ``path``."""
        return [request for request in self.requests if request.path == path]

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        connection = Connection(sock)
        # The gateway may leave at any moment; that is what many tests are about.
        with contextlib.suppress(OSError, ValueError):
            while connection.is_open and (request := connection.read_request()):
                self.requests.append(request)
                self.routes.get(request.path, self.handler)(request, connection)
        connection.close()


def not_scripted(request: Request, connection: Connection) -> None:
    """Answer what a test did not expect to be asked."""
    connection.send_answer(b"the test has no answer to this", 418, {"Content-Type": "text/plain"})


@contextlib.contextmanager
def serve_upstream() -> Iterator[Upstream]:
    """Serve on a free loopback port until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        upstream = Upstream(listener, not_scripted)
        thread = threading.Thread(target=upstream.serve, daemon=True)
        thread.start()
        yield upstream
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def replay(recording: Recording, cut: int | None = None) -> Handler:
    """Answer with a recording, its body chunked, sent in TCP pieces of ``cut`` bytes."""
    return stream(recording.pieces, recording.status, recording.headers, cut)


def stream(
    pieces: Iterable[bytes],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    cut: int | None = None,
) -> Handler:
    """Answer with a chunked body, one chunk a piece."""
    kept = {
        name: value
        for name, value in (headers or {}).items()
        if name.lower() not in ("content-length", "transfer-encoding", "content-encoding")
    }
    head = _head(status, {**kept, "Transfer-Encoding": "chunked"})
    body = b"".join(map(_chunk, pieces)) + b"0\r\n\r\n"

    def handler(request: Request, connection: Connection) -> None:
        connection.send(head + body, cut)

    return handler


def answer(
    body: bytes, status: int = 200, content_type: str = "application/json", **headers: str
) -> Handler:
    """Answer with a whole body; ``headers`` have ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def handler(request: Request, connection: Connection) -> None:
        connection.send_answer(body, status, {"Content-Type": content_type, **named})

    return handler


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
