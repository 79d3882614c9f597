"""The command line: ``python -m gateway config``, ``serve``, ``reload``, ``warm`` and more.

Knows how to tell people what is in force and how gunicorn is started. Must not
know how models are listed or loaded (that is handed in), nor import Flask, gevent or
ssl: ``serve`` becomes gunicorn, and ``config`` should be there at once.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

import click

from gateway.accounts.keys.admin_key import ADMIN_KEY_NAME, ensure_admin_key
from gateway.admin_client import GatewayUnreachableError, find_admin_key, post_reload
from gateway.commands.completion import completion_command
from gateway.commands.database import database_command
from gateway.commands.keys import keys_command
from gateway.commands.tenants import tenants_command
from gateway.commands.usage import usage_command
from gateway.config.description import describe_settings, iter_lines
from gateway.config.environment import BANNER_VARIABLE, current_environment
from gateway.config.load import load_environment, load_settings
from gateway.config.settings import Settings
from gateway.config.sources import read_sources
from gateway.errors import ConfigurationError, GatewayError
from gateway.kinds import DEMO_KIND, DEMO_MODEL

ListModels = Callable[[Settings], list[str]]
"""Returns the ids of ``GET /v1/models`` that can chat; ``[]`` for none, or no answer."""

WarmModel = Callable[[Settings, str], Iterator[float]]
"""Loads a model, yields the seconds it has taken until now, and raises ``GatewayError``."""

SUGGESTED_OLLAMA_MODEL = "llama3.2"

_EXIT_REFUSED = 1
_EXIT_WRONG_CONFIGURATION = 2
_EXIT_UNREACHABLE = 2
_KEY_PLACEHOLDER = "YOUR_KEY"


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def config_command(as_json: bool) -> None:
    """Print the configuration in force and where each value came from, secrets masked."""
    description = describe_settings(_load_or_exit())
    if as_json:
        click.echo(json.dumps(description, indent=2))
        return
    flat = {**description.pop("settings"), **description}
    for line in iter_lines(flat):
        click.echo(line)


@click.command("reload")
def reload_command() -> None:
    """Have the running gateway read and check gateway.yaml again, and put it in force.

    It is found by HOST and PORT, and asked with the admin key. Exits with 0 when the file
    is in force, 1 when it is wrong and the old one stays, 2 when the gateway can't be asked.
    """
    try:
        settings = load_environment(read_sources())
        answer = post_reload(build_url(settings), find_admin_key(settings))
    except (ConfigurationError, GatewayUnreachableError) as error:
        click.echo(str(error), err=True)
        sys.exit(_EXIT_UNREACHABLE)
    if answer.version is None:
        click.echo(
            f"Not reloaded, the old configuration stays in force:\n{answer.problems}", err=True
        )
        sys.exit(_EXIT_REFUSED)
    click.echo(f"Version {answer.version} of the configuration is in force.")


def build_command(list_models: ListModels, warm_model: WarmModel) -> click.Group:
    """Return the command of ``python -m gateway``, with all that can be done."""

    @click.group(help="An OpenAI-compatible gateway to local and hosted language models.")
    def command() -> None:
        pass

    @command.command("serve", help="Check the configuration, say how to ask, and run gunicorn.")
    def serve_command() -> None:
        settings = _load_or_exit()
        try:
            banner = build_banner(settings, list_models, show_keys=sys.stdout.isatty())
        except ConfigurationError as error:
            _exit(error)
        sys.stdout.flush()
        os.execve(sys.executable, GUNICORN, build_server_environment(settings, banner))

    @command.command("warm", help="Have Ollama load a model, so that nobody waits for it later.")
    @click.argument("model")
    def warm_command(model: str) -> None:
        settings = _load_or_exit()
        try:
            for seconds in warm_model(settings, model):
                click.echo(f"Loading {model}: {seconds:.0f} s", err=True)
        except GatewayError as error:
            click.echo(f"{model} was not loaded: {error.message}", err=True)
            sys.exit(_EXIT_REFUSED)
        click.echo(f"{model} is loaded.")

    for each in (
        config_command,
        reload_command,
        keys_command,
        tenants_command,
        database_command,
        usage_command,
        completion_command,
    ):
        command.add_command(each)
    return command


GUNICORN = [sys.executable, "-m", "gunicorn", "wsgi:app"]
"""What ``serve`` becomes; gunicorn reads ``gunicorn.conf.py`` by itself."""


def build_server_environment(settings: Settings, banner: str) -> dict[str, str]:
    """Return gunicorn's environment: ours, the banner, and what was decided here.

    The provider is fixed because each worker would look for Ollama by itself, and
    those that start later could find otherwise.
    """
    return {
        **current_environment(),
        BANNER_VARIABLE: banner,
        "AI_PROVIDER": settings.default_provider,
        "HOST": settings.host,
        "PORT": str(settings.port),
        "WEB_CONCURRENCY": str(settings.web_concurrency),
    }


def build_banner(settings: Settings, list_models: ListModels, *, show_keys: bool) -> str:
    """Return the lines that tell where the gateway is and how to ask it.

    The admin key is made if no key is configured, and is shown; a configured one
    only with ``show_keys``, for where the banner goes may be kept as a log.
    Raises ``ConfigurationError`` where the admin key can't be made or read.
    """
    url = build_url(settings)
    lines = [f"The gateway is at {url}"]
    key: str | None = None
    if not settings.auth:
        lines.append("AUTH is off: everyone on this machine may use it, without a key.")
    elif settings.gateway_api_keys or settings.admin_api_keys:
        configured = (*settings.gateway_api_keys, *settings.admin_api_keys)[0]
        key = configured if show_keys else _KEY_PLACEHOLDER
    else:
        key_path = settings.data_directory / ADMIN_KEY_NAME
        key = ensure_admin_key(key_path)
        lines.append(f"Its admin key is in {key_path}")
    model = choose_model(settings, list_models)
    if model is None and settings.providers[settings.default_provider].kind == "ollama":
        base_url = settings.providers[settings.default_provider].base_url
        lines.append(
            f"Ollama at {base_url} lists no model yet; "
            f"get one with: ollama pull {SUGGESTED_OLLAMA_MODEL}"
        )
        model = f"{settings.default_provider}/{SUGGESTED_OLLAMA_MODEL}"
    lines += ["Try it:", "", f"  {build_curl(url, key, model)}", ""]
    return "\n".join(lines)


def choose_model(settings: Settings, list_models: ListModels) -> str | None:
    """Return a name that works: a public one, else one of the default provider, else any listed."""
    if settings.models:
        return next(iter(settings.models))
    name = settings.default_provider
    if settings.providers[name].kind == DEMO_KIND:
        return f"{name}/{DEMO_MODEL}"
    listed = list_models(settings)
    of_default = (model for model in listed if model.startswith(f"{name}/"))
    return next(of_default, listed[0] if listed else None)


def build_url(settings: Settings) -> str:
    """Return where this machine reaches the gateway; one bound to every address is on loopback."""
    try:
        address = ipaddress.ip_address(settings.host)
    except ValueError:
        return f"http://{settings.host}:{settings.port}"
    if address.is_unspecified:
        return f"http://{'127.0.0.1' if address.version == 4 else '[::1]'}:{settings.port}"
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"http://{host}:{settings.port}"


def build_curl(url: str, key: str | None, model: str | None) -> str:
    """Return one line for a shell: a chat with ``model``, or the list of models without one."""
    path = "/v1/models" if model is None else "/v1/chat/completions"
    words = ["curl", f"{url}{path}"]
    if key is not None:
        words += ["-H", f"Authorization: Bearer {key}"]
    if model is not None:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return shlex.join(words)


def _load_or_exit() -> Settings:
    try:
        return load_settings()
    except ConfigurationError as error:
        _exit(error)


def _exit(error: ConfigurationError) -> NoReturn:
    click.echo(str(error), err=True)
    sys.exit(_EXIT_WRONG_CONFIGURATION)
