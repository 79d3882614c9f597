"""What can be configured, as frozen values in force for one process.

Knows names, types and defaults. Must not know where values come from (see
``gateway.config.load``), nor what is done with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SQLITE_PREFIX = "sqlite:///"
DEMO_KIND = "demo"
DEMO_MODEL = "echo"
"""The only model that a provider of kind demo has."""


@dataclass(frozen=True)
class Timeouts:
    """Deadlines in seconds: the first three for one upstream attempt, ``request`` for the whole."""

    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 300.0
    request: float = 900.0


@dataclass(frozen=True)
class ModelSettings:
    """What the configuration says of one model of a provider; None: ask the provider."""

    num_ctx: int | None = None
    capabilities: frozenset[str] | None = None
    context_length: int | None = None


@dataclass(frozen=True)
class ProviderSettings:
    """One configured upstream. ``base_url`` has no trailing slash; ``api_keys`` are used in turn.

    What may hold a secret is left out of ``repr``.
    """

    name: str
    kind: str
    base_url: str
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeouts: Timeouts = Timeouts()
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    num_ctx: int | None = None
    allow_client_options: bool = False
    models: Mapping[str, ModelSettings] = field(default_factory=dict)

    def model_settings(self, model: str) -> ModelSettings:
        """Return what is configured for ``model``, with the provider's ``num_ctx`` as default."""
        configured = self.models.get(model, ModelSettings())
        if configured.num_ctx is None and self.num_ctx is not None:
            return ModelSettings(self.num_ctx, configured.capabilities, configured.context_length)
        return configured


@dataclass(frozen=True)
class Target:
    """A model of a provider. ``requested_model`` is the name the client used for it."""

    provider: ProviderSettings
    model: str
    requested_model: str


@dataclass(frozen=True)
class Settings:
    """Everything in force. Names are the lower-case names of the environment variables.

    ``origins`` tells where a value came from, for people to read: a variable's
    name, or a dotted path such as ``providers.ollama.num_ctx``, to ``environment``,
    ``.env line 3`` or ``gateway.yaml:12``; what is not in it is a default.
    ``warnings`` are sentences about what was set and has no effect.
    What may hold a secret is left out of ``repr``.
    """

    providers: Mapping[str, ProviderSettings]
    default_provider: str
    models: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Public name to (provider's name, its model)."""

    host: str = "127.0.0.1"
    port: int = 8080
    trusted_proxy_hops: int = 0
    auth: bool = True
    cors_origins: tuple[str, ...] = ()
    web_concurrency: int = 1
    gateway_api_keys: tuple[str, ...] = field(default=(), repr=False)
    admin_api_keys: tuple[str, ...] = field(default=(), repr=False)
    rate_limit: str = "60/minute"
    database_url: str = "sqlite:///data/gateway.db"
    redis_url: str | None = field(default=None, repr=False)
    limits_when_store_is_down: str = "deny"
    log_level: str = "info"
    log_format: str = "text"
    log_content: bool = False
    timeouts: Timeouts = Timeouts()
    ping_after: float = 15.0
    max_request_bytes: int = 32 * 1024 * 1024
    gateway_config: str | None = None
    """The file that was read, or None."""

    warnings: tuple[str, ...] = field(default=(), compare=False)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def database_path(self) -> Path:
        """The SQLite file that ``database_url`` names."""
        return Path(self.database_url.removeprefix(SQLITE_PREFIX))

    @property
    def data_directory(self) -> Path:
        """The directory of the database, where every other file of the gateway is kept too."""
        return self.database_path.parent
