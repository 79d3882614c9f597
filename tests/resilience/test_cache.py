"""The cache of answers: who gets which, for how long, and who asks the model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.chunks import gather
from gateway.config.settings import CacheSettings
from gateway.errors import ClientDisconnectedError
from gateway.resilience.cache import (
    MAX_STORED_BYTES,
    AnswerCache,
    Hit,
    Miss,
    Question,
    finish,
)
from gateway.resilience.replay import iter_replayed
from gateway.state import State, StateUnavailableError
from gateway.state.noted_blobs import StateNotes
from gateway.types import Chunk, NativeCompletion, NativeRequest, RawCompletion
from tests.resilience.remembering import MemoryBlobs

REQUEST: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
HEADERS = {"x-gateway-provider": "ollama", "x-gateway-model": "llama3.2"}


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
def cache(blobs: MemoryBlobs, state: State) -> AnswerCache:
    return AnswerCache(StateNotes(blobs, state), state, CacheSettings(ttl=300.0))


def ask(
    cache: AnswerCache, cache_control: str = "", tenant: str = "ann", **request: Any
) -> Hit | Miss:
    question = Question(tenant, "chat", "fast", REQUEST | request, cache_control)
    return finish(cache.look_up(question, never_wait))


def never_wait(seconds: float) -> None:
    raise AssertionError("there is nothing to wait for")


def expect_miss(found: Hit | Miss, status: str = "miss") -> Miss:
    assert isinstance(found, Miss)
    assert found.status == status
    return found


def expect_hit(found: Hit | Miss, text: str) -> Hit:
    assert isinstance(found, Hit)
    assert found.status == "hit"
    assert found.answer["choices"][0]["message"]["content"] == text
    return found


def completion(text: str = "Hello", finish_reason: str = "stop") -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None},
        "logprobs": None,
        "finish_reason": finish_reason,
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "fast",
        "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def store(cache: AnswerCache, text: str = "Hello", **asked: Any) -> None:
    expect_miss(ask(cache, **asked)).store(completion(text), HEADERS)


def test_a_repeat_gets_the_stored_answer(cache: AnswerCache, blobs: MemoryBlobs) -> None:
    store(cache)
    blobs.now = 7.9
    hit = expect_hit(ask(cache), "Hello")
    assert hit.answer == completion()
    assert hit.headers == HEADERS
    assert hit.age == 7


def test_an_answer_in_openais_format_keeps_its_bytes(cache: AnswerCache) -> None:
    answer = RawCompletion(completion())
    answer.raw = json.dumps(completion(), indent=2).encode()
    expect_miss(ask(cache)).store(answer, HEADERS)
    found = expect_hit(ask(cache), "Hello").answer
    assert isinstance(found, RawCompletion)
    assert found.raw == answer.raw


def test_a_native_answer_keeps_its_bytes_and_is_no_streams(cache: AnswerCache) -> None:
    def look_up(**fields: Any) -> Hit | Miss:
        canonical = REQUEST | fields
        request = NativeRequest(canonical, "responses", {"input": "Hi", "temperature": 0} | fields)
        return finish(cache.look_up(Question("ann", "chat", "fast", request), never_wait))

    answer = NativeCompletion(completion())
    answer.dialect, answer.raw = "responses", b'{"output":[{"type":"web_search_call"}]}'
    expect_miss(look_up()).store(answer, HEADERS)
    stored = expect_hit(look_up(), "Hello").answer
    assert isinstance(stored, NativeCompletion)
    assert (stored.dialect, stored.raw) == (answer.dialect, answer.raw)
    expect_miss(look_up(stream=True)).abandon()
    expect_miss(ask(cache)).abandon()


def test_headers_of_the_other_api_are_part_of_the_question(cache: AnswerCache) -> None:
    def look_up(beta: str) -> Hit | Miss:
        native = {"messages": [], "temperature": 0}
        request = NativeRequest(REQUEST, "messages", native, {"anthropic-beta": beta})
        return finish(cache.look_up(Question("ann", "chat", "fast", request), never_wait))

    answer = NativeCompletion(completion())
    answer.dialect, answer.raw = "messages", b"{}"
    expect_miss(look_up("one")).store(answer, HEADERS)
    expect_hit(look_up("one"), "Hello")
    expect_miss(look_up("two")).abandon()


def test_an_answer_ends_with_its_time_to_live(cache: AnswerCache, blobs: MemoryBlobs) -> None:
    store(cache)
    blobs.now = 299.0
    expect_hit(ask(cache), "Hello")
    blobs.now = 300.0
    expect_miss(ask(cache))


def test_no_tenant_gets_anothers_answer(cache: AnswerCache) -> None:
    store(cache)
    expect_miss(ask(cache, tenant="ben")).store(completion("For Ben"), HEADERS)
    expect_hit(ask(cache), "Hello")
    expect_hit(ask(cache, tenant="ben"), "For Ben")


def test_a_creative_request_is_not_cached(cache: AnswerCache, blobs: MemoryBlobs) -> None:
    expect_miss(ask(cache, temperature=0.7), "bypass").store(completion(), HEADERS)
    assert len(blobs) == 0


def test_everything_is_cached_when_configured(blobs: MemoryBlobs, state: State) -> None:
    cache = AnswerCache(StateNotes(blobs, state), state, CacheSettings(ttl=300.0, when="always"))
    store(cache, temperature=0.7)
    expect_hit(ask(cache, temperature=0.7), "Hello")


@pytest.mark.parametrize("cache_control", ["", "max-age=60", "no-cache"])
def test_nothing_is_cached_unless_it_is_configured(
    blobs: MemoryBlobs, state: State, cache_control: str
) -> None:
    cache = AnswerCache(StateNotes(blobs, state), state, None)
    expect_miss(ask(cache, cache_control), "bypass").store(completion(), HEADERS)
    assert len(blobs) == 0
    expect_miss(ask(cache, cache_control), "bypass")


def test_embeddings_are_cached(cache: AnswerCache) -> None:
    question = Question("ann", "embeddings", "embed", {"input": ["Hi"]})
    embeddings = {"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "model": "embed"}
    expect_miss(finish(cache.look_up(question, never_wait))).store(embeddings, HEADERS)
    found = finish(cache.look_up(question, never_wait))
    assert isinstance(found, Hit)
    assert found.answer == embeddings


class TestWhatTheClientAsks:
    def test_max_age_makes_a_request_eligible(self, cache: AnswerCache) -> None:
        store(cache, cache_control="max-age=60", temperature=0.7)
        expect_hit(ask(cache, "max-age=60", temperature=0.7), "Hello")
        expect_miss(ask(cache, temperature=0.7), "bypass")

    def test_max_age_refuses_an_older_answer(self, cache: AnswerCache, blobs: MemoryBlobs) -> None:
        store(cache)
        blobs.now = 10.5
        expect_hit(ask(cache, "max-age=10"), "Hello")
        blobs.now = 11.0
        expect_miss(ask(cache, "max-age=10")).store(completion("Newer"), HEADERS)
        expect_hit(ask(cache, "max-age=10"), "Newer")
        expect_hit(ask(cache), "Newer")

    @pytest.mark.parametrize("cache_control", ["no-cache", "max-age=0", "max-age=x"])
    def test_no_cache_gets_and_stores_a_new_answer(
        self, cache: AnswerCache, cache_control: str
    ) -> None:
        store(cache)
        expect_miss(ask(cache, cache_control)).store(completion("Newer"), HEADERS)
        expect_hit(ask(cache), "Newer")

    def test_no_cache_does_not_make_a_request_eligible(self, cache: AnswerCache) -> None:
        expect_miss(ask(cache, "no-cache", temperature=0.7), "bypass")

    @pytest.mark.parametrize("cache_control", ["no-store", "max-age=60, no-store"])
    def test_no_store_neither_uses_nor_stores(self, cache: AnswerCache, cache_control: str) -> None:
        store(cache)
        expect_miss(ask(cache, cache_control), "bypass").store(completion("New"), HEADERS)
        expect_hit(ask(cache), "Hello")

    def test_the_client_wins_over_the_configuration(self, blobs: MemoryBlobs, state: State) -> None:
        cache = AnswerCache(
            StateNotes(blobs, state), state, CacheSettings(ttl=300.0, when="always")
        )
        expect_miss(ask(cache, "no-store"), "bypass")


class TestWhatIsStored:
    @pytest.mark.parametrize("reason", ["stop", "length", "tool_calls"])
    def test_a_complete_answer_is_kept(self, cache: AnswerCache, reason: str) -> None:
        expect_miss(ask(cache)).store(completion(finish_reason=reason), HEADERS)
        expect_hit(ask(cache), "Hello")

    @pytest.mark.parametrize(
        "answer",
        [
            completion(finish_reason="content_filter"),
            completion() | {"choices": [{"index": 0, "message": {}, "finish_reason": None}]},
            completion() | {"choices": []},
            completion() | {"choices": ["?"]},
            completion() | {"choices": [{"index": 0, "finish_reason": {}}]},
            {"object": "list", "data": []},
            completion("x" * MAX_STORED_BYTES),
            {},
        ],
        ids=["filtered", "unended", "empty", "odd", "odder", "no vectors", "too long", "nothing"],
    )
    def test_any_other_answer_is_not_kept(
        self, cache: AnswerCache, blobs: MemoryBlobs, answer: dict[str, Any]
    ) -> None:
        expect_miss(ask(cache)).store(answer, HEADERS)
        assert len(blobs) == 0

    def test_one_filtered_choice_spoils_the_answer(
        self, cache: AnswerCache, blobs: MemoryBlobs
    ) -> None:
        choices = completion()["choices"] + completion(finish_reason="content_filter")["choices"]
        expect_miss(ask(cache)).store(completion() | {"choices": choices}, HEADERS)
        assert len(blobs) == 0


class TestStreams:
    def test_a_stream_is_stored_as_the_whole_answer(self, cache: AnswerCache) -> None:
        batches = list(iter_replayed(completion("Hello there")))
        passed = expect_miss(ask(cache, stream=True)).recorded(iter([[], *batches, []]), HEADERS)
        assert list(passed) == [[], *batches, []]
        hit = expect_hit(ask(cache), "Hello there")
        assert hit.answer == completion("Hello there")
        assert hit.headers == HEADERS
        assert gather(iter_replayed(hit.answer)) == hit.answer

    def test_each_batch_is_passed_on_before_the_next_is_asked_for(self, cache: AnswerCache) -> None:
        batches = list(iter_replayed(completion()))
        asked: list[int] = []

        def stream() -> Iterator[list[Chunk]]:
            for number, batch in enumerate(batches):
                asked.append(number)
                yield batch

        passed = expect_miss(ask(cache)).recorded(stream(), HEADERS)
        assert next(passed) == batches[0]
        assert asked == [0]
        passed.close()  # type: ignore[attr-defined]

    def test_a_stream_that_fails_is_not_stored(
        self, cache: AnswerCache, blobs: MemoryBlobs
    ) -> None:
        def stream() -> Iterator[list[Chunk]]:
            yield from iter_replayed(completion())
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            list(expect_miss(ask(cache)).recorded(stream(), HEADERS))
        assert len(blobs) == 0
        expect_miss(ask(cache)).abandon()

    def test_a_stream_whose_client_left_is_not_stored(
        self, cache: AnswerCache, blobs: MemoryBlobs
    ) -> None:
        passed = expect_miss(ask(cache)).recorded(iter_replayed(completion()), HEADERS)
        next(passed)
        passed.close()  # type: ignore[attr-defined]
        assert len(blobs) == 0
        expect_miss(ask(cache)).abandon()

    @pytest.mark.parametrize(
        "delta",
        [
            {"audio": {"data": "AA=="}},
            {"content": ["odd"]},
            {"refusal": 7},
            {"tool_calls": ["odd"]},
            {"content": "x" * (MAX_STORED_BYTES + 1)},
        ],
        ids=["audio", "parts", "number", "calls", "too long"],
    )
    def test_what_can_not_be_kept_passes_through_unharmed(
        self, cache: AnswerCache, blobs: MemoryBlobs, delta: dict[str, Any]
    ) -> None:
        odd: Any = {"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        batches = [[odd], *iter_replayed(completion())]
        assert list(expect_miss(ask(cache)).recorded(iter(batches), HEADERS)) == batches
        assert len(blobs) == 0

    def test_a_stream_past_the_cache_is_left_alone(self, cache: AnswerCache) -> None:
        batches = list(iter_replayed(completion()))
        passed = expect_miss(ask(cache, "no-store"), "bypass").recorded(iter(batches), HEADERS)
        assert list(passed) == batches


class Followers:
    """Requests in threads that wait for the same answer; ``works`` is how many had to work."""

    def __init__(self, cache: AnswerCache, number: int) -> None:
        self.works = 0
        self.at_once = 0
        self.found: list[Hit | Miss] = []
        self.waiting = threading.Semaphore(0)
        self._working = 0
        self._lock = threading.Lock()
        self._cache = cache
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]
        self._is_failing = False
        self._is_uncacheable = False
        self.all_work = threading.Barrier(number)

    def start(self, *, is_failing: bool = False, is_uncacheable: bool = False) -> None:
        self._is_failing, self._is_uncacheable = is_failing, is_uncacheable
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            assert self.waiting.acquire(timeout=10)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _wait(self, seconds: float) -> None:
        self.waiting.release()
        time.sleep(seconds)

    def _run(self) -> None:
        question = Question("ann", "chat", "fast", REQUEST)
        found = finish(self._cache.look_up(question, self._wait))
        if isinstance(found, Miss):
            with found:
                self._work(found)
        with self._lock:
            self.found.append(found)

    def _work(self, found: Miss) -> None:
        with self._lock:
            self.works += 1
            self._working += 1
            self.at_once = max(self.at_once, self._working)
        if self._is_uncacheable:
            self.all_work.wait(10)
        with self._lock:
            self._working -= 1
        if not self._is_failing:
            found.store(completion("Mine"), HEADERS)


class TestEqualRequestsAtTheSameTime:
    def test_one_works_and_the_others_get_its_answer(self, cache: AnswerCache) -> None:
        leader = expect_miss(ask(cache))
        followers = Followers(cache, 8)
        followers.start()
        leader.store(completion("The leader's"), HEADERS)
        followers.join()
        assert followers.works == 0
        for found in followers.found:
            expect_hit(found, "The leader's")

    def test_if_it_fails_the_next_one_works(self, cache: AnswerCache) -> None:
        leader = expect_miss(ask(cache))
        followers = Followers(cache, 8)
        followers.start()
        leader.abandon()
        followers.join()
        assert followers.works == 1

    def test_if_all_fail_they_work_one_at_a_time(self, cache: AnswerCache) -> None:
        leader = expect_miss(ask(cache))
        followers = Followers(cache, 6)
        followers.start(is_failing=True)
        leader.abandon()
        followers.join()
        assert followers.works == 6
        assert followers.at_once == 1

    def test_if_its_answer_can_not_be_kept_all_work_at_once(self, cache: AnswerCache) -> None:
        leader = expect_miss(ask(cache))
        followers = Followers(cache, 6)
        followers.start(is_uncacheable=True)
        leader.store(completion(finish_reason="content_filter"), HEADERS)
        followers.join()
        assert followers.works == 6

    def test_if_nothing_can_be_kept_all_work_at_once(
        self, cache: AnswerCache, blobs: MemoryBlobs
    ) -> None:
        blobs.is_failing = True
        leader = expect_miss(ask(cache))
        followers = Followers(cache, 6)
        followers.start(is_uncacheable=True)
        leader.store(completion(), HEADERS)
        followers.join()
        assert followers.works == 6

    def test_who_wants_a_new_answer_waits_for_nobody(self, cache: AnswerCache) -> None:
        with expect_miss(ask(cache)):
            expect_miss(ask(cache, "no-cache"))
            expect_miss(ask(cache, tenant="ben")).abandon()

    def test_waiting_yields_so_that_streams_can_be_kept_alive(self, cache: AnswerCache) -> None:
        pauses: list[float] = []
        with expect_miss(ask(cache)):
            waiting = cache.look_up(Question("ann", "chat", "fast", REQUEST), pauses.append)
            assert [next(waiting) for _ in range(3)] == [[], [], []]
            waiting.close()
        assert pauses == [0.02, 0.02, 0.02]

    def test_a_client_that_leaves_while_it_waits_is_gone(self, cache: AnswerCache) -> None:
        def wait(seconds: float) -> None:
            raise ClientDisconnectedError("gone")

        with expect_miss(ask(cache)), pytest.raises(ClientDisconnectedError):
            finish(cache.look_up(Question("ann", "chat", "fast", REQUEST), wait))

    def test_what_was_stored_while_we_looked_is_found(
        self, cache: AnswerCache, blobs: MemoryBlobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leader = expect_miss(ask(cache))
        look = blobs.get

        def look_too_early(key: str) -> Any:
            monkeypatch.setattr(blobs, "get", look)
            found = look(key)
            leader.store(completion(), HEADERS)
            return found

        monkeypatch.setattr(blobs, "get", look_too_early)
        expect_hit(ask(cache), "Hello")


def test_without_shared_state_requests_go_past_the_cache(
    cache: AnswerCache, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise StateUnavailableError("down")

    store(cache)
    monkeypatch.setattr(state, "update", fail)
    expect_hit(ask(cache), "Hello")
    expect_miss(ask(cache, tenant="ben"), "bypass")


def test_a_lease_that_could_not_be_ended_is_ended_later(
    cache: AnswerCache, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise StateUnavailableError("down")

    leader = expect_miss(ask(cache))
    with monkeypatch.context() as outage:
        outage.setattr(state, "update", fail)
        leader.abandon()
    expect_miss(ask(cache, tenant="ben")).abandon()
    expect_miss(ask(cache)).abandon()


def test_work_that_another_version_of_the_gateway_left_under_way_is_taken_over(
    cache: AnswerCache, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[str] = []
    join_by = cache.flights.join_by

    def find_one_of_another_version(step: Any, key: str) -> Any:
        joined.append(key)
        state.update(f"flight:{key}", lambda value: (b'["ticket","owner",""]', None), 60)
        return join_by(step, key)

    monkeypatch.setattr(cache.flights, "join_by", find_one_of_another_version)
    store(cache)
    assert len(joined) == 1
    expect_hit(ask(cache), "Hello")


def test_a_request_nested_too_deeply_goes_past_the_cache(cache: AnswerCache) -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    expect_miss(ask(cache, tools=deep), "bypass")


def test_a_hit_and_its_replay_cost_little(cache: AnswerCache) -> None:
    store(cache, "The quick brown fox jumps over the lazy dog. " * 40)
    costs = []
    for _ in range(200):
        began = time.thread_time()
        found = ask(cache)
        assert isinstance(found, Hit)
        assert len(list(iter_replayed(found.answer))) == 1
        costs.append(time.thread_time() - began)
    assert min(costs) < 100e-6
