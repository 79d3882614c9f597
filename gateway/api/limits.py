"""Requests counted per key, owner and address by Flask-Limiter, and what clients are told about it.

Knows Flask, Flask-Limiter and OpenAI's headers. Must not know where counters
are kept, nor anything of models or tokens.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache, wraps
from typing import Any, NamedTuple

from flask import Flask, Response, g, request
from flask.typing import RouteCallable
from flask_limiter import Limiter
from limits import RateLimitItem, parse_many

from gateway.accounts.keys.keys import Principal
from gateway.config.settings import Settings
from gateway.durations import format_duration
from gateway.errors import ConfigurationError, RateLimitError, ServiceUnavailableError
from gateway.state import Counter, State, StateUnavailableError
from gateway.state.limits_storage import StateStorage

Limits = Sequence[RateLimitItem]


class Usage(NamedTuple):
    """How much of one limit a key has used; ``resets_at`` is monotonic time in seconds."""

    limit: RateLimitItem
    used: int
    resets_at: float

    @property
    def remaining(self) -> int:
        """Requests left in the window; never below 0."""
        return max(0, self.limit.amount - self.used)

    @property
    def resets_in(self) -> float:
        """Seconds until the window ends; never below 0."""
        return max(0.0, self.resets_at - time.monotonic())


class RequestLimits:
    """Counts requests against limits: of a key (``default`` unless it has its own), its owner's.

    Without keys, ``default`` holds for each address.
    """

    def __init__(self, limiter: Limiter, default: Limits, *, has_keys: bool) -> None:
        self._limiter = limiter
        self._default = default
        self._has_keys = has_keys

    def limited(self, view: RouteCallable) -> RouteCallable:
        """Return ``view`` with each of its requests counted first; ``g.principal`` must be set."""

        @wraps(view)
        def counted(**arguments: Any) -> Any:
            self.count_request(g.principal)
            return view(**arguments)

        return counted

    def count_request(self, who: Principal) -> None:
        """Count a request of a key and its owner in ``g.request_usage``, a list of ``Usage``.

        Raises RateLimitError for a request beyond a limit, ServiceUnavailableError
        where it can't be counted.
        """
        usages: list[Usage] = []
        g.request_usage = usages
        if not self._has_keys:
            self._count(usages, "this address", self._default, f"address:{request.remote_addr}")
            return
        own = who.limits.rate_limit
        limits = self._default if own is None else _parse(own)
        self._count(usages, "this key", limits, who.tenant)
        if who.owner and who.owner_limits.rate_limit is not None:
            limits = _parse(who.owner_limits.rate_limit)
            self._count(usages, "this key's owner", limits, f"owner:{who.owner}")

    def _count(self, usages: list[Usage], whose: str, limits: Limits, name: str) -> None:
        try:
            for limit in limits:
                is_within = self._limiter.limiter.hit(limit, name)
                counter: Counter = g.request_counter
                usage = Usage(limit, counter.value, time.monotonic() + counter.resets_in)
                usages.append(usage)
                if not is_within:
                    raise _build_rate_limit_error(whose, usage)
        except StateUnavailableError as error:
            raise ServiceUnavailableError(
                "Requests can't be counted now, so that none is let through. Try again shortly.",
                code="limits_unavailable",
                retry_after=error.retry_after,
            ) from error


def init_limits(
    app: Flask,
    settings: Settings,
    state: State,
    blueprints: Sequence[str] = (
        "chat",
        "completions",
        "messages",
        "responses",
        "embeddings",
        "passthrough",
        "ollama",
    ),
) -> None:
    """Limit every view of ``blueprints``, already registered, to ``settings.rate_limit``.

    Counts in ``state``. Raises ConfigurationError for a rate that can't be read.
    """
    limits = RequestLimits(
        _build_limiter(app, state),
        parse_rate_limit(settings.rate_limit),
        has_keys=settings.auth,
    )
    names = {app.blueprints[name].name for name in blueprints}
    for endpoint, view in app.view_functions.items():
        if endpoint.rpartition(".")[0] in names:
            app.view_functions[endpoint] = limits.limited(view)
    app.after_request(_add_headers)


def parse_rate_limit(rate_limit: str) -> tuple[RateLimitItem, ...]:
    """Read e.g. ``10/second; 1000 per 2 hours``: each limit once, the shortest window first."""
    try:
        limits = dict.fromkeys(parse_many(rate_limit))
    except ValueError as error:
        raise ConfigurationError(f"RATE_LIMIT: {error}; write e.g. 60/minute") from None
    return tuple(sorted(limits, key=lambda limit: limit.get_expiry()))


def _build_limiter(app: Flask, state: State) -> Limiter:
    options: dict[str, Any] = {"state": state, "on_increment": _keep_counter}
    limiter = Limiter(
        lambda: g.principal.tenant,
        storage_uri=f"{StateStorage.STORAGE_SCHEME[0]}://",
        storage_options=options,
        strategy="fixed-window",
    )
    # An application that lists the extension already gets none of its hooks: they look for
    # limits in six places on every request of every route, for four times what counting costs.
    app.extensions.setdefault("limiter", set()).add(limiter)
    limiter.init_app(app)
    return limiter


def _keep_counter(counter: Counter) -> None:
    g.request_counter = counter


@lru_cache(maxsize=4096)
def _parse(rate_limit: str) -> Limits:
    return parse_rate_limit(rate_limit)


def _build_rate_limit_error(whose: str, usage: Usage) -> RateLimitError:
    limit, resets_in = usage.limit, usage.resets_in
    unit = limit.GRANULARITY.name
    window = unit if limit.multiples == 1 else f"{limit.multiples} {unit}s"
    requests = "request" if limit.amount == 1 else "requests"
    return RateLimitError(
        f"Rate limit reached: {whose} may make {limit.amount} {requests} per {window}. "
        f"Try again in {format_duration(resets_in)}.",
        retry_after=resets_in,
    )


def _add_headers(response: Response) -> Response:
    """Tell how much is left of the limit that is nearest to its end."""
    usages: list[Usage] | None = g.get("request_usage")
    if usages:
        scarcest = min(usages, key=lambda usage: (usage.remaining, -usage.resets_at))
        add = response.headers.add
        add("x-ratelimit-limit-requests", str(scarcest.limit.amount))
        add("x-ratelimit-remaining-requests", str(scarcest.remaining))
        add("x-ratelimit-reset-requests", format_duration(scarcest.resets_in))
    return response
