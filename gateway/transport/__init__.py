"""Connections to upstreams: sending, reading, deadlines, and letting go.

Knows requests, sockets, TLS and HTTP/1.1. Must not know what the bytes mean, nor
which provider or client they belong to.
"""

from gateway.transport.exchange import Exchange, UnexpectedStatusError, wait_any
from gateway.transport.fetching import Fetched, Fetcher, FetchError
from gateway.transport.google_tokens import GoogleTokens, check_google_auth
from gateway.transport.in_process import InProcessAdapter
from gateway.transport.restart import begin_restart, is_restarting, restart_on_sigterm
from gateway.transport.upstream import Upstream
from gateway.transport.watch import (
    Watch,
    interrupt_labelled,
    is_gevent_patched,
    open_watch,
    stop_reading,
)

__all__ = [
    "Exchange",
    "FetchError",
    "Fetched",
    "Fetcher",
    "GoogleTokens",
    "InProcessAdapter",
    "UnexpectedStatusError",
    "Upstream",
    "Watch",
    "begin_restart",
    "check_google_auth",
    "interrupt_labelled",
    "is_gevent_patched",
    "is_restarting",
    "open_watch",
    "restart_on_sigterm",
    "stop_reading",
    "wait_any",
]
