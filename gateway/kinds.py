"""The kinds of provider there are: one row each.

Knows names: where a kind's code is, its usual address, and which variables of the
environment configure it. Must not import that code, which is loaded when a provider
of its kind is first used, nor know anything of the formats spoken there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

DEMO_KIND = "demo"
DEMO_MODEL = "echo"
"""The only model that a provider of kind demo has."""


class Kind(NamedTuple):
    """One kind of provider.

    ``implementation`` is ``module:class`` of a ``gateway.providers.base.Provider``.
    ``base_url`` is used where none is configured; None: one has to be. A configured one
    without a path gets ``default_path``. ``variables`` are the variables of the
    environment by the setting they stand for: one of them implies a provider of the kind's own
    name. ``further_variables`` fill in settings of a provider that there is for another reason.
    ``own_settings`` are settings that only some kinds of provider take.
    ``regional_url`` is used instead of ``base_url`` where a ``region`` is set.
    """

    implementation: str
    base_url: str | None
    variables: Mapping[str, str] = {}
    default_path: str = ""
    own_settings: tuple[str, ...] = ()
    regional_url: str = ""
    further_variables: Mapping[str, str] = {}


KINDS: dict[str, Kind] = {
    "ollama": Kind(
        "gateway.providers.ollama:Ollama",
        "http://localhost:11434",
        {"base_url": "OLLAMA_BASE_URL"},
        own_settings=("num_ctx", "allow_client_options", "load_timeout", "overflow_while_loading"),
    ),
    "openai": Kind(
        "gateway.providers.openai:OpenAI",
        "https://api.openai.com/v1",
        {"base_url": "OPENAI_BASE_URL", "api_key": "OPENAI_API_KEY"},
        default_path="/v1",
    ),
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
