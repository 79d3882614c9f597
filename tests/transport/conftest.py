"""Adapters and upstreams that are closed at the end of the test that made them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from gateway.transport.adapter import LlhttpAdapter
from gateway.transport.connection import Origin
from tests.transport.exchanging import PATIENT, BuildAdapter, greet
from tests.upstream import Upstream, serve_upstream


@pytest.fixture
def build_adapter() -> Iterator[BuildAdapter]:
    built: list[LlhttpAdapter] = []

    def build(
        url: str, *, proxy: str | None = None, ca_bundle: str | None = None, **timeouts: float
    ) -> LlhttpAdapter:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        origin = Origin(parts.scheme, parts.hostname, parts.port, proxy, ca_bundle)
        built.append(LlhttpAdapter(origin, replace(PATIENT, **timeouts)))
        return built[-1]

    yield build
    for adapter in built:
        adapter.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serve_upstream() as upstream:
        upstream.handler = greet
        yield upstream


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Return an event that is set at the end of the test: upstreams wait for it in silence."""
    over = threading.Event()
    yield over
    over.set()
