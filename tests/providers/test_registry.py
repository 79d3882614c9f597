"""Finding the provider for a configured kind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.errors import ConfigurationError
from gateway.kinds import KINDS
from gateway.providers import get_provider


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_provider_made_once(kind: str) -> None:
    provider = get_provider(kind)
    assert type(provider).__name__.lower() == kind
    assert get_provider(kind) is provider


def test_an_unknown_kind_is_refused_with_the_known_ones_named() -> None:
    message = f"There is no provider kind 'opanai'; use one of {', '.join(KINDS)}."
    with pytest.raises(ConfigurationError) as raised:
        get_provider("opanai")
    assert str(raised.value) == message


def test_a_provider_nobody_asked_for_is_not_imported() -> None:
    program = (
        "import sys; from gateway.providers import get_provider; get_provider('openai');"
        "sys.exit('gateway.providers.ollama' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
