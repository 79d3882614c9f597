"""What tokens cost: configured, free, of the table, or unknown; exact to a nano-dollar."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.prices import prices
from gateway.accounts.prices.prices import FREE, Prices, TokenPrice, find_price
from gateway.config.settings import ModelSettings, Price, ProviderSettings, Target, TargetSettings

OPENAI = ProviderSettings("cloud", "openai", "https://api.openai.com/v1")
OLLAMA = ProviderSettings("ollama", "ollama", "http://127.0.0.1:11434")
TOKENS = st.integers(0, 10_000_000)


def test_the_table_is_dated_and_says_where_it_is_from() -> None:
    table = json.loads(Path(prices.__file__).with_name("prices.json").read_text("utf-8"))
    assert table["source"].startswith("genai-prices ")
    assert len(table["date"]) == 10


def test_a_known_model_costs_what_its_provider_takes() -> None:
    price = find_price(OPENAI, "gpt-4o-mini")
    assert price is not None
    assert price.cost(1_000_000, 0) == 150_000_000
    assert price.cost(0, 1_000_000) == 600_000_000
    assert price.cost(1_000_000, 0, cached=1_000_000) == 75_000_000


@pytest.mark.parametrize("name", ["gpt-4o-mini-2024-07-18", "GPT-4o-mini", "gpt-4o-mini-20240718"])
def test_names_are_known_in_any_case_and_by_date(name: str) -> None:
    assert find_price(OPENAI, name) == find_price(OPENAI, "gpt-4o-mini")


def test_a_provider_is_known_by_its_address_before_its_kind() -> None:
    groq = ProviderSettings("fast", "openai", "https://api.groq.com/openai/v1")
    assert find_price(groq, "llama-3.3-70b-versatile") is not None
    assert find_price(groq, "gpt-4o-mini") is None
    gemini = ProviderSettings("gemini", "gemini", "http://127.0.0.1:1")
    assert find_price(gemini, "gemini-2.5-flash") is not None


def test_an_unknown_model_has_no_price_rather_than_none_to_pay() -> None:
    assert find_price(OPENAI, "nobody-knows") is None


def test_what_is_configured_goes_before_all_else() -> None:
    known = Prices()
    provider = ProviderSettings(
        "cloud", "openai", OPENAI.base_url, models={"gpt-4o": ModelSettings(price=Price(1, 2))}
    )
    of_provider = known.price_of(Target(provider, "gpt-4o", "x"))
    assert of_provider == TokenPrice(1_000_000, 2_000_000, 1_000_000, 1_000_000)
    settings = TargetSettings(price=Price(3, 4, 0.5))
    of_target = known.price_of(Target(provider, "gpt-4o", "x", settings))
    assert of_target == TokenPrice(3_000_000, 4_000_000, 500_000, 3_000_000)
    assert known.price_of(Target(OLLAMA, "qwen3", "x")) == FREE
    configured = TargetSettings(price=Price(1, 1))
    assert known.price_of(Target(OLLAMA, "qwen3", "x", configured)) != FREE


@given(TOKENS, TOKENS, TOKENS)
def test_no_request_costs_more_than_its_bound(prompt: int, completion: int, cached: int) -> None:
    above = TokenPrice(5_000_000, 22_500_000, 500_000, 6_250_000)
    price = TokenPrice(2_500_000, 15_000_001, 250_000, 3_125_000, 200_000, above)
    assert 0 <= price.cost(prompt, completion, cached) <= price.bound(prompt, completion)


def test_a_long_prompt_is_dearer_as_a_whole() -> None:
    price = TokenPrice(1_000, 0, 1_000, 1_000, 100, TokenPrice(2_000, 0, 2_000, 2_000))
    assert (price.cost(100, 0), price.cost(101, 0)) == (100, 202)
