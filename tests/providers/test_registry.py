"""Finding the provider for a configured kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.kinds import KINDS
from gateway.providers import get_provider

# What only some kinds of provider need, and takes long to import.
FOREIGN = {"botocore", "google", "openai", "anthropic", "ollama", "cohere", "mistralai"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_provider_made_once(kind: str) -> None:
    provider = get_provider(kind)
    name = KINDS[kind].implementation.partition(":")[2]
    assert type(provider).__name__ == name
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


def test_an_application_with_one_provider_imports_no_code_of_others(tmp_path: Path) -> None:
    settings = {
        "OLLAMA_BASE_URL": "http://127.0.0.1:9",
        "GATEWAY_API_KEYS": "a-key-0123456789abcdef",
        "DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db",
    }
    program = (
        "import json, sys; from pathlib import Path;"
        "from app import create_app; from gateway.config.load import load_settings;"
        f"create_app(load_settings({settings!r}, Path({str(tmp_path)!r})));"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    imported = set(json.loads(done.stdout))
    used = KINDS["ollama"].implementation.partition(":")[0]
    others = {kind.implementation.partition(":")[0] for kind in KINDS.values()} - {used}
    assert used in imported
    assert imported & (others | FOREIGN) == set()
