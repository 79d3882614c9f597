"""The kinds of provider there are: one row each.

Knows names: where a kind's code is, its usual address, which variables of the
environment configure it, and in which fields one that speaks OpenAI's format
departs from it. Must not import that code, which is loaded when a provider of its
kind is first used, nor know what is done with those fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

DEMO_KIND = "demo"
DEMO_MODEL = "echo"
"""The only model that a provider of kind demo has."""


class Quirks(NamedTuple):
    """In what a provider that speaks OpenAI's format takes less than OpenAI.

    Only requests: what departs in answers is put right whoever sent them. ``renamed``
    are parameters by OpenAI's name; ``dropped`` are not sent, and the client is told.
    Messages get OpenAI's plain fields, reasoning of earlier turns as ``reasoning_field``
    (None: not at all), and ``message_fields`` besides. ``only_text``: content that is
    a list of texts is sent as one text. ``embeddings``: whether there are any;
    ``embeddings_are_bytes``: told as one signed byte a number. ``limits``: the last words of
    its ``x-ratelimit-*`` headers, by what is counted, where they are not OpenAI's.
    """

    renamed: Mapping[str, str] = {}
    dropped: tuple[str, ...] = ()
    reasoning_field: str | None = None
    message_fields: tuple[str, ...] = ()
    only_text: bool = False
    embeddings: bool = True
    embeddings_are_bytes: bool = False
    limits: Mapping[str, str] = {}


class Kind(NamedTuple):
    """One kind of provider.

    ``implementation`` is ``module:class`` of a ``gateway.providers.base.Provider``, made
    with ``quirks`` if there are any. ``base_url`` is used where none is configured; None:
    one has to be; ``regional_url`` is used instead where a ``region`` is set. A configured
    one that has less than ``default_path`` gets the rest of it (with an API version: of
    ``versioned_path``). ``variables`` are the variables of the environment by the setting
    they stand for: one of them implies a provider of the kind's own name;
    ``further_variables`` fill in settings of one that there is for another reason.
    ``own_settings`` are settings that only some kinds of provider take.
    """

    implementation: str
    base_url: str | None
    variables: Mapping[str, str] = {}
    default_path: str = ""
    own_settings: tuple[str, ...] = ()
    quirks: Quirks | None = None
    versioned_path: str = ""
    further_variables: Mapping[str, str] = {}
    regional_url: str = ""


_OPENAI = "gateway.providers.openai:OpenAI"
_SHORTER = {"max_completion_tokens": "max_tokens"}


def _compatible(
    variables: str, base_url: str | None, path: str = "", *, key: str = "API_KEY", **quirks: object
) -> Kind:
    """Return a row for a provider that speaks OpenAI's format.

    ``variables`` is what its variables begin with; ``base_url`` has no path, which is ``path``.
    """
    return Kind(
        _OPENAI,
        None if base_url is None else base_url + path,
        {"base_url": f"{variables}_BASE_URL", "api_key": f"{variables}_{key}"},
        default_path=path,
        quirks=Quirks(**quirks),  # type: ignore[arg-type]
    )


COMPATIBLE_KINDS: dict[str, Kind] = {
    "groq": _compatible(
        "GROQ",
        "https://api.groq.com",
        "/openai/v1",
        reasoning_field="reasoning",
        embeddings=False,
    ),
    "deepseek": _compatible(
        "DEEPSEEK",
        "https://api.deepseek.com",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
        embeddings=False,
    )._replace(own_settings=("api",)),
    "together": _compatible(
        "TOGETHER", "https://api.together.ai", "/v1", renamed=_SHORTER, reasoning_field="reasoning"
    ),
    "fireworks": _compatible(
        "FIREWORKS",
        "https://api.fireworks.ai",
        "/inference/v1",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
        limits={"input-tokens": "tokens-prompt", "output-tokens": "tokens-generated"},
    ),
    "openrouter": _compatible(
        "OPENROUTER",
        "https://openrouter.ai",
        "/api/v1",
        reasoning_field="reasoning",
        message_fields=("reasoning_details", "cache_control"),
        limits={"requests": ""},
    ),
    "xai": _compatible(
        "XAI",
        "https://api.x.ai",
        "/v1",
        reasoning_field="reasoning_content",
        embeddings=False,
    ),
    "perplexity": _compatible(
        "PERPLEXITY", "https://api.perplexity.ai", renamed=_SHORTER, embeddings_are_bytes=True
    ),
    "cerebras": _compatible(
        "CEREBRAS",
        "https://api.cerebras.ai",
        "/v1",
        dropped=(
            "frequency_penalty",
            "logit_bias",
            "parallel_tool_calls",
            "presence_penalty",
            "service_tier",
        ),
        reasoning_field="reasoning",
        embeddings=False,
        limits={"requests": "requests-day", "tokens": "tokens-minute"},
    ),
    "nvidia": _compatible(
        "NVIDIA",
        "https://integrate.api.nvidia.com",
        "/v1",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
    ),
    "huggingface": _compatible(
        "HF",
        "https://router.huggingface.co",
        "/v1",
        key="TOKEN",
        renamed=_SHORTER,
        embeddings=False,
    ),
    "sambanova": _compatible(
        "SAMBANOVA",
        "https://api.sambanova.ai",
        "/v1",
        renamed=_SHORTER,
        only_text=True,
    ),
    "moonshot": _compatible(
        "MOONSHOT",
        "https://api.moonshot.ai",
        "/v1",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
        only_text=True,
        embeddings=False,
    ),
    "qwen": _compatible(
        "DASHSCOPE",
        "https://dashscope-intl.aliyuncs.com",
        "/compatible-mode/v1",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
    ),
    "zhipu": _compatible(
        "ZAI",
        "https://api.z.ai",
        "/api/paas/v4",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
    ),
    "nebius": _compatible(
        "NEBIUS",
        "https://api.tokenfactory.nebius.com",
        "/v1",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
    ),
    "deepinfra": _compatible(
        "DEEPINFRA",
        "https://api.deepinfra.com",
        "/v1/openai",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
    ),
    "baseten": _compatible(
        "BASETEN",
        "https://inference.baseten.co",
        "/v1",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
        embeddings=False,
    ),
    # Their addresses have the account or the region in them.
    "snowflake": _compatible(
        "SNOWFLAKE", None, "/api/v2/cortex/v1", reasoning_field="reasoning_content"
    ),
    "cloudflare": _compatible("CLOUDFLARE", None, renamed=_SHORTER),
    "bedrock-mantle": _compatible(
        "BEDROCK_MANTLE", None, "/v1", reasoning_field="reasoning", embeddings=False
    ),
    # Servers of one's own.
    "vllm": _compatible("VLLM", "http://localhost:8000", "/v1", reasoning_field="reasoning"),
    "sglang": _compatible(
        "SGLANG", "http://localhost:30000", "/v1", reasoning_field="reasoning_content"
    ),
    "llamacpp": _compatible(
        "LLAMACPP",
        "http://localhost:8080",
        "/v1",
        renamed=_SHORTER,
        reasoning_field="reasoning_content",
    ),
    "lmstudio": _compatible("LMSTUDIO", "http://localhost:1234", "/v1", renamed=_SHORTER),
    "localai": _compatible("LOCALAI", "http://localhost:8080", "/v1", renamed=_SHORTER),
    "litellm": _compatible(
        "LITELLM",
        "http://localhost:4000",
        "/v1",
        reasoning_field="reasoning_content",
        message_fields=("thinking_blocks", "provider_specific_fields", "cache_control"),
    ),
}
"""Providers that speak OpenAI's format, but not to the letter: adding one is adding its row."""


KINDS: dict[str, Kind] = {
    "ollama": Kind(
        "gateway.providers.ollama:Ollama",
        "http://localhost:11434",
        {"base_url": "OLLAMA_BASE_URL"},
        own_settings=("num_ctx", "allow_client_options", "load_timeout", "overflow_while_loading"),
    ),
    "openai": Kind(
        _OPENAI,
        "https://api.openai.com/v1",
        {"base_url": "OPENAI_BASE_URL", "api_key": "OPENAI_API_KEY"},
        default_path="/v1",
        own_settings=("api",),
    ),
    "anthropic": Kind(
        "gateway.providers.anthropic:Anthropic",
        "https://api.anthropic.com",
        {"base_url": "ANTHROPIC_BASE_URL", "api_key": "ANTHROPIC_API_KEY"},
    ),
    "azure": Kind(
        "gateway.providers.azure:Azure",
        None,
        {
            "base_url": "AZURE_OPENAI_ENDPOINT",
            "api_key": "AZURE_OPENAI_API_KEY",
            "ad_token": "AZURE_OPENAI_AD_TOKEN",
            "api_version": "AZURE_OPENAI_API_VERSION",
        },
        default_path="/openai/v1",
        own_settings=("ad_token", "api_version", "api"),
        versioned_path="/openai",
    ),
    "mistral": Kind(
        "gateway.providers.mistral:Mistral",
        "https://api.mistral.ai/v1",
        {"base_url": "MISTRAL_BASE_URL", "api_key": "MISTRAL_API_KEY"},
        default_path="/v1",
        quirks=Quirks(
            renamed={**_SHORTER, "seed": "random_seed"},
            dropped=(
                "logit_bias",
                "modalities",
                "moderation",
                "prompt_cache_options",
                "prompt_cache_retention",
                "safety_identifier",
                "service_tier",
                "store",
                "stream_options",
                "user",
                "verbosity",
                "web_search_options",
            ),
            reasoning_field="reasoning_content",
            limits={"requests": "req-60-second", "tokens": "tokens-minute"},
        ),
    ),
    "gemini": Kind(
        "gateway.providers.gemini:Gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        {"base_url": "GEMINI_BASE_URL", "api_key": "GEMINI_API_KEY"},
        default_path="/v1beta",
        own_settings=("allow_client_options",),
    ),
    "vertex": Kind(
        "gateway.providers.gemini:Vertex",
        "https://aiplatform.googleapis.com/v1beta1",
        {
            "base_url": "VERTEX_BASE_URL",
            "api_key": "VERTEX_API_KEY",
            "project": "VERTEX_PROJECT",
            "region": "VERTEX_REGION",
            "credentials_file": "VERTEX_CREDENTIALS_FILE",
        },
        default_path="/v1beta1",
        own_settings=("project", "region", "credentials_file", "allow_client_options"),
        regional_url="https://{region}-aiplatform.googleapis.com/v1beta1",
    ),
    **COMPATIBLE_KINDS,
    "cohere": Kind(
        "gateway.providers.cohere:Cohere",
        "https://api.cohere.com",
        {"base_url": "COHERE_BASE_URL", "api_key": "COHERE_API_KEY"},
    ),
    "bedrock": Kind(
        "gateway.providers.bedrock:Bedrock",
        "https://bedrock-runtime.us-east-1.amazonaws.com",
        {"base_url": "BEDROCK_BASE_URL", "api_key": "AWS_BEARER_TOKEN_BEDROCK"},
        own_settings=("region", "access_key_id", "secret_access_key", "session_token"),
        further_variables={
            "region": "AWS_REGION",
            "access_key_id": "AWS_ACCESS_KEY_ID",
            "secret_access_key": "AWS_SECRET_ACCESS_KEY",
            "session_token": "AWS_SESSION_TOKEN",
        },
        regional_url="https://bedrock-runtime.{region}.amazonaws.com",
    ),
    DEMO_KIND: Kind("gateway.providers.demo:Demo", f"demo://{DEMO_MODEL}"),
}
"""All of them by name. Where several are implied by the environment, the first is the default."""


def kinds_with(setting: str) -> tuple[str, ...]:
    """Return the kinds of provider that take ``setting``; () where every kind does."""
    return tuple(name for name, kind in KINDS.items() if setting in kind.own_settings)
