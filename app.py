"""The composition root: how the parts are put together.

``create_app`` returns the WSGI application; ``flask --app app`` finds it here.
"""

from __future__ import annotations

import logging

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from gateway.accounts.admin_key import ADMIN_KEY_NAME, ensure_admin_key
from gateway.accounts.keys import KeyRing
from gateway.api import chat, embeddings, health, models
from gateway.api.cors import init_cors
from gateway.api.lifecycle import init_lifecycle
from gateway.api.limits import init_limits
from gateway.api.responses import init_errors
from gateway.api.services import EXTENSION, Services
from gateway.cli import config_command
from gateway.config.load import load_settings
from gateway.config.settings import ProviderSettings, Settings
from gateway.inference import Catalog, Inference
from gateway.providers import get_provider
from gateway.state import open_state
from gateway.telemetry import configure_logging
from gateway.transport import InProcessAdapter, Upstream, is_gevent_patched

logger = logging.getLogger("gateway")

STATE_NAME = "gateway.state"


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application from ``settings``, or from the environment and its files.

    Raises ``ConfigurationError`` where the configuration is wrong.
    """
    settings = settings or load_settings()
    configure_logging(settings.log_level, settings.log_format)
    for warning in settings.warnings:
        logger.warning("%s", warning)
    if not settings.auth:
        logger.warning("AUTH is off: everyone who reaches %s may use the gateway", settings.host)
    if not is_gevent_patched():
        logger.warning(
            "gevent is not in use: each stream takes up a thread of the WSGI server, on which it "
            "depends too how soon a client's leaving is noticed and a slow body is cut off"
        )
    state = open_state(
        settings.data_directory / STATE_NAME,
        redis_url=settings.redis_url,
        when_redis_is_down=settings.limits_when_store_is_down,
    )
    catalog, inference = build_inference(settings)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = Services(
        settings, load_key_ring(settings), inference, catalog, state.check
    )
    init_lifecycle(app)
    init_errors(app)
    init_cors(app, settings.cors_origins)
    for module in (chat, embeddings, models, health):
        app.register_blueprint(module.bp)
    init_limits(app, settings, state)
    app.cli.add_command(config_command)
    if settings.trusted_proxy_hops:
        hops = settings.trusted_proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops, hops, hops)  # type: ignore[method-assign]
    return app


def build_inference(settings: Settings) -> tuple[Catalog, Inference]:
    """Put providers and their upstreams together."""
    providers = {name: get_provider(each.kind) for name, each in settings.providers.items()}
    upstreams = {name: _build_upstream(each) for name, each in settings.providers.items()}
    catalog = Catalog(settings, providers, upstreams)
    return catalog, Inference(settings, providers, upstreams, catalog)


def list_chat_models(settings: Settings) -> list[str]:
    """Return the ids of the models of all providers that can chat, as clients name them."""
    catalog, _ = build_inference(settings)
    return [
        model.id
        for model in catalog.list_models()
        if model.capabilities is None or "completion" in model.capabilities
    ]


def load_key_ring(settings: Settings) -> KeyRing:
    """Return the configured keys; where there are none, the admin key made at the first start."""
    if settings.gateway_api_keys or settings.admin_api_keys or not settings.auth:
        return KeyRing.from_keys(settings.gateway_api_keys, settings.admin_api_keys)
    path = settings.data_directory / ADMIN_KEY_NAME
    key = ensure_admin_key(path)
    logger.info("no key is configured: the admin key is in %s", path)
    return KeyRing.from_keys((), (key,))


def _build_upstream(settings: ProviderSettings) -> Upstream:
    provider = get_provider(settings.kind)
    if settings.kind == "demo":
        from gateway.providers.demo import answer

        return Upstream(settings, provider.build_headers, InProcessAdapter(answer))
    return Upstream(settings, provider.build_headers)
