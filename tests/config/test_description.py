from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.description import describe_settings, iter_lines, mask_secret, mask_url
from gateway.config.environment import VARIABLES
from tests.config.loading import Place

SECRET = "sk-hunter2hunter2hunter2abcd"


@given(st.text(alphabet=string.ascii_letters + string.digits + "-_", max_size=80))
def test_a_mask_shows_four_characters_of_a_long_secret_and_none_of_a_short_one(secret: str) -> None:
    masked = mask_secret(secret)
    if len(secret) < 24:
        assert masked == "…"
    else:
        before, after = masked.split("…")
        assert before in ("", "sk-", "sk_", "gw-", "gw_")
        assert after == secret[-4:]


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://:hunter2@r:6379/1", "redis://…@r:6379/1"),
        ("http://u:p@proxy:3128", "http://…@proxy:3128"),
        ("redis://r/1", "redis://r/1"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_a_url_is_shown_without_its_credentials(url: str, masked: str) -> None:
    assert mask_url(url) == masked


def test_no_secret_is_in_a_description(place: Place) -> None:
    settings = place.load(
        {
            "OPENAI_API_KEY": SECRET,
            "GATEWAY_API_KEYS": SECRET,
            "ADMIN_API_KEYS": SECRET + "x",
            "REDIS_URL": f"redis://:{SECRET}@r",
        },
        f"""
providers:
  lab:
    kind: openai
    api_keys: [{SECRET}, {SECRET}2]
    headers: {{x-secret: {SECRET}}}
    proxy: http://u:{SECRET}@proxy
""",
    )
    shown = json.dumps(describe_settings(settings)) + "".join(
        iter_lines(describe_settings(settings))
    )
    assert "hunter2" not in shown


def test_every_value_is_told_with_where_it_came_from(place: Place) -> None:
    place.write(".env", "PORT=9000\n")
    settings = place.load(
        {"OLLAMA_BASE_URL": "http://h:1", "CONNECT_TIMEOUT": "2"},
        "providers:\n  ollama: {num_ctx: 4096}\nmodels:\n  fast: ollama/llama3.2\n",
    )
    described = describe_settings(settings)
    assert described["settings"]["PORT"] == {"value": 9000, "origin": ".env line 1"}
    assert described["settings"]["HOST"] == {"value": "127.0.0.1", "origin": "default"}
    assert described["settings"]["CONNECT_TIMEOUT"] == {"value": 2.0, "origin": "environment"}
    assert described["settings"]["AI_PROVIDER"] == {"value": "ollama", "origin": "default"}
    assert described["providers"]["ollama"] == {
        "kind": {"value": "ollama", "origin": "default"},
        "base_url": {"value": "http://h:1", "origin": "environment"},
        "num_ctx": {"value": 4096, "origin": "gateway.yaml:2"},
        "allow_client_options": {"value": False, "origin": "default"},
        "timeouts": {
            "connect": {"value": 2.0, "origin": "environment"},
            "first_byte": {"value": 300.0, "origin": "default"},
            "idle": {"value": 300.0, "origin": "default"},
            "request": {"value": 900.0, "origin": "default"},
        },
        "headers": {},
        "models": {},
    }
    assert described["models"] == {"fast": {"value": "ollama/llama3.2", "origin": "gateway.yaml:4"}}
    lines = list(iter_lines(described))
    assert [line.split() for line in lines if "PORT:" in line] == [
        ["PORT:", "9000", "#", ".env", "line", "1"]
    ]


def test_every_variable_is_described_somewhere(place: Place) -> None:
    described = describe_settings(place.load({"OPENAI_API_KEY": "k", "AI_PROVIDER": "ollama"}))
    of_providers = {"OLLAMA_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"}
    assert set(described["settings"]) | of_providers == {v.name for v in VARIABLES}
    assert described["providers"]["openai"]["api_key"] == {"value": "…", "origin": "environment"}
    assert "base_url" in described["providers"]["ollama"]
