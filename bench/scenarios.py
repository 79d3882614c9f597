"""The pieces of work that are measured, and the figure that each should reach.

Knows which load shows what. Must not know how servers are started or figures printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from bench.gateway import create_key, keep_asking
from bench.load import Load, Outcome, run_load
from bench.processes import Server

WARM_UP = 0.1
"""Part of a load that is asked before it is measured."""


_CLIENTS = {Load.path: "", "/v1/messages": " of Messages"}
"""What figures call clients, by the path they ask."""


@dataclass(frozen=True)
class Figure:
    """One measured value; lower is better. ``target``: what it should reach; None: for information.

    ``nginx`` is what nginx used for the same work in the same run, where that is comparable.
    """

    name: str
    unit: str
    value: float
    target: float | None = None
    nginx: float | None = None


@dataclass(frozen=True)
class Bench:
    """What a scenario works with. ``start_gateway`` starts a fresh one, and stops it at the end.

    It yields the server and the seconds that it took to answer. ``factor`` scales the loads.
    """

    mock: Server
    nginx: Server
    start_gateway: Callable[[], AbstractContextManager[tuple[Server, float]]]
    workers: int
    factor: float

    def measure(self, server: Server, load: Load) -> Outcome:
        """Return the outcome of ``load`` on a ``server`` that has been warmed up with it."""
        run_load(server, load.scaled(WARM_UP * self.factor))
        return run_load(server, load.scaled(self.factor))


def _milliseconds_a_request(outcome: Outcome) -> float:
    return outcome.cpu_seconds / outcome.requests * 1e3


def _microseconds_a_frame(outcome: Outcome) -> float:
    return outcome.cpu_seconds / outcome.frames * 1e6


def measure_whole(bench: Bench, provider: str = "ollama", target: float | None = 1.2) -> Figure:
    """CPU time of a short whole answer; 32 clients."""
    load = Load(clients=32, requests=4000, model="mock")
    with bench.start_gateway() as (gateway, _):
        ours = bench.measure(gateway, load.of_model(f"{provider}/mock"))
    nginx = bench.measure(bench.nginx, load)
    return Figure(
        f"whole answer over {provider}",
        "ms CPU",
        _milliseconds_a_request(ours),
        target,
        _milliseconds_a_request(nginx),
    )


def measure_stream(
    bench: Bench,
    provider: str = "ollama",
    target: float = 20,
    path: str = Load.path,
    tokens: int = 100,
) -> Figure:
    """CPU time of a frame when all ``tokens`` come at once; 16 clients.

    Each frame bears its part of what a request costs, however short the answer.
    """
    model = f"mock-n{tokens}"
    load = Load(clients=16, requests=160_000 // tokens, model=model, stream=True, path=path)
    with bench.start_gateway() as (gateway, _):
        ours = bench.measure(gateway, load.of_model(f"{provider}/{model}"))
    nginx = bench.measure(bench.nginx, load)
    length = "fast" if tokens == 100 else f"{tokens}-token"
    return Figure(
        f"frame of a {length} stream{_CLIENTS[path]} over {provider}",
        "us CPU",
        _microseconds_a_frame(ours),
        target,
        _microseconds_a_frame(nginx),
    )


def whole(bench: Bench) -> Iterator[Figure]:
    """Short whole answers over Ollama, 32 clients."""
    yield measure_whole(bench)


def stream(bench: Bench) -> Iterator[Figure]:
    """Streams of 100 tokens that come at once over Ollama, 16 clients."""
    yield measure_stream(bench)


def live(bench: Bench) -> Iterator[Figure]:
    """256 streams of 50 tokens a second over Ollama, 3 rounds; then the gaps with 64 of them."""
    many = Load(clients=256, requests=3 * 256, model="mock-n100-d20", stream=True)
    few = Load(clients=64, requests=2 * 64, model="mock-n100-d20", stream=True)
    with bench.start_gateway() as (gateway, _):
        ours = bench.measure(gateway, many.of_model("ollama/mock-n100-d20"))
        direct = run_load(bench.mock, few)
        through = run_load(gateway, few.of_model("ollama/mock-n100-d20"))
    nginx = bench.measure(bench.nginx, many)
    nginx_through = run_load(bench.nginx, few)
    yield Figure(
        "frame of 256 live streams",
        "us CPU",
        _microseconds_a_frame(ours),
        110,
        _microseconds_a_frame(nginx),
    )
    yield Figure(
        "gap p99 of 64 live streams / the mock's own",
        "x",
        through.gap_p99 / direct.gap_p99,
        1.5,
        nginx_through.gap_p99 / direct.gap_p99,
    )


def latency(bench: Bench) -> Iterator[Figure]:
    """What one client waits longer for a whole answer than it would for the mock itself."""
    load = Load(clients=1, requests=500, model="mock")
    direct = bench.measure(bench.mock, load).whole_p50
    with bench.start_gateway() as (gateway, _):
        ours = bench.measure(gateway, load.of_model("ollama/mock")).whole_p50
    nginx = bench.measure(bench.nginx, load).whole_p50
    yield Figure("added latency p50, one client", "ms", ours - direct, 1.2, nginx - direct)


def idle(bench: Bench) -> Iterator[Figure]:
    """Memory of a gateway that has answered nothing but /health, and the time to that answer."""
    with bench.start_gateway() as (gateway, seconds):
        gateway.wait_until_idle(processes=bench.workers + 1)
        yield Figure("idle memory (PSS)", "MB", gateway.pss_bytes() / 1e6, 150)
        yield Figure("start to the first /health answer", "s", seconds, 1.5)


def large(bench: Bench) -> Iterator[Figure]:
    """Requests of 500 messages and 1 MB in all over Ollama, 2 clients."""
    load = Load(clients=2, requests=200, model="mock", messages=500, content_bytes=2000)
    with bench.start_gateway() as (gateway, _):
        ours = bench.measure(gateway, load.of_model("ollama/mock"))
    nginx = bench.measure(bench.nginx, load)
    yield Figure(
        "request of 1 MB, 500 messages",
        "ms CPU",
        _milliseconds_a_request(ours),
        10,
        _milliseconds_a_request(nginx),
    )


def openai(bench: Bench) -> Iterator[Figure]:
    """The same as whole over a provider of kind openai, for information."""
    yield measure_whole(bench, "openai", target=None)


def providers(bench: Bench) -> Iterator[Figure]:
    """Streams of 100 tokens that come at once: OpenAI, Anthropic, Gemini; Messages over Ollama."""
    yield measure_stream(bench, "openai", target=12)
    yield measure_stream(bench, "openai", target=12, tokens=1000)
    yield measure_stream(bench, "anthropic", target=30)
    yield measure_stream(bench, "gemini", target=30)
    yield measure_stream(bench, "ollama", target=30, path="/v1/messages")
    yield measure_stream(bench, "anthropic", target=30, path="/v1/messages")


def resilience(bench: Bench) -> Iterator[Figure]:
    """What two targets, breaker, line and cache cost; a cache hit; a first target that is down."""
    load = Load(clients=32, requests=4000, model="guarded")
    alone = Load(clients=1, requests=500, model="rescued")
    with bench.start_gateway() as (gateway, _):
        plain = bench.measure(gateway, replace(load, model="ollama/mock", distinct=True))
        guarded = bench.measure(gateway, replace(load, distinct=True))
        hits = bench.measure(gateway, load)
        keep_asking(gateway, "down/mock")
        direct = bench.measure(gateway, alone.of_model("ollama/mock"))
        rescued = bench.measure(gateway, alone)
    yield Figure(
        "two targets, breaker, line, cache: added",
        "ms CPU",
        _milliseconds_a_request(guarded) - _milliseconds_a_request(plain),
        0.25,
    )
    yield Figure("the same request without them", "ms CPU", _milliseconds_a_request(plain))
    yield Figure("cache hit", "ms CPU", _milliseconds_a_request(hits), 0.5)
    yield Figure(
        "answer after a target's 503 / without, p50", "x", rescued.whole_p50 / direct.whole_p50, 2
    )


def accounts(bench: Bench) -> Iterator[Figure]:
    """What a stored key, limits on requests, tokens and open requests, and a budget cost."""
    load = Load(clients=32, requests=4000, model="ollama/mock")
    with bench.start_gateway() as (gateway, _):
        plain = bench.measure(gateway, load)
        limited = bench.measure(gateway, replace(load, key=create_key(gateway)))
    yield Figure(
        "stored key, limits, budget: added",
        "ms CPU",
        _milliseconds_a_request(limited) - _milliseconds_a_request(plain),
        0.35,
    )
    yield Figure("the same request without them", "ms CPU", _milliseconds_a_request(plain))


SCENARIOS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    scenario.__name__: scenario
    for scenario in (
        whole,
        stream,
        live,
        latency,
        idle,
        large,
        openai,
        providers,
        resilience,
        accounts,
    )
}
