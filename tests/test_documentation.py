"""Every setting is documented, everything documented is a setting, and defaults are the same."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.environment import VARIABLES, Variable
from gateway.config.load import load_settings
from gateway.config.model_schemas import (
    CacheSchema,
    PriceSchema,
    PublicModelSchema,
    TargetSchema,
)
from gateway.config.providers import TIMEOUT_VARIABLES
from gateway.config.schemas import (
    GatewaySchema,
    ModelSchema,
    ProviderSchema,
    ResponsesSchema,
    TimeoutsSchema,
)
from gateway.config.settings import (
    STRATEGIES,
    CacheSettings,
    ModelSettings,
    ProviderSettings,
    ResponsesSettings,
    RouteSettings,
    Settings,
    TargetSettings,
    Timeouts,
)
from gateway.kinds import DEMO_KIND, KINDS

ROOT = Path(__file__).parents[1]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")

NAMED_DEFAULTS = {"WEB_CONCURRENCY": "number of CPU cores"}
NOTHING = "\N{EN DASH}"


def _table_after(heading: str) -> dict[str, str]:
    """Return name to default, backquotes taken off, of the first table after a line of text."""
    after = CONFIGURATION.split(f"\n{heading}", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert rows, heading
    found = re.findall(r"^\| `(\w+)` \| (.*?) \|", rows[0], re.MULTILINE)
    return {name: default.strip("`") for name, default in found}


def _documented_variables() -> dict[str, str]:
    section = CONFIGURATION.split("\n## gateway.yaml", 1)[0]
    found = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", section, re.MULTILINE)
    assert len(found) == len(dict(found))
    return {name: default.strip("`") for name, default in found}


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return NOTHING if default in (None, (), {}) else str(default)


def test_every_variable_is_documented_with_its_default() -> None:
    expected = {v.name: v.default or NAMED_DEFAULTS.get(v.name, NOTHING) for v in VARIABLES}
    assert _documented_variables() == expected


def test_the_example_has_every_variable_with_its_default() -> None:
    found = re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    assert len(found) == len(VARIABLES)
    assert dict(found) == {v.name: v.default for v in VARIABLES}


@pytest.mark.parametrize("name", [".env.example", "docs/configuration.md", "docs/providers.md"])
def test_what_is_generated_from_the_kinds_of_provider_is_up_to_date(name: str) -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))["generate"]
    assert generate(name) == (ROOT / name).read_text(encoding="utf-8"), "python docs/generate.py"


def test_no_provider_leaves_out_in_silence_what_would_change_an_answer() -> None:
    abilities = runpy.run_path(str(ROOT / "docs" / "abilities.py"))
    kinds = [kind for kind in KINDS if kind != DEMO_KIND]
    found = abilities["find_all"](kinds)
    silent = {name for name, outcomes in found.items() if abilities["LEFT_OUT"] in outcomes}
    assert silent == {"`user`"}


def test_the_readme_says_the_same_of_providers_as_their_code() -> None:
    abilities = runpy.run_path(str(ROOT / "docs" / "abilities.py"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## What works with which provider", 1)[1].split("\n## ", 1)[0]
    told = {}
    for row in re.findall(r"^\| (`.*) \|$", section, re.MULTILINE):
        kinds, chats, natively, _ = (cell.strip() for cell in row.split("|"))
        told.update(dict.fromkeys(re.findall(r"`([\w-]+)`", kinds), (chats, natively)))
    assert set(abilities["own_kinds"]()) <= set(told)
    for kind in abilities["own_kinds"]():
        found = abilities["find_abilities"](kind)
        has_embeddings = found["embeddings"] == abilities["YES"]
        spoken = found["passed on natively"].replace(abilities["NO"], "")
        assert told[kind] == ("chats, embeddings" if has_embeddings else "chats", spoken), kind


def test_the_example_copied_as_it_is_changes_nothing(tmp_path: Path) -> None:
    bare = load_settings({"AI_PROVIDER": "demo"}, tmp_path)
    (tmp_path / ".env").write_text(EXAMPLE, encoding="utf-8")
    assert load_settings({"AI_PROVIDER": "demo"}, tmp_path) == bare


def test_the_example_with_every_line_active_means_the_same(tmp_path: Path) -> None:
    bare = load_settings({"AI_PROVIDER": "demo"}, tmp_path)
    active = re.sub(r"^#([A-Z_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(active, encoding="utf-8")
    assert load_settings({"AI_PROVIDER": "demo"}, tmp_path) == bare


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_a_default_is_a_right_value(variable: Variable) -> None:
    if variable.default:
        variable.parse(variable.default)


def test_every_setting_of_a_provider_is_documented_with_its_default() -> None:
    expected = dict.fromkeys(ProviderSchema().fields, NOTHING)
    expected.update(
        {f.name: _shown(f.default) for f in fields(ProviderSettings) if f.name in expected}
        | {"kind": "the name, if it is a kind", "base_url": "by kind", "timeouts": NOTHING}
        | {"headers": NOTHING, "models": NOTHING, "max_retries": "MAX_RETRIES"}
    )
    assert _table_after("### Each entry of `providers`") == expected


def test_every_deadline_of_a_provider_is_documented() -> None:
    assert set(TimeoutsSchema().fields) == {field.name for field in fields(Timeouts)}
    assert _table_after("`timeouts` takes:") == TIMEOUT_VARIABLES


def test_every_setting_of_a_providers_model_is_documented() -> None:
    expected = {field.name: _shown(field.default) for field in fields(ModelSettings)}
    assert set(ModelSchema().fields) == set(expected)
    assert _table_after("Each entry of a provider's `models`") == expected


def test_every_setting_of_a_public_model_is_documented() -> None:
    expected = dict.fromkeys(PublicModelSchema().fields, NOTHING)
    expected["strategy"] = RouteSettings(()).strategy
    assert _table_after("### Each entry of `models`") == expected


def test_every_setting_of_a_target_is_documented() -> None:
    default = TargetSettings()
    expected = {f.name: _shown(getattr(default, f.name)) for f in fields(TargetSettings)}
    assert set(TargetSchema().fields) == {"target", *expected}
    assert _table_after("Each of `targets`") == {"target": NOTHING, **expected}


def test_every_setting_of_the_cache_is_documented() -> None:
    expected = {f.name: _shown(f.default) for f in fields(CacheSettings)}
    expected["max_bytes"] = f"{Settings.cache_max_bytes // 2**20} MiB"
    assert set(CacheSchema().fields) == set(expected)
    assert _table_after("### `cache`") == expected


def test_every_setting_of_responses_is_documented() -> None:
    expected = {f.name: _shown(f.default) for f in fields(ResponsesSettings)}
    assert set(ResponsesSchema().fields) == set(expected)
    assert _table_after("### `responses`") == expected


def test_every_strategy_is_documented() -> None:
    assert list(_table_after("**Who is tried first**")) == list(STRATEGIES)


def test_the_example_of_routing_is_that_of_the_example_file() -> None:
    example = yaml.safe_load((ROOT / "gateway.example.yaml").read_text(encoding="utf-8"))
    routing = CONFIGURATION.split("\n## Routing", 1)[1]
    block = re.search(r"^```yaml\n(.*?)^```", routing, re.MULTILINE | re.DOTALL)
    assert block
    for name, model in yaml.safe_load(block[1])["models"].items():
        assert example["models"][name] == model


def test_every_section_of_the_file_is_documented() -> None:
    headings = {"cache": "### `cache`", "responses": "### `responses`"}
    for name in GatewaySchema().fields:
        assert headings.get(name, f"### Each entry of `{name}`") in CONFIGURATION


def test_the_example_file_loads_and_shows_every_setting(tmp_path: Path) -> None:
    text = (ROOT / "gateway.example.yaml").read_text(encoding="utf-8")
    (tmp_path / "gateway.yaml").write_text(text, encoding="utf-8")
    settings = load_settings({"OPENAI_API_KEY": "k"}, tmp_path)
    assert list(settings.models) == ["fast", "small", "chat", "mixed", "best", "trial"]
    assert [route.strategy for route in settings.models.values()][3:] == [
        "weighted",
        "cheapest",
        "weighted",
    ]
    schemas = (
        GatewaySchema,
        ProviderSchema,
        TimeoutsSchema,
        ModelSchema,
        PublicModelSchema,
        TargetSchema,
        PriceSchema,
        CacheSchema,
        ResponsesSchema,
    )
    for name in {name for schema in schemas for name in schema().fields}:
        assert re.search(rf"\b{name}:", text), name


def test_the_example_file_still_loads_with_its_comments_active(tmp_path: Path) -> None:
    text = (ROOT / "gateway.example.yaml").read_text(encoding="utf-8")
    active = re.sub(r"^  # (lab:|azure:|bedrock:|google:|  )", r"  \1", text, flags=re.MULTILINE)
    (tmp_path / "gateway.yaml").write_text(active, encoding="utf-8")
    (tmp_path / "certificates").mkdir()
    (tmp_path / "certificates" / "lab-ca.pem").write_text("-")
    (tmp_path / "certificates" / "service-account.json").write_text("{}")
    environ = {"OPENAI_API_KEY": "k", "LAB_KEY_1": "a", "LAB_KEY_2": "b", "AZURE_TOKEN": "t"}
    settings = load_settings(environ, tmp_path)
    assert settings.providers["lab"].api_keys == ("a", "b")
    assert settings.providers["azure"].base_url == "https://NAME.openai.azure.com/openai"
    assert settings.providers["bedrock"].access_key_id == "a"
