"""Chat and embeddings from the model's name to the answer.

Knows routes, the cache and the record of a request. Must not know any one
provider's or dialect's format, nor HTTP frameworks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.accounts.limits.bound import bound_body, bound_chats, bound_embeddings
from gateway.config.settings import CacheSettings, Target
from gateway.inference.asked import Asked, asked_at, asked_of, stored_headers
from gateway.inference.attempt import Attempt, Backends
from gateway.inference.charging import Charging
from gateway.inference.chat import Chat, ChatAnswer, begin_stream, waiting
from gateway.inference.chat_attempt import ChatAttempt
from gateway.inference.counting import count_tokens
from gateway.inference.embeddings_attempt import EmbeddingsAttempt
from gateway.inference.images import LinkedImages
from gateway.inference.journey import Journey
from gateway.inference.loading import Loading
from gateway.inference.passing import PassedAnswer
from gateway.inference.passthrough_attempt import PassthroughAttempt
from gateway.inference.places import Places
from gateway.inference.warming import iter_warm
from gateway.resilience.breaker import Breakers
from gateway.resilience.cache import AnswerCache, Hit, Question, finish
from gateway.routing import (
    Latency,
    Route,
    able_targets,
    order_targets,
    require_model,
    resolve_route,
    resolve_target,
)
from gateway.telemetry import RequestRecord
from gateway.transport import Watch
from gateway.types import (
    ChatCompletion,
    ChatRequest,
    EmbeddingsRequest,
    NativeRequest,
    PassthroughRequest,
)

BuildCache = Callable[[CacheSettings | None], AnswerCache]
"""Returns the cache for what is configured of a public model's answers."""

_random = random.Random()


@dataclass(frozen=True)
class Resilience:
    """What stands between a request and its targets."""

    breakers: Breakers
    places: Places
    loading: Loading
    build_cache: BuildCache
    charging: Charging


class Inference:
    """The use cases over the configured providers.

    ``cache_control`` is the client's header of that name ("" without one).
    """

    def __init__(self, backends: Backends, resilience: Resilience) -> None:
        self._backends = backends
        self._resilience = resilience
        settings = backends.settings
        self._public = {name: resolve_route(settings, name) for name in settings.models}

    def complete_chat(
        self, request: ChatRequest, watch: Watch, record: RequestRecord, cache_control: str = ""
    ) -> tuple[Asked, ChatCompletion]:
        """Return the whole answer; raises ``GatewayError``."""
        return self._chat(request, watch, record, cache_control, is_whole=True).complete()

    def stream_chat(
        self, request: ChatRequest, watch: Watch, record: RequestRecord, cache_control: str = ""
    ) -> ChatAnswer:
        """Return the answer as a stream, once its first content has come or a ping is due.

        Until then every failure is raised; afterwards it is raised by its batches.
        """
        chat = self._chat(request, watch, record, cache_control, is_whole=False)
        return begin_stream(chat, watch)

    def pass_on(
        self, request: PassthroughRequest, watch: Watch, record: RequestRecord
    ) -> PassedAnswer:
        """Return the answer to an operation once its first piece has come.

        Until then every failure is raised; afterwards it is raised by its pieces.
        """
        record.operation = request.operation.strip("/")
        route = self._resolve({"model": request.model}, watch, record)
        charging = self._resilience.charging
        bound = bound_body(request.size, request.content_type)
        charging.reserve(record, {}, bound, route.candidates)

        def start(target: Target, first_byte: float) -> Attempt:
            return PassthroughAttempt(self._backends, request, target, watch, first_byte)

        journey = self._depart(self._order(route), route, start, watch, record, is_whole=False)
        return PassedAnswer(journey, record, lambda: charging.settle(record, status=200))

    def count_tokens(self, request: NativeRequest, watch: Watch, record: RequestRecord) -> int:
        """Return how many tokens a prompt has, as its provider counts, or else an estimate.

        Generates nothing. Raises ``GatewayError``.
        """
        require_model(self._backends.settings, record.models, request["model"])
        target = resolve_target(self._backends.settings, request["model"])
        return count_tokens(self._backends, request, target, watch)

    def load_model(self, name: str, record: RequestRecord) -> None:
        """Have the model called ``name`` loaded, where its provider has to; returns once it is.

        Raises ``PermissionDeniedError``, ``NotFoundError`` and other ``GatewayError``.
        """
        require_model(self._backends.settings, record.models, name)
        target = resolve_target(self._backends.settings, name)
        if self._backends.providers[target.provider.name].build_warm(target) is None:
            self._backends.catalog.get_model(name)
            return
        for _ in iter_warm(self._backends, name):
            pass

    def embed(
        self,
        request: EmbeddingsRequest,
        watch: Watch,
        record: RequestRecord,
        cache_control: str = "",
    ) -> tuple[Asked, dict[str, Any]]:
        """Return OpenAI's list of embeddings, as the provider gave it; raises ``GatewayError``."""
        record.operation = "embeddings"
        route = self._resolve(request, watch, record)
        question = Question(record.tenant, "embeddings", record.model, request, cache_control)
        cache = self._resilience.build_cache(route.cache)
        found = finish(cache.look_up(question, waiting(watch)))
        record.cache = found.status
        if isinstance(found, Hit):
            record.usage = found.answer.get("usage")
            return asked_of(found), found.answer

        def start(target: Target, first_byte: float) -> Attempt:
            return EmbeddingsAttempt(self._backends, request, target, watch, first_byte)

        with found:
            bound = bound_embeddings(request)
            self._resilience.charging.reserve(record, request, bound, route.candidates)
            journey = self._depart(self._order(route), route, start, watch, record, is_whole=True)
            embeddings = journey.complete()
            found.store(embeddings, stored_headers(journey))
        record.usage = embeddings.get("usage")
        return asked_at(journey), embeddings

    def _chat(
        self,
        request: ChatRequest,
        watch: Watch,
        record: RequestRecord,
        cache_control: str,
        *,
        is_whole: bool,
    ) -> Chat:
        record.operation = "chat"
        route = self._resolve(request, watch, record)
        charging = self._resilience.charging
        images = LinkedImages(self._backends.fetcher)

        def start(target: Target, first_byte: float) -> Attempt:
            return ChatAttempt(
                self._backends,
                request,
                target,
                watch,
                first_byte,
                is_whole=is_whole,
                images=images,
            )

        def depart() -> Journey:
            model_info = self._backends.catalog.model_info
            targets = able_targets(self._order(route), request, model_info)
            bound = bound_chats(record.parts or [request])
            charging.reserve(record, request, bound, route.candidates)
            return self._depart(targets, route, start, watch, record, is_whole=is_whole)

        return Chat(
            self._resilience.build_cache(route.cache),
            Question(record.tenant, "chat", record.model, request, cache_control),
            depart,
            watch,
            record,
            lambda: charging.settle(record, status=200),
            with_content=self._backends.settings.log_content,
        )

    def _resolve(self, request: dict[str, Any], watch: Watch, record: RequestRecord) -> Route:
        record.model = request["model"]
        if self._backends.settings.log_content:
            record.prompt = str(request.get("messages") or request.get("input"))
        route = None if record.models else self._public.get(record.model)
        if route is None:
            route = resolve_route(self._backends.settings, record.model, record.models)
        longest = max(each.provider.timeouts.request for each in route.candidates)
        watch.deadline = min(watch.deadline, record.started + longest)
        return route

    def _depart(
        self,
        targets: Sequence[Target],
        route: Route,
        start: Callable[[Target, float], Attempt],
        watch: Watch,
        record: RequestRecord,
        *,
        is_whole: bool,
    ) -> Journey:
        tools = self._resilience
        return Journey(
            targets,
            start,
            watch,
            record,
            tools.breakers,
            tools.places,
            tools.loading,
            is_whole=is_whole,
            is_timed=route.strategy == "fastest",
        )

    def _order(self, route: Route) -> list[Target]:
        loads: dict[str, int] = {}
        latencies: dict[str, Latency] = {}
        if len(route.targets) > 1 and route.strategy == "least_busy":
            loads = self._resilience.places.open_requests(route.targets)
        elif len(route.targets) > 1 and route.strategy == "fastest":
            latencies = self._latencies(route.targets)
        return order_targets(route, loads, latencies, _random)

    def _latencies(self, targets: Sequence[Target]) -> dict[str, Latency]:
        breakers = self._resilience.breakers
        known: dict[str, Latency] = {}
        for target in targets:
            seconds = breakers.time_to_first_token(target.name)
            age = breakers.measured_ago(target.name)
            if seconds is not None and age is not None:
                known[target.name] = Latency(seconds, age)
        return known
