"""The composition root: how the parts are put together.

``create_app`` returns the WSGI application; ``flask --app app`` finds it here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from gateway.accounts.keys.admin_key import ADMIN_KEY_NAME, ensure_admin_key
from gateway.accounts.keys.keys import KeyRing
from gateway.accounts.keys.service import Accounts
from gateway.accounts.ledger.keeper import Keeper
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.limits.admission import Admissions
from gateway.accounts.prices.prices import Prices
from gateway.accounts.responses.stored_responses import StoredResponses
from gateway.accounts.store.database import Database, StoreUnavailableError
from gateway.accounts.store.probe import Probe
from gateway.api import (
    admin,
    admin_keys,
    admin_tenants,
    chat,
    completions,
    embeddings,
    health,
    messages,
    models,
    ollama,
    openapi,
    passthrough,
    responses_api,
    usage,
    welcome,
)
from gateway.api.application import GatewayFlask
from gateway.api.charging import init_charging
from gateway.api.cors import init_cors
from gateway.api.lifecycle import init_lifecycle
from gateway.api.limits import init_limits
from gateway.api.responses import init_errors
from gateway.api.services import EXTENSION, Services
from gateway.cli import config_command
from gateway.config.load import load_environment, load_from
from gateway.config.settings import ProviderSettings, Settings
from gateway.config.sources import Sources, read_sources
from gateway.dialects import messages as messages_dialect
from gateway.dialects.ollama import chat as ollama_chat
from gateway.errors import ConfigurationError
from gateway.inference import Backends, Catalog, Inference, Loading, Places, Resilience, Targets
from gateway.inference.charging import Charging
from gateway.inference.warming import iter_warm
from gateway.providers import get_provider
from gateway.reload import LiveConfiguration, Loaded, load_at_start
from gateway.resilience.breaker import Breakers
from gateway.resilience.cache import AnswerCache
from gateway.resilience.idempotency import Idempotency
from gateway.resilience.line import Lines
from gateway.state import STATE_NAME, State, open_state
from gateway.state.noted_blobs import open_noted_blobs
from gateway.telemetry import configure_logging
from gateway.transport import (
    Fetcher,
    GoogleTokens,
    InProcessAdapter,
    Upstream,
    check_google_auth,
    interrupt_labelled,
    is_gevent_patched,
)
from gateway.transport.webhook import post_json

logger = logging.getLogger("gateway")

_BLUEPRINTS = (
    chat,
    completions,
    messages,
    responses_api,
    embeddings,
    passthrough,
    models,
    ollama,
    health,
    openapi,
    admin,
    admin_keys,
    admin_tenants,
    usage,
    welcome,
)

CACHE_NAME = "gateway.cache"


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application from the environment and its files, which can be reloaded.

    With ``settings`` it is made of these, which can't. Raises ``ConfigurationError``
    where the configuration is wrong.
    """
    live, state = _load_settings() if settings is None else _take_settings(settings)
    settings = live.current.settings
    for warning in settings.warnings:
        logger.warning("%s", warning)
    if not settings.auth:
        logger.warning("AUTH is off: everyone who reaches %s may use the gateway", settings.host)
    if not is_gevent_patched():
        logger.warning(
            "gevent is not in use: each stream takes up a thread of the WSGI server, on which it "
            "depends too how soon a client's leaving is noticed and a slow body is cut off"
        )
    app = GatewayFlask(__name__)
    app.extensions[EXTENSION] = live
    init_lifecycle(app)
    init_errors(
        app,
        {
            ollama.PREFIX: ollama_chat.encode_error,
            messages.PREFIX: messages_dialect.encode_error,
        },
    )
    init_cors(app, settings.cors_origins)
    for module in _BLUEPRINTS:
        app.register_blueprint(module.bp)
    app.register_blueprint(ollama.lists)
    app.register_blueprint(usage.admin)
    init_limits(app, settings, state)
    init_charging(app)
    app.cli.add_command(config_command)
    if settings.trusted_proxy_hops:
        hops = settings.trusted_proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops, hops, hops)  # type: ignore[method-assign]
    return app


class Parts:
    """What outlasts a change of the configuration, and builds the services for each."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._state = state
        self._blobs, self._noted_blobs = open_noted_blobs(
            settings.data_directory / CACHE_NAME,
            settings.cache_max_bytes,
            state,
            redis_url=settings.redis_url,
        )
        self._cache_max_bytes = settings.cache_max_bytes
        database = Database(settings.database_url)
        self._accounts = Accounts(load_key_ring(settings), database, state, interrupt_labelled)
        _prepare(database)
        self._stored_responses = StoredResponses(database)
        self._database_probe = Probe(database)
        self._breakers = Breakers(state)
        self._lines = Lines(state)
        self._prices = Prices()
        ledger = Ledger(database, settings.data_directory)
        self._ledger_is_writable = ledger.is_writable
        self._admissions = Admissions(state, ledger, settings.token_rate_limit)
        self._keeper = Keeper(
            ledger, settings.usage_retention_days, settings.budget_webhook_url, post_json
        )
        self._keeper.start()
        self._upstreams: dict[str, Upstream] = {}

    def build_services(self, settings: Settings) -> Services:
        """Put everything together that depends on the settings."""
        backends = build_backends(settings, self._upstreams)
        self._keep_upstreams(backends.upstreams)
        if settings.cache_max_bytes != self._cache_max_bytes:
            logger.warning("cache.max_bytes has changed; that takes effect at the next start")
        longest = settings.timeouts.request
        counted = _counted_targets(settings)
        charging = Charging(settings, self._admissions, self._prices)
        resilience = Resilience(
            self._breakers,
            Places(self._lines, settings.limited_targets, counted),
            Loading(backends),
            cache(lambda rule: AnswerCache(self._noted_blobs, self._state, rule, longest=longest)),
            charging,
        )
        return Services(
            settings,
            self._accounts,
            Inference(backends, resilience),
            backends.catalog,
            Idempotency(self._blobs, self._state, longest=longest),
            self._state.check,
            Targets(settings, backends.catalog, self._breakers, self._lines, counted),
            charging,
            self._stored_responses,
            self._database_probe,
            self._ledger_is_writable,
        )

    def _keep_upstreams(self, upstreams: Mapping[str, Upstream]) -> None:
        """Remember the upstreams in use; close the idle connections of others."""
        for upstream in self._upstreams.values():
            if upstream not in upstreams.values():
                upstream.close()
        self._upstreams = dict(upstreams)


def build_backends(settings: Settings, known: Mapping[str, Upstream] | None = None) -> Backends:
    """Put providers and their upstreams together.

    Of ``known`` upstreams, with their open connections, those stay whose settings have not changed.
    """
    providers = {name: get_provider(each.kind) for name, each in settings.providers.items()}
    upstreams: dict[str, Upstream] = {}
    for name, each in settings.providers.items():
        old = (known or {}).get(name)
        upstreams[name] = old if old and old.settings == each else _build_upstream(each)
    catalog = Catalog(settings, providers, upstreams)
    fetcher = Fetcher(settings.image_networks) if settings.image_fetching else None
    return Backends(settings, providers, upstreams, catalog, fetcher=fetcher)


def warm_model(settings: Settings, model: str) -> Iterator[float]:
    """Load a model; yields the seconds that has taken. Raises ``GatewayError``."""
    return iter_warm(build_backends(settings), model)


def list_chat_models(settings: Settings) -> list[str]:
    """Return the ids of the models of all providers that can chat, as clients name them."""
    return [
        model.id
        for model in build_backends(settings).catalog.list_models()
        if model.capabilities is None or "completion" in model.capabilities
    ]


def _counted_targets(settings: Settings) -> frozenset[str]:
    """Return the targets whose open requests decide where the next one goes."""
    return frozenset(
        target.name
        for route in settings.models.values()
        if route.strategy == "least_busy"
        for target in route.targets
    )


def load_key_ring(settings: Settings) -> KeyRing:
    """Return the configured keys; where there are none, the admin key made at the first start."""
    if settings.gateway_api_keys or settings.admin_api_keys or not settings.auth:
        return KeyRing.from_keys(settings.gateway_api_keys, settings.admin_api_keys)
    path = settings.data_directory / ADMIN_KEY_NAME
    key = ensure_admin_key(path)
    logger.info("no key is configured: the admin key is in %s", path)
    return KeyRing.from_keys((), (key,))


def _prepare(database: Database) -> None:
    """Bring the schema up to date; where that fails, the first that needs it tries again."""
    with suppress(StoreUnavailableError):  # the database says so itself
        database.prepare()


def _load_settings() -> tuple[LiveConfiguration[Services], State]:
    """Load the configuration from the environment and its files, or take that of its siblings."""
    sources = read_sources()
    own = _load_environment(sources)
    configure_logging(own.log_level, own.log_format)
    state = _open_state(own)
    loaded = load_at_start(sources, state)
    if loaded.problem:
        logger.error(
            "the last good configuration is in force, for this is wrong: %s", loaded.problem
        )
    parts = Parts(loaded.settings, state)
    return LiveConfiguration(sources, state, loaded, parts.build_services), state


def _take_settings(settings: Settings) -> tuple[LiveConfiguration[Services], State]:
    configure_logging(settings.log_level, settings.log_format)
    state = _open_state(settings)
    parts = Parts(settings, state)
    return LiveConfiguration(None, state, Loaded(0, None, settings), parts.build_services), state


def _load_environment(sources: Sources) -> Settings:
    """Return what the environment alone decides; where it is wrong, tell of the file too."""
    try:
        return load_environment(sources)
    except ConfigurationError:
        load_from(sources, sources.read_text())
        raise


def _open_state(settings: Settings) -> State:
    return open_state(
        settings.data_directory / STATE_NAME,
        redis_url=settings.redis_url,
        when_redis_is_down=settings.limits_when_store_is_down,
    )


def _build_upstream(settings: ProviderSettings) -> Upstream:
    provider = get_provider(settings.kind)
    if settings.kind == "demo":
        from gateway.providers.demo import answer

        return Upstream(settings, provider.build_headers, InProcessAdapter(answer))
    if settings.kind == "vertex" and not settings.api_keys and settings.project:
        check_google_auth(settings)
        return Upstream(settings, provider.build_headers, keys=GoogleTokens(settings))
    return Upstream(settings, provider.build_headers, sign=provider.build_signer(settings))
