"""A gateway of four workers before three upstreams, and more public models than tests need.

What is known of a target (its breaker, its retries, its speed) lasts longer than a
test. So each test takes targets that no other has asked.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.blackbox.resilience.acting import list_no_models
from tests.chaos.trouble import run_redis
from tests.gateway_process import USER_KEY, Gateway, run_gateway
from tests.upstream import Upstream, serve_upstream

OTHER_KEY = "other-user-key-0123456789"
WORKERS = 4
PING_AFTER = 2.0
"""More than backoff and a connection that is not accepted take: until then a status is real."""

CONNECT_TIMEOUT = 0.4
FIRST_BYTE_TIMEOUT = 10.0
HASTY = 1.0
"""The first-byte timeout of the provider ``hasty``."""
POOL = 80
"""How many models there are of each sort."""


class Route(NamedTuple):
    """A public model ``name``, and what its targets are called at every upstream."""

    name: str
    model: str


Upstreams = dict[str, Upstream]
TakeRoute = Callable[[str], Route]

SORTS: dict[str, dict[str, Any]] = {
    "pair": {"targets": ["first", "second"]},
    "three": {"targets": ["first", "second", "third"]},
    "lot": {"strategy": "weighted", "targets": ["first", "second"], "weights": [3, 1]},
    "calm": {"strategy": "least_busy", "targets": ["first", "second"]},
    "quick": {"strategy": "fastest", "targets": ["first", "second"]},
    "thrift": {
        "strategy": "cheapest",
        "targets": [
            {"target": "first"},
            {"target": "second", "price": {"input": 2, "output": 8}},
            {"target": "third", "price": {"input": 1, "output": 10}},
        ],
    },
    "changed": {
        "targets": [
            {"target": "first", "set": {"temperature": 0.5}, "drop": ["logit_bias", "user"]},
            "second",
        ]
    },
    "plain": {
        "targets": [{"target": "first", "capabilities": ["completion"]}, {"target": "second"}]
    },
    "short": {"targets": [{"target": "first", "context_length": 1000}, "second"]},
    "growing": {
        "targets": [
            {"target": "first", "context_length": 8000},
            {"target": "second", "context_length": 8000},
            {"target": "third", "context_length": 32000},
        ]
    },
    "shrinking": {
        "targets": [
            {"target": "first", "context_length": 8000},
            {"target": "second", "context_length": 4000},
        ]
    },
    "impatient": {"targets": [{"target": "first", "first_byte_timeout": 0.7}, "second"]},
    "pinging": {"targets": [{"target": "first", "first_byte_timeout": 2.5}, "second"]},
    "refused": {"targets": ["closed", "second"]},
    "unreachable": {"targets": ["hole", "second"]},
    "single": {"targets": [{"target": "first", "max_concurrency": 1}]},
    "few": {"targets": [{"target": "first", "max_concurrency": 3}]},
    "cramped": {"targets": [{"target": "first", "max_concurrency": 1, "max_queue": 1}]},
    "spilling": {"targets": [{"target": "first", "max_concurrency": 1, "max_queue": 0}, "second"]},
}


def build_targets(sort: str, number: int) -> dict[str, Any]:
    """Return a public model of ``SORTS``, with targets called ``<sort>-<number>``."""
    targets = []
    for given in SORTS[sort]["targets"]:
        target = dict(given) if isinstance(given, dict) else {"target": given}
        target["target"] += f"/{sort}-{number}"
        targets.append(target)
    return {**SORTS[sort], "targets": targets}


def build_provider(port: int, **settings: Any) -> dict[str, Any]:
    """Return a provider that speaks OpenAI's API on ``port``."""
    return {
        "kind": "openai",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "api_key": "sk-provider-canary",
        **settings,
    }


@contextlib.contextmanager
def occupied_port() -> Iterator[int]:
    """Yield a port whose host neither accepts nor refuses: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """Yield a port on which nobody listens, and that nobody else is given meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="session")
def shared_upstreams() -> Iterator[Upstreams]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(serve_upstream()) for name in ("first", "second", "third")}


@pytest.fixture(scope="session")
def resilient_gateway(
    shared_upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    ports = {name: upstream.port for name, upstream in shared_upstreams.items()}
    with occupied_port() as hole, refusing_port() as closed:
        providers = {
            **{name: build_provider(port) for name, port in ports.items()},
            "once": build_provider(ports["first"], max_retries=0),
            "hasty": build_provider(ports["first"], timeouts={"first_byte": HASTY}),
            "scarce": build_provider(ports["first"], max_concurrency=2),
            "closed": build_provider(closed),
            "hole": build_provider(hole),
        }
        models = {
            f"{sort}-{number}": build_targets(sort, number)
            for sort in SORTS
            for number in range(POOL if sort == "pair" else 8)
        }
        with run_gateway(
            tmp_path_factory.mktemp("resilient"),
            config={"providers": providers, "models": models},
            WEB_CONCURRENCY=str(WORKERS),
            MAX_RETRIES="",  # the default
            GATEWAY_API_KEYS=f"{USER_KEY},{OTHER_KEY}",
            CONNECT_TIMEOUT=str(CONNECT_TIMEOUT),
            FIRST_BYTE_TIMEOUT=str(FIRST_BYTE_TIMEOUT),
            PING_AFTER=str(PING_AFTER),
        ) as gateway:
            yield gateway


@pytest.fixture
def upstreams(shared_upstreams: Upstreams) -> Upstreams:
    """Return the upstreams, with no models listed and nothing else scripted."""
    for upstream in shared_upstreams.values():
        upstream.reset({"/v1/models": list_no_models})
    return shared_upstreams


@pytest.fixture
def first(upstreams: Upstreams) -> Upstream:
    return upstreams["first"]


@pytest.fixture
def second(upstreams: Upstreams) -> Upstream:
    return upstreams["second"]


@pytest.fixture
def third(upstreams: Upstreams) -> Upstream:
    return upstreams["third"]


@pytest.fixture
def gateway(resilient_gateway: Gateway, upstreams: Upstreams) -> Gateway:
    """Return a gateway with four workers."""
    return resilient_gateway


@pytest.fixture(scope="session")
def routes() -> dict[str, Iterator[int]]:
    return {sort: itertools.count() for sort in SORTS}


@pytest.fixture
def take(routes: dict[str, Iterator[int]]) -> TakeRoute:
    """Return a function that hands out an unused public model of one of the ``SORTS``."""

    def take_route(sort: str) -> Route:
        name = f"{sort}-{next(routes[sort])}"
        return Route(name, name)

    return take_route


@pytest.fixture
def fresh() -> str:
    """Return a name of a model that nobody has asked for."""
    return f"model-{next(_numbers)}"


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """Return where a real Redis of the test's own answers."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with run_redis(tmp_path) as (_, url):
        yield url


_numbers = itertools.count()
