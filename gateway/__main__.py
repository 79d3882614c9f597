"""``python -m gateway``: the composition root of the command line."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.cli import build_command
from gateway.commands.completion import COMPLETE_VARIABLE
from gateway.config.settings import Settings


def list_models(settings: Settings) -> list[str]:
    """Return the ids of the models of all configured providers that can chat.

    What runs the server is imported here, not above: ``config`` does without it.
    """
    from app import list_chat_models

    return list_chat_models(settings)


def warm_model(settings: Settings, model: str) -> Iterator[float]:
    """Load a model; yields the seconds that has taken, and raises ``GatewayError``."""
    from app import warm_model

    return warm_model(settings, model)


if __name__ == "__main__":
    build_command(list_models, warm_model)(
        prog_name="python -m gateway", complete_var=COMPLETE_VARIABLE
    )
