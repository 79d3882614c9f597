"""The command line: what it prints, and when it doesn't start."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.accounts.keys.key_format import is_key
from gateway.cli import WarmModel, build_banner, build_command, build_url
from gateway.config.load import load_settings
from gateway.config.settings import RouteSettings, RouteTarget, Settings
from gateway.errors import InvalidRequestError

ROOT = Path(__file__).parents[1]


def _run(directory: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **environ},
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )


def _settings(tmp_path: Path, **environ: str) -> Settings:
    return load_settings({"AI_PROVIDER": "demo", **environ}, tmp_path)


def _lists(*models: str) -> Callable[[Settings], list[str]]:
    return lambda settings: list(models)


def _loads(settings: Settings, model: str) -> Iterator[float]:
    yield 1.0
    yield 2.0


def _curl(banner: str) -> list[str]:
    (line,) = [line for line in banner.splitlines() if line.startswith("  curl ")]
    return shlex.split(line)


def test_config_prints_what_is_in_force_with_secrets_masked(tmp_path: Path) -> None:
    secret = "sk-abcdefghijklmnopqrstuvwxyz"
    result = _run(tmp_path, "config", OPENAI_API_KEY=secret, PORT="9000")
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["PORT:", "9000", "#", "environment"] in lines
    assert ["api_key:", "sk-…wxyz", "#", "environment"] in lines
    assert secret not in result.stdout


def test_config_as_json(tmp_path: Path) -> None:
    result = _run(tmp_path, "config", "--json", AI_PROVIDER="demo", GATEWAY_SERVICE_HOST="h")
    described = json.loads(result.stdout)
    assert described["settings"]["PORT"] == {"value": 8080, "origin": "default"}
    assert described["providers"]["demo"]["kind"]["value"] == "demo"
    assert len(described["warnings"]) == 1


@pytest.mark.parametrize("command", ["config", "serve"])
def test_a_wrong_configuration_is_told_without_a_traceback(tmp_path: Path, command: str) -> None:
    result = _run(tmp_path, command, PORT="http", AI_PROVIDER="demo")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "PORT (from the environment): 'http' is not a whole number from 1 to 65535\n"
    )


def test_serve_with_a_broken_admin_key_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "admin.key").write_text("garbage")
    result = _run(tmp_path, "serve", AI_PROVIDER="demo")
    assert result.returncode == 2
    assert "data/admin.key does not hold an admin key" in result.stderr
    assert "Traceback" not in result.stderr


def test_serve_becomes_gunicorn_with_the_banner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AI_PROVIDER", "demo")
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    (tmp_path / ".env").write_text("PORT=9000\nWEB_CONCURRENCY=3\n")
    result = CliRunner().invoke(build_command(_lists(), _loads), ["serve"])
    assert (result.exit_code, result.output) == (0, "")
    ((program, arguments, environment),) = calls
    assert (program, arguments) == (
        sys.executable,
        [sys.executable, "-m", "gunicorn", "wsgi:app"],
    )
    assert (environment["PORT"], environment["WEB_CONCURRENCY"]) == ("9000", "3")
    assert environment["AI_PROVIDER"] == "demo"
    assert environment["GATEWAY_BANNER"].startswith("The gateway is at http://127.0.0.1:9000\n")


def test_the_banner_has_a_line_to_paste_with_the_new_admin_key(tmp_path: Path) -> None:
    banner = build_banner(_settings(tmp_path), _lists(), show_keys=False)
    key = (tmp_path / "data" / "admin.key").read_text().strip()
    assert is_key(key)
    assert f"Its admin key is in {tmp_path}/data/admin.key" in banner.splitlines()
    assert _curl(banner) == [
        "curl",
        "http://127.0.0.1:8080/v1/chat/completions",
        "-H",
        f"Authorization: Bearer {key}",
        "-H",
        "Content-Type: application/json",
        "-d",
        '{"model": "demo/echo", "messages": [{"role": "user", "content": "Hello!"}]}',
    ]


def test_a_configured_key_is_shown_only_to_people(tmp_path: Path) -> None:
    key = "it's a key; rm -rf $HOME"
    settings = _settings(tmp_path, GATEWAY_API_KEYS=key, ADMIN_API_KEYS="a" * 16)
    hidden = build_banner(settings, _lists(), show_keys=False)
    assert key not in hidden
    assert _curl(hidden)[3] == "Authorization: Bearer YOUR_KEY"
    assert _curl(build_banner(settings, _lists(), show_keys=True))[3] == (
        f"Authorization: Bearer {key}"
    )
    assert not (tmp_path / "data").exists()


def test_without_auth_no_key_is_made_or_shown(tmp_path: Path) -> None:
    banner = build_banner(_settings(tmp_path, AUTH="off"), _lists(), show_keys=True)
    assert "AUTH is off" in banner
    assert "Bearer" not in banner
    assert not (tmp_path / "data").exists()


def _model(banner: str) -> str:
    return str(json.loads(_curl(banner)[-1])["model"])


def test_the_model_to_try_is_one_that_works(tmp_path: Path) -> None:
    ollama = _settings(tmp_path, AI_PROVIDER="ollama", OPENAI_API_KEY="k")
    listed = _lists("openai/gpt", "ollama/qwen3", "ollama/llama3.2")
    assert _model(build_banner(ollama, listed, show_keys=False)) == "ollama/qwen3"
    only_other = build_banner(ollama, _lists("openai/gpt"), show_keys=False)
    assert _model(only_other) == "openai/gpt"
    public = replace(ollama, models={"fast": RouteSettings((RouteTarget("ollama", "x"),))})
    assert _model(build_banner(public, listed, show_keys=False)) == "fast"


def test_ollama_without_models_says_how_to_get_one(tmp_path: Path) -> None:
    settings = _settings(tmp_path, AI_PROVIDER="ollama")
    banner = build_banner(settings, _lists(), show_keys=False)
    assert (
        "Ollama at http://localhost:11434 lists no model yet; "
        "get one with: ollama pull llama3.2" in banner.splitlines()
    )
    assert _model(banner) == "ollama/llama3.2"


def test_a_provider_that_lists_nothing_leaves_the_list_to_try(tmp_path: Path) -> None:
    settings = _settings(tmp_path, AI_PROVIDER="openai", OPENAI_API_KEY="k")
    command = _curl(build_banner(settings, _lists(), show_keys=False))
    assert command[:2] == ["curl", "http://127.0.0.1:8080/v1/models"]
    assert "-d" not in command


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("gateway.lan", "http://gateway.lan:8080"),
    ],
)
def test_the_url_is_one_that_this_machine_reaches(tmp_path: Path, host: str, url: str) -> None:
    assert build_url(_settings(tmp_path, HOST=host)) == url


def _run_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: WarmModel) -> Result:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AI_PROVIDER", "demo")
    return CliRunner().invoke(build_command(_lists(), warm), ["warm", "tiny"])


def test_warm_shows_how_long_it_has_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run_warm(tmp_path, monkeypatch, _loads)
    assert (result.exit_code, result.stdout) == (0, "tiny is loaded.\n")
    assert result.stderr == "Loading tiny: 1 s\nLoading tiny: 2 s\n"


def test_warm_says_why_a_model_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(settings: Settings, model: str) -> Iterator[float]:
        raise InvalidRequestError("Not this one.")

    result = _run_warm(tmp_path, monkeypatch, refuse)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "tiny was not loaded: Not this one.\n"
