from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.description import describe_settings, iter_lines, mask_secret, mask_url
from gateway.config.environment import VARIABLES
from gateway.kinds import KINDS
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
            "DATABASE_URL": f"postgresql://u:{SECRET}@h/db",
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
        {"OLLAMA_BASE_URL": "http://h:1", "CONNECT_TIMEOUT": "2", "MAX_RETRIES": "1"},
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
        "load_timeout": {"value": 300.0, "origin": "default"},
        "overflow_while_loading": {"value": False, "origin": "default"},
        "max_retries": {"value": 1, "origin": "environment"},
        "max_concurrency": {"value": None, "origin": "default"},
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
    of_providers = {
        name
        for kind in KINDS.values()
        for name in (*kind.variables.values(), *kind.further_variables.values())
    }
    assert set(described["settings"]) | of_providers == {v.name for v in VARIABLES}
    assert described["providers"]["openai"]["api_key"] == {"value": "…", "origin": "environment"}
    assert "base_url" in described["providers"]["ollama"]


def test_a_public_model_is_told_with_all_that_is_said_of_its_targets(place: Place) -> None:
    settings = place.load(
        {"TAG": "hunter2hunter2"},
        """
providers: {lab: {kind: openai, base_url: "http://lab"}, demo: {}}
models:
  chat:
    targets:
      - lab/a
      - target: demo/echo
        set: {temperature: 0, metadata: {tag: "${TAG}"}}
        drop: [seed]
        capabilities: [tools, completion]
        price: {input: 0.5, output: 1}
    strategy: weighted
    weights: [3, 1]
    cache: {ttl: 60}
  plain: lab/b
cache: {when: always, max_bytes: 1 MiB}
""",
    )
    described = describe_settings(settings)
    assert described["models"]["plain"] == {"value": "lab/b", "origin": "gateway.yaml:15"}
    targets = "gateway.yaml:5"
    assert described["models"]["chat"] == {
        "strategy": {"value": "weighted", "origin": "gateway.yaml:12"},
        "targets": {"value": ["lab/a", "demo/echo"], "origin": targets},
        "target_settings": {
            "lab/a": {"weight": {"value": 3.0, "origin": "gateway.yaml:13"}},
            "demo/echo": {
                "set": {
                    "value": {"temperature": 0, "metadata": {"tag": "…"}},
                    "origin": "gateway.yaml:8",
                },
                "drop": {"value": ["seed"], "origin": "gateway.yaml:9"},
                "capabilities": {"value": ["completion", "tools"], "origin": "gateway.yaml:10"},
                "price": {"value": {"input": 0.5, "output": 1.0}, "origin": "gateway.yaml:11"},
            },
        },
        "cache": {
            "when": {"value": "always", "origin": "gateway.yaml:14"},
            "ttl": {"value": 60.0, "origin": "gateway.yaml:14"},
        },
    }
    assert described["cache"] == {
        "when": {"value": "always", "origin": "gateway.yaml:16"},
        "ttl": {"value": 300.0, "origin": "default"},
        "max_bytes": {"value": 2**20, "origin": "gateway.yaml:16"},
    }
    json.dumps(described)
    lines = [line.split("  #")[0].strip() for line in iter_lines(described)]
    assert 'price: {"input": 0.5, "output": 1.0}' in lines
    assert "targets: lab/a, demo/echo" in lines


def test_without_a_cache_only_the_client_can_ask_for_one(place: Place) -> None:
    described = describe_settings(place.load())
    assert described["cache"]["when"] == {"value": "asked", "origin": "default"}


def test_limits_given_elsewhere_are_told_for_every_model_with_the_target(place: Place) -> None:
    described = describe_settings(
        place.load(
            yaml="""
models:
  plain: demo/echo
  busy: {targets: [{target: demo/echo, max_concurrency: 2}]}
providers: {demo: {}}
"""
        )
    )
    for name, line in (("plain", 3), ("busy", 4)):
        assert described["models"][name]["target_settings"] == {
            "demo/echo": {"max_concurrency": {"value": 2, "origin": f"gateway.yaml:{line}"}}
        }


def test_what_requests_are_signed_with_is_masked(place: Place) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
    settings = place.load(environ, "providers: {bedrock: {region: eu-west-1}}\n")
    described = describe_settings(settings)["providers"]["bedrock"]
    assert described["region"]["value"] == "eu-west-1"
    assert described["secret_access_key"] == {"value": "sk-…abcd", "origin": "environment"}
    assert SECRET not in str(described)
