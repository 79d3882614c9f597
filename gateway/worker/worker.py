"""gunicorn's gevent worker, with an end that loses nothing.

Knows gunicorn and gevent. At its top it must import nothing else: gunicorn's master
loads this file before anything is patched.
"""

from __future__ import annotations

import gc
import json
import secrets
import signal
import time
from functools import partial
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.sock import ssl_context
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from gateway.worker.client_socket import ClientSocket, HeadTimeout
from gateway.worker.tuning import tune

GARBAGE_THRESHOLD = 10_000
"""Objects made, and not let go, until the collector looks for cycles among them."""

GRACE_MARGIN = 5.0
"""Seconds by which a worker ends before gunicorn's ``graceful_timeout``, which is a kill."""

QUICK_GRACE = 1.0
"""The grace period in seconds where a quick end was asked for: Ctrl-C, SIGINT, SIGQUIT."""

FIRST_REQUEST_SECONDS = 1.0
"""How long a connection accepted before the end began may take to send its first request."""

_TICK = 0.05


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker, serving each client through a ``ClientSocket``.

    Told to end, it takes no new connection, closes idle ones, lets requests finish,
    and ends those that do not in time for them to be told and logged.
    """

    _stopping: Event | None = None
    _is_quick = False
    _requests = 0

    def init_process(self) -> None:
        self._clients: set[ClientSocket] = set()
        tune(self.cfg, self.log)
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        # Ctrl-C goes to the whole group: the master sees to it, and tells us by SIGQUIT.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def load_wsgi(self) -> None:
        super().load_wsgi()
        # What is loaded now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)

    def run(self) -> None:
        self._stopping = Event()
        servers = [self._serve(listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            self._stopping.wait(1.0)
        for server in servers:
            server.close()
        self._finish_requests()

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.alive = False
        if self._stopping is not None:
            gevent.get_hub().loop.run_callback_threadsafe(self._stopping.set)

    def handle_quit(self, sig: int, frame: Any) -> None:
        self._is_quick = True
        self.handle_exit(sig, frame)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        super().handle_error(req, _Refusal(client, exc), addr, exc)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        if type(client) is not socket.socket:  # TLS
            super().handle(listener, client, addr)
            return
        family, kind, protocol = client.family, client.type, client.proto
        client = ClientSocket(family, kind, protocol, fileno=client.detach())
        self._clients.add(client)
        gevent.getcurrent().head_timeout = HeadTimeout(client, self.cfg.keepalive)
        try:
            super().handle(listener, client, addr)
        finally:
            self._clients.discard(client)

    def timeout_ctx(self) -> Any:
        return getattr(gevent.getcurrent(), "head_timeout", None) or super().timeout_ctx()

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        self._requests += 1
        sock.is_idle = False
        try:
            return AsyncWorker.handle_request(self, listener_name, req, sock, addr)
        except (gevent.GreenletExit, SystemExit):  # as in gunicorn's own gevent worker
            return None
        finally:
            self._requests -= 1
            sock.is_fresh = False
            sock.is_idle = True

    def _serve(self, listener: Any) -> StreamServer:
        listener.setblocking(1)
        tls = {"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}
        handle = partial(self.handle, listener)
        server = StreamServer(listener, handle, spawn=Pool(self.worker_connections), **tls)
        if self.cfg.workers > 1:
            server.max_accept = 1  # leave some to the others
        server.start()
        return server

    def _finish_requests(self) -> None:
        from gateway.transport.restart import begin_restart, end_requests, patience

        begin_restart()
        if self._is_quick:
            self.cfg.worker_int(self)
        began = time.monotonic()
        waited = 0.0
        while self._is_serving(waited) and waited < (grace := self._grace()):
            if waited >= patience(grace):
                end_requests()
                self._hang_up_blocked(everyone=waited >= (patience(grace) + grace) / 2)
            self.notify()
            gevent.sleep(_TICK)
            waited = time.monotonic() - began

    def _grace(self) -> float:
        if self._is_quick:
            return QUICK_GRACE
        timeout = float(self.cfg.graceful_timeout)
        return max(timeout - GRACE_MARGIN, timeout / 2)

    def _is_serving(self, waited: float) -> bool:
        """Tell whether a request is under way or on its way; hang up on clients without one."""
        is_early = waited < FIRST_REQUEST_SECONDS and not self._is_quick
        waiting = 0
        for client in self._clients:
            if not client.is_idle or (client.is_fresh and is_early):
                waiting += 1
            else:
                client.hang_up(socket.SHUT_RD)
        return bool(waiting or self._requests)

    def _hang_up_blocked(self, *, everyone: bool) -> None:
        """Hang up on clients that would never hear that their request is over."""
        for client in self._clients:
            if client.is_blocked or everyone:
                client.hang_up(socket.SHUT_RDWR)


class _Refusal:
    """A client's socket on which gunicorn's page about a broken request becomes OpenAI's JSON."""

    def __init__(self, client: Any, error: BaseException) -> None:
        self._client = client
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, page: bytes) -> None:
        status = page.partition(b"\r\n")[0].decode("latin-1")
        is_ours = status.partition(" ")[2].startswith("5")
        message = "The gateway failed." if is_ours else f"This is not valid HTTP: {self._error}"
        error = {
            "message": message,
            "type": "server_error" if is_ours else "invalid_request_error",
            "param": None,
            "code": None,
        }
        body = json.dumps({"error": error}).encode("ascii")
        head = (
            f"{status}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"x-request-id: req_{secrets.token_hex(16)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._client.sendall(head.encode("latin-1") + body)
