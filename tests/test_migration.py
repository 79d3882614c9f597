"""Each configuration that ``docs/migration.md`` shows, loaded; each option and field it names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from gateway.commands.keys import keys_command
from gateway.config.load import load_settings
from gateway.config.settings import STRATEGIES

TEXT = (Path(__file__).parents[1] / "docs" / "migration.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(# gateway.yaml\n.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_there_are_configurations() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("block", BLOCKS)
def test_a_configuration_loads_and_all_its_models_have_their_targets(
    block: str, tmp_path: Path
) -> None:
    (tmp_path / "gateway.yaml").write_text(block, encoding="utf-8")
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "a-key")
    settings = load_settings(environ, tmp_path)
    assert not settings.warnings
    written = yaml.safe_load(block)
    assert list(settings.providers) == list(written["providers"])
    assert list(settings.models) == list(written["models"])


def test_the_command_that_makes_a_key_has_these_options() -> None:
    (block,) = re.findall(r"^```shell\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    words = shlex.split(block.replace("\\\n", " "))
    assert words[:5] == ["python", "-m", "gateway", "keys", "create"]
    create = keys_command.get_command(None, "create")  # type: ignore[arg-type]
    assert create is not None
    known = {option for parameter in create.params for option in parameter.opts}
    used = {word for word in words if word.startswith("--")}
    assert used
    assert used <= known


def test_the_strategies_exist() -> None:
    named = set(re.findall(r"`strategy: (\w+)`", TEXT))
    assert named
    assert named <= set(STRATEGIES)
