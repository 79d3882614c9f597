"""One answer for equal requests in several processes, over the files that they share."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.config.settings import CacheSettings
from gateway.resilience.cache import AnswerCache, Hit, Miss, Question, finish
from gateway.resilience.idempotency import Idempotency, Replay, Run
from gateway.state import LocalState, State
from gateway.state.blob_file import FileBlobs
from gateway.state.noted_blobs import FileNotedBlobs
from tests.gateway_process import ROOT

PROCESSES = 4
REQUESTS = 10
WORKER = """
import os, pathlib, sys, threading, time
from gateway.config.settings import CacheSettings
from gateway.resilience.cache import AnswerCache, Hit, Question, finish
from gateway.resilience.idempotency import Idempotency, Replay
from gateway.state import LocalState
from gateway.state.noted_blobs import open_noted_blobs

kind, directory, number, seconds = sys.argv[1], pathlib.Path(sys.argv[2]), *map(float, sys.argv[3:])
state = LocalState(directory / "state")
blobs, noted = open_noted_blobs(directory / "blobs", 4 << 20, state)
cache = AnswerCache(noted, state, CacheSettings())
idempotency = Idempotency(blobs, state)
works = os.open(directory / "works", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
answers = []

def work():
    os.write(works, b"%d\\n" % os.getpid())
    time.sleep(seconds)
    return f"by {os.getpid()}"

def ask_cache():
    question = Question("ann", "embeddings", "fast", {"input": "Hi"})
    found = finish(cache.look_up(question, time.sleep))
    if isinstance(found, Hit):
        return found.answer["data"]
    with found:
        found.store({"data": work()}, {})
    return "worked"

def ask_once():
    begun = finish(idempotency.begin("ann", "k", "/", b"{}", time.sleep))
    if isinstance(begun, Replay):
        return begun.body.decode()
    with begun:
        begun.store(200, {}, work().encode())
    return "worked"

def run():
    answers.append(ask_cache() if kind == "cache" else ask_once())

threads = [threading.Thread(target=run) for _ in range(int(number))]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*answers, sep=",")
"""


class Worker:
    """A process that makes ``number`` equal requests at once, each ``seconds`` of work."""

    def __init__(self, kind: str, directory: Path, number: int, seconds: float) -> None:
        arguments = [kind, str(directory), str(number), str(seconds)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.kill()
        self.process.communicate()

    def start(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def read_answers(self) -> list[str]:
        answers, _ = self.process.communicate(timeout=30)
        return answers.strip().split(",")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[LocalState]:
    state = LocalState(tmp_path / "state")
    yield state
    state.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[FileNotedBlobs]:
    blobs = FileNotedBlobs(FileBlobs(tmp_path / "blobs", 4 << 20))
    yield blobs
    blobs.close()


@pytest.mark.parametrize("kind", ["cache", "idempotency"])
def test_of_forty_equal_requests_in_four_processes_one_works(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(kind, tmp_path, REQUESTS, 0.3)) for _ in range(PROCESSES)
        ]
        for worker in workers:
            worker.start()
        answers = [answer for worker in workers for answer in worker.read_answers()]
    who_worked = (tmp_path / "works").read_text().split()
    assert len(who_worked) == 1
    expected = [f"by {who_worked[0]}"] * (PROCESSES * REQUESTS - 1)
    assert sorted(answers) == [*expected, "worked"]


@pytest.mark.parametrize("kind", ["cache", "idempotency"])
def test_when_the_one_that_works_is_killed_another_takes_over(
    tmp_path: Path, state: State, blobs: FileNotedBlobs, kind: str
) -> None:
    cache = AnswerCache(blobs, state, CacheSettings())
    idempotency = Idempotency(blobs, state)
    question = Question("ann", "embeddings", "fast", {"input": "Hi"})
    killed = 0.0

    with Worker(kind, tmp_path, 1, 60.0) as worker:
        worker.start()
        works = tmp_path / "works"
        while not (works.exists() and works.read_text()):
            time.sleep(0.01)

        def wait(seconds: float) -> None:
            nonlocal killed
            if not killed:
                worker.process.kill()
                killed = time.monotonic()
            time.sleep(seconds)

        found: Hit | Miss | Replay | Run
        if kind == "cache":
            found = finish(cache.look_up(question, wait))
        else:
            found = finish(idempotency.begin("ann", "k", "/", b"{}", wait))
        assert killed
        assert time.monotonic() - killed < 2.0
    assert isinstance(found, Miss | Run)
    found.abandon()


def test_what_one_process_stored_another_one_finds(
    tmp_path: Path, state: State, blobs: FileNotedBlobs
) -> None:
    with Worker("cache", tmp_path, 1, 0.0) as worker:
        worker.start()
        assert worker.read_answers() == ["worked"]
    cache = AnswerCache(blobs, state, CacheSettings())
    mine = Question("ann", "embeddings", "fast", {"input": "Hi"})
    found = finish(cache.look_up(mine, time.sleep))
    assert isinstance(found, Hit)
    assert found.answer == {"data": f"by {worker.process.pid}"}
    assert 0 <= found.age < 10
    other = Question("ben", "embeddings", "fast", {"input": "Hi"})
    assert isinstance(finish(cache.look_up(other, time.sleep)), Miss)
