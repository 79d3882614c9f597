from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import ProviderSettings, Settings, Target
from gateway.errors import NotFoundError
from gateway.routing import resolve_target

OLLAMA = ProviderSettings("ollama", "ollama", "http://localhost:11434")
BACKUP = ProviderSettings("backup", "openai", "https://api.openai.com/v1")
DEMO = ProviderSettings("demo", "demo", "demo://echo")
SETTINGS = Settings(
    providers={"ollama": OLLAMA, "backup": BACKUP, "demo": DEMO},
    default_provider="ollama",
    models={"fast": ("backup", "gpt-4.1-nano"), "ollama/shadow": ("backup", "gpt-4.1")},
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
