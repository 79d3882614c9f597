"""What can be configured, as frozen values in force for one process.

Knows names, types and defaults. Must not know where values come from (see
``gateway.config.load``), nor what is done with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import quote

SQLITE_PREFIX = "sqlite:///"
Strategy = Literal["fallback", "weighted", "least_busy", "fastest", "cheapest"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
"""How one of several targets is chosen; the first is the default."""

CacheRule = Literal["deterministic", "always"]
CACHE_RULES: tuple[CacheRule, ...] = get_args(CacheRule)
"""Which answers are kept unasked; the first is the default."""

Api = Literal["chat", "responses"]
APIS: tuple[Api, ...] = get_args(Api)
"""The APIs of OpenAI's by which a model can be asked."""

CAPABILITIES = (
    "completion",
    "tools",
    "vision",
    "audio",
    "thinking",
    "json_schema",
    "embedding",
    "insert",
    "image",
)
"""What a model can be said to take: Ollama's names, and ``json_schema`` as a response format."""


@dataclass(frozen=True)
class Timeouts:
    """Deadlines in seconds: the first three for one upstream attempt, ``request`` for the whole."""

    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 300.0
    request: float = 900.0


class Price(NamedTuple):
    """What tokens cost, in US dollars per million; ``cached_input`` is ``input`` unless given."""

    input: float
    output: float
    cached_input: float | None = None


@dataclass(frozen=True)
class ModelSettings:
    """What the configuration says of one model of a provider; None: ask the provider."""

    num_ctx: int | None = None
    capabilities: frozenset[str] | None = None
    context_length: int | None = None
    api: Api | None = None
    price: Price | None = None


_NOTHING_CONFIGURED = ModelSettings()


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
    api_version: str | None = None
    """Version of the provider's API, as Azure's dates it; None: the one without a date."""

    num_ctx: int | None = None
    allow_client_options: bool = False
    max_concurrency: int | None = None
    """Requests open at the same time, over all workers; None: no limit."""

    max_queue: int = 100
    """Requests that may wait for one of ``max_concurrency``."""

    max_retries: int = 2
    load_timeout: float = 300.0
    """Seconds a model may take to load, where the provider tells that it does."""

    overflow_while_loading: bool = False
    project: str | None = None
    """The project in Google Cloud whose models are asked for."""

    credentials_file: str | None = None
    """A service account's key file; None: an API key, or what the machine itself has."""

    region: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    """With the two before, what signs requests where there is no API key."""
    api: Api | None = None
    """The API by which all its models are asked; None: what the model and the request need."""

    models: Mapping[str, ModelSettings] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """Return what every address at the provider ends with, quoted; "" for nothing."""
        return f"api-version={quote(self.api_version)}" if self.api_version else ""

    def model_settings(self, model: str) -> ModelSettings:
        """Return what is configured for ``model``, with the provider's ``num_ctx`` as default."""
        configured = self.models.get(model, _NOTHING_CONFIGURED)
        if configured.num_ctx is None and self.num_ctx is not None:
            return replace(configured, num_ctx=self.num_ctx)
        return configured


@dataclass(frozen=True)
class TargetSettings:
    """What a public model says of one of its targets; None: what the provider has holds.

    ``set`` and ``drop`` change the parameters of a request. ``first_byte_timeout``
    is in seconds, ``context_length`` in tokens. The limits hold over all workers,
    and by whatever name the target is reached.
    """

    weight: float = 1.0
    set: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    capabilities: frozenset[str] | None = None
    context_length: int | None = None
    first_byte_timeout: float | None = None
    max_concurrency: int | None = None
    max_queue: int = 100
    price: Price | None = None


@dataclass(frozen=True)
class RouteTarget:
    """One target of a public model: a provider's name and its model."""

    provider: str
    model: str
    settings: TargetSettings = TargetSettings()

    @property
    def name(self) -> str:
        """Return ``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True)
class CacheSettings:
    """Which answers are kept for exact repeats without being asked to, for ``ttl`` seconds."""

    ttl: float = 300.0
    when: CacheRule = "deterministic"


@dataclass(frozen=True)
class ResponsesSettings:
    """Whether answers of the Responses API are stored, and for how many days."""

    store: bool = False
    retention_days: int = 30


@dataclass(frozen=True)
class RouteSettings:
    """A public model: one target or more. ``cache`` is None where no answer is kept.

    ``cache`` is what holds for this model, the settings for all models already counted in.
    The rates bound what all keys together may ask of it.
    """

    targets: tuple[RouteTarget, ...]
    strategy: Strategy = "fallback"
    cache: CacheSettings | None = None
    rate_limit: str | None = None
    token_rate_limit: str | None = None


@dataclass(frozen=True)
class Target:
    """A model of a provider. ``requested_model`` is the name the client used for it."""

    provider: ProviderSettings
    model: str
    requested_model: str
    settings: TargetSettings = TargetSettings()
    found_api: Api | None = None
    """The API that the provider turned out to want, or to have, where none is configured."""

    @property
    def api(self) -> Api | None:
        """Return the API by which it is asked; None: what the model and the request need."""
        return self.configured_api or self.found_api

    @property
    def configured_api(self) -> Api | None:
        """Return the API that the configuration wants, if any."""
        return self.provider.model_settings(self.model).api or self.provider.api

    @property
    def name(self) -> str:
        """Return ``provider/model``, which tells targets apart everywhere."""
        return f"{self.provider.name}/{self.model}"

    @property
    def first_byte_timeout(self) -> float:
        """Return the seconds until its first byte has to be there."""
        own = self.settings.first_byte_timeout
        return self.provider.timeouts.first_byte if own is None else own

    @property
    def capabilities(self) -> frozenset[str] | None:
        """Return what the configuration says it can take, None where it says nothing."""
        own = self.settings.capabilities
        return self.provider.model_settings(self.model).capabilities if own is None else own

    @property
    def context_length(self) -> int | None:
        """Return the longest context in tokens that the configuration gives it, if any.

        With ``num_ctx`` Ollama takes no more than that, whatever the model could.
        """
        if self.settings.context_length is not None:
            return self.settings.context_length
        model = self.provider.model_settings(self.model)
        return model.context_length if model.num_ctx is None else model.num_ctx


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
    models: Mapping[str, RouteSettings] = field(default_factory=dict)
    """The public models by name."""

    limited_targets: Mapping[str, TargetSettings] = field(default_factory=dict)
    """``provider/model`` to its own ``max_concurrency`` and ``max_queue``, where it has them."""

    cache: CacheSettings | None = None
    """Which answers of any model are kept; None: none, whoever asks."""

    cache_max_bytes: int = 256 * 1024 * 1024
    responses: ResponsesSettings = ResponsesSettings()

    host: str = "127.0.0.1"
    port: int = 8080
    trusted_proxy_hops: int = 0
    auth: bool = True
    cors_origins: tuple[str, ...] = ()
    web_concurrency: int = 1
    gateway_api_keys: tuple[str, ...] = field(default=(), repr=False)
    admin_api_keys: tuple[str, ...] = field(default=(), repr=False)
    rate_limit: str = "60/minute"
    token_rate_limit: str | None = None
    usage_retention_days: int = 90
    budget_webhook_url: str | None = field(default=None, repr=False)
    database_url: str = field(default="sqlite:///data/gateway.db", repr=False)
    redis_url: str | None = field(default=None, repr=False)
    limits_when_store_is_down: str = "deny"
    log_level: str = "info"
    log_format: str = "text"
    log_content: bool = False
    max_retries: int = 2
    fallback_model: str | None = None
    timeouts: Timeouts = Timeouts()
    graceful_timeout: float = 25.0
    ping_after: float = 15.0
    max_request_bytes: int = 32 * 1024 * 1024
    image_fetching: bool = True
    image_networks: tuple[str, ...] = ()
    """Networks inside ours from which images may be fetched as well."""

    gateway_config: str | None = None
    """The file that was read, or None."""

    warnings: tuple[str, ...] = field(default=(), compare=False)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    directory: Path = field(default=Path(), compare=False)
    """Where the gateway was started."""

    @property
    def data_directory(self) -> Path:
        """Where every file of the gateway is kept: beside the SQLite file, or in ``data``."""
        if self.database_url.startswith(SQLITE_PREFIX):
            return Path(self.database_url.removeprefix(SQLITE_PREFIX)).parent
        return self.directory / "data"
