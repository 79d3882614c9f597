"""Which models a key may use."""

from __future__ import annotations

import pytest

from gateway.config.settings import ProviderSettings, RouteSettings, RouteTarget, Settings
from gateway.errors import PermissionDeniedError
from gateway.routing import may_use, require_model, resolve_route

SETTINGS = Settings(
    providers={
        "ollama": ProviderSettings("ollama", "ollama", "http://ollama"),
        "openai": ProviderSettings("openai", "openai", "http://openai"),
    },
    default_provider="ollama",
    models={"fast": RouteSettings((RouteTarget("ollama", "tiny"), RouteTarget("openai", "big")))},
    fallback_model="openai/big",
)


@pytest.mark.parametrize(
    ("patterns", "name", "is_allowed"),
    [
        ((), "anything", True),
        (("*",), "openai/big", True),
        (("fast",), "fast", True),
        (("fast",), "ollama/tiny", False),
        (("fast",), "faster", False),
        (("ollama/*",), "ollama/tiny", True),
        (("ollama/*",), "tiny", True),
        (("ollama/*",), "hf.co/a/b:Q4", True),
        (("ollama/*",), "openai/big", False),
        (("ollama/*", "openai/*"), "fast", False),
        (("tiny",), "tiny", True),
        (("tiny",), "ollama/tiny", False),
        (("*/big",), "openai/big", True),
        (("gpt-[4]",), "gpt-4", False),
        (("gpt-[4]",), "gpt-[4]", True),
        (("gpt?",), "gpt4", False),
        (("OPENAI/*",), "openai/big", False),
    ],
)
def test_patterns_allow_what_they_say(
    patterns: tuple[str, ...], name: str, is_allowed: bool
) -> None:
    assert may_use(SETTINGS, patterns, name) == is_allowed


def test_another_model_is_refused_by_its_name() -> None:
    with pytest.raises(PermissionDeniedError, match="'openai/big'") as caught:
        require_model(SETTINGS, ("fast",), "openai/big")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_allowed")


def test_a_fallback_that_a_key_may_not_use_is_left_out() -> None:
    assert resolve_route(SETTINGS, "tiny", ("ollama/*",)).fallback is None
    assert resolve_route(SETTINGS, "tiny", ("ollama/*", "openai/big")).fallback is not None
    assert resolve_route(SETTINGS, "tiny").fallback is not None
