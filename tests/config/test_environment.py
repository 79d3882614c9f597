"""Settings from the environment and ``.env``: which wins, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.environment import VARIABLES
from gateway.config.settings import Settings, Timeouts
from gateway.errors import ConfigurationError
from tests.config.loading import Place

ROOT = Path(__file__).parents[2]


def test_without_anything_the_defaults_are_in_force(place: Place) -> None:
    settings = place.load()
    expected = Settings(
        providers=settings.providers,
        default_provider="demo",
        web_concurrency=len(os.sched_getaffinity(0)),
        database_url=f"sqlite:///{place.directory}/data/gateway.db",
    )
    assert settings == expected
    assert settings.data_directory == place.directory / "data"
    assert settings.warnings == ()


def test_every_variable_arrives(place: Place) -> None:
    settings = place.load(
        {
            "HOST": "0.0.0.0",
            "PORT": "9000",
            "TRUSTED_PROXY_HOPS": "2",
            "AUTH": "on",
            "CORS_ORIGINS": "https://a.example",
            "WEB_CONCURRENCY": "3",
            "AI_PROVIDER": "openai",
            "OLLAMA_BASE_URL": "http://gpu:11434/",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": "http://vllm:8000",
            "MAX_RETRIES": "0",
            "FALLBACK_MODEL": "openai/gpt-4.1-nano",
            "GATEWAY_API_KEYS": "u" * 16,
            "ADMIN_API_KEYS": "a" * 16,
            "RATE_LIMIT": "5/second; 100/hour",
            "DATABASE_URL": "sqlite:////var/lib/gateway/g.db",
            "REDIS_URL": "redis://r/1",
            "LIMITS_WHEN_STORE_IS_DOWN": "local",
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "json",
            "LOG_CONTENT": "on",
            "CONNECT_TIMEOUT": "1",
            "FIRST_BYTE_TIMEOUT": "2",
            "IDLE_TIMEOUT": "3",
            "REQUEST_TIMEOUT": "4.5",
            "GRACEFUL_TIMEOUT": "12.5",
            "PING_AFTER": "0.5",
            "MAX_REQUEST_BYTES": "1 MiB",
        }
    )
    timeouts = Timeouts(1, 2, 3, 4.5)
    assert settings == Settings(
        providers=settings.providers,
        default_provider="openai",
        host="0.0.0.0",
        port=9000,
        trusted_proxy_hops=2,
        cors_origins=("https://a.example",),
        web_concurrency=3,
        gateway_api_keys=("u" * 16,),
        admin_api_keys=("a" * 16,),
        rate_limit="5/second; 100/hour",
        database_url="sqlite:////var/lib/gateway/g.db",
        redis_url="redis://r/1",
        limits_when_store_is_down="local",
        log_level="debug",
        log_format="json",
        log_content=True,
        max_retries=0,
        fallback_model="openai/gpt-4.1-nano",
        timeouts=timeouts,
        graceful_timeout=12.5,
        ping_after=0.5,
        max_request_bytes=2**20,
    )
    assert settings.providers["ollama"].base_url == "http://gpu:11434"
    assert settings.providers["openai"].base_url == "http://vllm:8000/v1"
    assert settings.providers["openai"].api_keys == ("sk-test",)
    assert [p.timeouts for p in settings.providers.values()] == [timeouts, timeouts]
    assert [p.max_retries for p in settings.providers.values()] == [0, 0]


def test_environment_wins_over_dotenv_and_empty_means_unset(place: Place) -> None:
    place.write(".env", "PORT=1111\nHOST=::1\nexport RATE_LIMIT='7/hour' # c\nLOG_FORMAT=json\n")
    settings = place.load({"PORT": "2222", "LOG_FORMAT": ""})
    assert (settings.port, settings.host) == (2222, "::1")
    assert (settings.rate_limit, settings.log_format) == ("7/hour", "text")
    assert settings.origins["PORT"] == "environment"
    assert settings.origins["HOST"] == ".env line 2"


def test_dotenv_leaves_the_process_environment_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOG_FORMAT", raising=False)
    place.write(".env", "LOG_FORMAT=json\n")
    place.load()
    assert "LOG_FORMAT" not in os.environ


def test_dotenv_lines_are_counted_past_blanks_and_comments(place: Place) -> None:
    place.write(".env", "\n# comment\n\nPORT=x\n\n\nAUTH\nHOST=::1\nHOST=::2\n")
    assert place.problems() == [
        ".env line 7: is not NAME=value",
        "HOST (from .env line 9): is set twice, first in .env line 8",
        "PORT (from .env line 4): 'x' is not a whole number from 1 to 65535",
    ]


def test_dotenv_that_is_not_text_stops_the_start(place: Place) -> None:
    (place.directory / ".env").write_bytes(b"PORT=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env can't be read"):
        place.load()


def test_every_wrong_variable_is_told_at_once(place: Place) -> None:
    problems = place.problems(
        {
            "PORT": "http",
            "WEB_CONCURRENCY": "0",
            "RATE_LIMIT": "60/minuet",
            "LOG_FORMAT": "xml",
            "CONNECT_TIMEOUT": "-1",
            "GATEWAY_API_KEYS": "short",
            "DATABASE_URL": "mysql://u:p@h/db",
        }
    )
    assert problems == [
        "PORT (from the environment): 'http' is not a whole number from 1 to 65535",
        "WEB_CONCURRENCY (from the environment): '0' is not a whole number from 1 to 1024",
        "GATEWAY_API_KEYS (from the environment): key 1 has 5 characters; a key needs 16 or more, "
        "e.g. from: openssl rand -hex 24",
        "RATE_LIMIT (from the environment): '60/minuet' is not a rate; write e.g. 60/minute",
        "DATABASE_URL (from the environment): is neither SQLite nor PostgreSQL; write e.g. "
        "sqlite:///data/gateway.db or postgresql://user:password@host/name",
        "LOG_FORMAT (from the environment): 'xml' is not one of text, json",
        "CONNECT_TIMEOUT (from the environment): '-1' is not a number of seconds above 0",
    ]


def test_beside_postgresql_files_are_kept_in_data(place: Place) -> None:
    settings = place.load({"DATABASE_URL": "postgres://u:hunter2@db.example/gateway"})
    assert settings.database_url == "postgresql://u:hunter2@db.example/gateway"
    assert settings.data_directory == place.directory / "data"
    assert "hunter2" not in repr(settings)


def test_auth_off_needs_a_loopback_address(place: Place) -> None:
    assert place.load({"AUTH": "off"}).auth is False
    assert place.problems({"AUTH": "off", "HOST": "0.0.0.0"}) == [
        "AUTH (from the environment): off needs HOST to be a loopback address such as 127.0.0.1, "
        "not 0.0.0.0"
    ]


def test_a_key_has_one_role(place: Place) -> None:
    user, both = "u" * 16, "b" * 16
    assert place.problems({"GATEWAY_API_KEYS": f"{user},{both}", "ADMIN_API_KEYS": both}) == [
        "ADMIN_API_KEYS (from the environment): key 1 is also one of GATEWAY_API_KEYS; "
        "a key has one role"
    ]


def test_a_misspelt_name_of_ours_stops_the_start(place: Place) -> None:
    assert place.problems({"GATEWAY_API_KEY": "x"}) == [
        "GATEWAY_API_KEY (from the environment): unknown setting; did you mean GATEWAY_API_KEYS?"
    ]


def test_foreign_names_do_not_stop_the_start(place: Place) -> None:
    settings = place.load({"GATEWAY_SERVICE_HOST": "10.0.0.1", "GATEWAY_BANNER": "x", "X": "y"})
    assert settings.warnings == (
        "GATEWAY_SERVICE_HOST is set but is no setting of the gateway; it has no effect",
    )


def test_secrets_are_not_in_the_repr(place: Place) -> None:
    secret = "hunter2hunter2hunter2"
    settings = place.load(
        {
            "OPENAI_API_KEY": secret,
            "GATEWAY_API_KEYS": secret,
            "ADMIN_API_KEYS": secret + "x",
            "REDIS_URL": f"redis://:{secret}@r",
        }
    )
    assert secret in settings.gateway_api_keys
    assert secret not in repr(settings)


def test_documented_default_texts_are_the_defaults_in_force() -> None:
    settings = Settings(providers={}, default_provider="demo")
    timeouts = {
        "CONNECT_TIMEOUT": settings.timeouts.connect,
        "FIRST_BYTE_TIMEOUT": settings.timeouts.first_byte,
        "IDLE_TIMEOUT": settings.timeouts.idle,
        "REQUEST_TIMEOUT": settings.timeouts.request,
    }
    for variable in VARIABLES:
        if variable.default:
            expected = timeouts.get(variable.name, getattr(settings, variable.name.lower(), None))
            assert variable.parse(variable.default) == expected, variable.name


def test_loading_imports_nothing_that_gevent_patches_late(place: Place) -> None:
    place.write("gateway.yaml", "models: {fast: demo/echo}\n")
    program = (
        "import sys; from gateway.config.load import load_settings; load_settings(); "
        "print(sorted({'ssl', 'requests', 'gevent', 'flask', 'asyncio'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=place.directory,
        env={"PYTHONPATH": str(ROOT), "AI_PROVIDER": "demo", "RATE_LIMIT": "5/minute"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"
