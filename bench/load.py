"""A load on a server, and what came of it.

Knows the load generator's options and its output. Must not know what a figure is good for.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace

from bench.gateway import KEY
from bench.processes import MeasurementError, Server
from bench.programs import LOAD_GENERATOR

LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Load:
    """What to ask, how often in all, by how many clients at once.

    ``content_bytes`` is the length of each message's content; ``distinct``: no two requests
    are the same. ``key`` is what the clients show; ``path`` is that of OpenAI's chats, or of
    Anthropic's Messages.
    """

    clients: int
    requests: int
    model: str
    stream: bool = False
    messages: int = 1
    content_bytes: int = 20
    distinct: bool = False
    key: str = KEY
    path: str = "/v1/chat/completions"

    def scaled(self, factor: float) -> Load:
        """Return the same load with ``factor`` times the requests, at least one a client."""
        return replace(self, requests=max(self.clients, round(self.requests * factor)))

    def of_model(self, model: str) -> Load:
        """Return the same load with another model."""
        return replace(self, model=model)


@dataclass(frozen=True)
class Outcome:
    """What a load came to.

    ``frames`` are those of all answers. ``whole_p50``, the median time of an answer, and
    ``gap_p99``, the 99th percentile of the time between two tokens, are in milliseconds.
    ``cpu_seconds`` were used by all processes of the server.
    """

    requests: int
    frames: int
    whole_p50: float
    gap_p99: float
    cpu_seconds: float


def run_load(server: Server, load: Load) -> Outcome:
    """Put ``load`` on ``server`` and return what came of it.

    Raises MeasurementError unless every answer came and was whole.
    """
    command = [str(LOAD_GENERATOR), "-url", server.url(load.path), "-key", load.key]
    command += ["-model", load.model, "-c", str(load.clients), "-n", str(load.requests)]
    command += ["-messages", str(load.messages), "-bytes", str(load.content_bytes)]
    command += [f"-stream={str(load.stream).lower()}", f"-distinct={str(load.distinct).lower()}"]
    command += ["-limit", f"{LIMIT_SECONDS}s"]
    before = server.read_cpu_seconds()
    done = subprocess.run(command, capture_output=True, check=True, timeout=3 * LIMIT_SECONDS)
    cpu_seconds = server.cpu_seconds_since(before)
    figures = json.loads(done.stdout)
    if figures["failures"] or figures["ok"] != load.requests:
        raise MeasurementError(
            f"{server.name}: {figures['ok']} of {load.requests} answers were whole within "
            f"{LIMIT_SECONDS} s; failures: {figures['failures']}"
        )
    return Outcome(
        requests=load.requests,
        frames=figures["frames"],
        whole_p50=figures["whole_p50"],
        gap_p99=figures["gap_p99"],
        cpu_seconds=cpu_seconds,
    )
