"""Which targets a model's name stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import (
    CacheSettings,
    ProviderSettings,
    RouteSettings,
    RouteTarget,
    Settings,
    Target,
    TargetSettings,
)
from gateway.errors import NotFoundError
from gateway.routing import resolve_route, resolve_target

OLLAMA = ProviderSettings("ollama", "ollama", "http://localhost:11434")
BACKUP = ProviderSettings("backup", "openai", "https://api.openai.com/v1")
DEMO = ProviderSettings("demo", "demo", "demo://echo")
SETTINGS = Settings(
    providers={"ollama": OLLAMA, "backup": BACKUP, "demo": DEMO},
    default_provider="ollama",
    models={
        "fast": RouteSettings((RouteTarget("backup", "gpt-4.1-nano"),)),
        "ollama/shadow": RouteSettings((RouteTarget("backup", "gpt-4.1"),)),
        "chat": RouteSettings(
            (
                RouteTarget("ollama", "qwen3", TargetSettings(weight=3.0)),
                RouteTarget("backup", "gpt-4.1"),
            ),
            strategy="weighted",
            cache=CacheSettings(60.0),
        ),
    },
)
ONLY_DEMO = Settings(providers={"demo": DEMO}, default_provider="demo")


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("fast", BACKUP, "gpt-4.1-nano"),
        ("ollama/shadow", BACKUP, "gpt-4.1"),
        ("ollama/fast", OLLAMA, "fast"),
        ("ollama/llama3.2:3b", OLLAMA, "llama3.2:3b"),
        ("ollama/hf.co/a/b:Q4", OLLAMA, "hf.co/a/b:Q4"),
        ("backup/ollama/x", BACKUP, "ollama/x"),
        ("demo/echo", DEMO, "echo"),
        ("llama3.2", OLLAMA, "llama3.2"),
        ("hf.co/a/b:Q4", OLLAMA, "hf.co/a/b:Q4"),
        ("Backup/gpt", OLLAMA, "Backup/gpt"),
        ("/x", OLLAMA, "/x"),
        ("ollama", OLLAMA, "ollama"),
    ],
)
def test_a_name_is_resolved_in_the_documented_order(
    name: str, provider: ProviderSettings, model: str
) -> None:
    assert resolve_target(SETTINGS, name) == Target(provider, model, name)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (SETTINGS, "ollama/"),
        (SETTINGS, ""),
        (SETTINGS, "demo/gpt-4.1"),
        (ONLY_DEMO, "gpt-4.1"),
        (ONLY_DEMO, "demo/"),
        (ONLY_DEMO, "ollama/llama3.2"),
    ],
)
def test_a_name_without_a_model_is_not_found(settings: Settings, name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve_target(settings, name)
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")
    assert repr(name) in caught.value.message


def test_the_demo_answers_to_its_own_name_alone() -> None:
    assert resolve_target(ONLY_DEMO, "echo") == Target(DEMO, "echo", "echo")
    assert resolve_target(ONLY_DEMO, "demo/echo") == Target(DEMO, "echo", "demo/echo")


@given(st.text(min_size=1))
def test_a_prefix_of_a_configured_provider_always_reaches_it(model: str) -> None:
    name = f"backup/{model}"
    assert resolve_target(SETTINGS, name) == Target(BACKUP, model, name)


@given(st.text(alphabet="ab/:.é ", min_size=1).filter(lambda name: name not in SETTINGS.models))
def test_any_other_name_goes_whole_to_the_default_provider(name: str) -> None:
    assert resolve_target(SETTINGS, name) == Target(OLLAMA, name, name)


def _names(settings: Settings, name: str) -> list[str]:
    return [target.name for target in resolve_route(settings, name).candidates]


def test_a_public_model_is_all_its_targets() -> None:
    route = resolve_route(SETTINGS, "chat")
    assert route.targets == (
        Target(OLLAMA, "qwen3", "chat", TargetSettings(weight=3.0)),
        Target(BACKUP, "gpt-4.1", "chat"),
    )
    assert (route.strategy, route.cache, route.fallback) == ("weighted", CacheSettings(60.0), None)
    assert resolve_target(SETTINGS, "chat") == route.targets[0]


def test_any_other_name_is_one_target_and_has_the_cache_of_all() -> None:
    settings = replace(SETTINGS, cache=CacheSettings(5.0))
    route = resolve_route(settings, "llama3.2")
    assert (route.candidates, route.strategy) == (
        (Target(OLLAMA, "llama3.2", "llama3.2"),),
        "fallback",
    )
    assert route.cache == CacheSettings(5.0)
    assert resolve_route(settings, "fast").cache is None


@pytest.mark.parametrize(
    ("fallback", "name", "expected"),
    [
        ("backup/gpt-4.1-nano", "llama3.2", ["ollama/llama3.2", "backup/gpt-4.1-nano"]),
        ("backup/gpt-4.1-nano", "ollama/x", ["ollama/x", "backup/gpt-4.1-nano"]),
        ("backup/gpt-4.1", "fast", ["backup/gpt-4.1-nano", "backup/gpt-4.1"]),
        ("fast", "llama3.2", ["ollama/llama3.2", "backup/gpt-4.1-nano"]),
        ("chat", "llama3.2", ["ollama/llama3.2", "ollama/qwen3", "backup/gpt-4.1"]),
        ("llama3.2", "fast", ["backup/gpt-4.1-nano", "ollama/llama3.2"]),
        # Never for itself, by whatever name, nor for a model with targets of its own.
        ("fast", "fast", ["backup/gpt-4.1-nano"]),
        ("fast", "backup/gpt-4.1-nano", ["backup/gpt-4.1-nano"]),
        ("llama3.2", "ollama/llama3.2", ["ollama/llama3.2"]),
        ("chat", "backup/gpt-4.1", ["backup/gpt-4.1", "ollama/qwen3"]),
        ("backup/gpt-4o", "chat", ["ollama/qwen3", "backup/gpt-4.1"]),
    ],
)
def test_the_fallback_model_comes_after_a_single_target(
    fallback: str, name: str, expected: list[str]
) -> None:
    settings = replace(SETTINGS, fallback_model=fallback)
    assert _names(settings, name) == expected
    requested = {target.requested_model for target in resolve_route(settings, name).candidates}
    assert requested == {name}


def test_a_fallback_model_keeps_its_strategy() -> None:
    route = resolve_route(replace(SETTINGS, fallback_model="chat"), "llama3.2")
    assert route.strategy == "fallback"
    assert route.fallback is not None
    assert route.fallback.strategy == "weighted"


def test_an_unknown_name_of_the_demo_does_not_fall_back() -> None:
    with pytest.raises(NotFoundError):
        resolve_route(replace(SETTINGS, fallback_model="fast"), "demo/gpt-4.1")


def test_limits_of_a_target_hold_for_its_own_name_too() -> None:
    limits = TargetSettings(max_concurrency=2, max_queue=5)
    settings = replace(SETTINGS, limited_targets={"ollama/qwen3": limits})
    assert resolve_target(settings, "qwen3").settings == limits
    assert resolve_target(settings, "ollama/qwen3").settings == limits
    assert resolve_target(settings, "backup/qwen3").settings == TargetSettings()
