from __future__ import annotations

import pytest

from gateway.config.settings import ModelSettings, Timeouts
from gateway.errors import ConfigurationError
from tests.config.loading import Place


def test_every_setting_of_a_provider_arrives(place: Place) -> None:
    place.write("ca.pem", "-")
    settings = place.load(
        {"LAB_KEY": "k1", "IDLE_TIMEOUT": "30", "CTX": "4096"},
        """
providers:
  ollama:
    base_url: http://gpu:11434/
    num_ctx: ${CTX}
    allow_client_options: true
    models:
      qwen3: {num_ctx: 16384, capabilities: [tools, thinking], context_length: 40960}
      plain:
        context_length: 10
  lab:
    kind: openai
    base_url: https://lab.example.com
    api_keys: ["${LAB_KEY}", k2]
    headers: {X-Team: search}
    timeouts: {connect: 1, first_byte: 2.5}
    proxy: http://u:p@proxy:3128
    ca_bundle: ca.pem
models:
  fast: ollama/hf.co/a/b:Q4
  chat: {target: lab/gpt-4.1}
  best: {targets: [lab/gpt-4.1]}
""",
    )
    ollama, lab = settings.providers["ollama"], settings.providers["lab"]
    assert (ollama.kind, ollama.base_url) == ("ollama", "http://gpu:11434")
    assert (ollama.num_ctx, ollama.allow_client_options) == (4096, True)
    assert ollama.models["qwen3"] == ModelSettings(16384, frozenset({"tools", "thinking"}), 40960)
    assert ollama.model_settings("plain") == ModelSettings(4096, None, 10)
    assert ollama.model_settings("other") == ModelSettings(4096)
    assert ollama.timeouts == Timeouts(idle=30)
    assert (lab.kind, lab.base_url) == ("openai", "https://lab.example.com/v1")
    assert lab.api_keys == ("k1", "k2")
    assert lab.headers == {"X-Team": "search"}
    assert lab.timeouts == Timeouts(1.0, 2.5, 30.0, 900.0)
    assert (lab.proxy, lab.ca_bundle) == ("http://u:p@proxy:3128", str(place.directory / "ca.pem"))
    assert settings.models == {
        "fast": ("ollama", "hf.co/a/b:Q4"),
        "chat": ("lab", "gpt-4.1"),
        "best": ("lab", "gpt-4.1"),
    }
    assert settings.default_provider == "ollama"
    assert settings.gateway_config == "gateway.yaml"
    assert settings.origins["providers.lab.proxy"] == "gateway.yaml:17"


def test_everything_wrong_is_told_at_once(place: Place) -> None:
    problems = place.problems(
        {"PORT": "x"},
        """providers:
  ollama: {num_ctxx: 8192}
  backup:
    kind: opnai
  Third:
    kind: openai
  demo: {base_url: "http://x", models: {echo: {num_ctx: 3}}}
  lab:
    kind: openai
    num_ctx: 3
    timeouts: {connect: -1, idle: x, totl: 3}
    headers: {"a b": x, ok: "a\\nb", num: 3, A: x, a: y}
    api_key: abc
    api_keys: []
    ca_bundle: none.pem
    base_url: http://u:hunter2@h
    models: {m: {capabilities: tools, num_ctx: 1}}
models:
  fast: ollma/llama3.2
  slow: {targets: [ollama/a, lab/b]}
  bad: {}
  "with space": ollama/x
  none: llama3.2
  two: {target: ollama/a, targets: [ollama/a]}
  parrot: demo/gpt
cache: {ttl: 300}
""",
    )
    assert sorted(problems) == sorted(
        [
            "PORT (from the environment): 'x' is not a whole number from 1 to 65535",
            "gateway.yaml:2: providers.ollama.num_ctxx: unknown setting; did you mean num_ctx?",
            "gateway.yaml:4: providers.backup.kind: 'opnai' is no kind of provider "
            "(ollama, openai, demo); did you mean openai?",
            "gateway.yaml:5: providers.Third: a provider's name is lower-case letters, digits, "
            "- and _, beginning with a letter or digit",
            "gateway.yaml:7: providers.demo.base_url: a provider of kind demo has no upstream, "
            "and does not take this setting",
            "gateway.yaml:7: providers.demo.models.echo.num_ctx: only a provider of kind ollama "
            "has this setting, not one of kind demo",
            "gateway.yaml:10: providers.lab.num_ctx: only a provider of kind ollama has this "
            "setting, not one of kind openai",
            "gateway.yaml:11: providers.lab.timeouts.connect: -1 is not a number of "
            "seconds above 0",
            "gateway.yaml:11: providers.lab.timeouts.idle: 'x' is not a number of seconds",
            "gateway.yaml:11: providers.lab.timeouts.totl: unknown setting",
            "gateway.yaml:12: providers.lab.headers.a b: 'a b' is not the name of a header",
            "gateway.yaml:12: providers.lab.headers.ok: a header's value is Latin-1 text without "
            "line ends or control characters",
            "gateway.yaml:12: providers.lab.headers.num: must be text; put it in quotes",
            "gateway.yaml:12: providers.lab.headers.a: is the same header twice "
            "(case does not count)",
            "gateway.yaml:14: providers.lab.api_keys: must have at least one item",
            "gateway.yaml:14: providers.lab.api_keys: give either api_key or api_keys, not both",
            f"gateway.yaml:15: providers.lab.ca_bundle: there is no file "
            f"'{place.directory}/none.pem'",
            "gateway.yaml:16: providers.lab.base_url: a base URL can't hold credentials; "
            "use api_key or headers",
            "gateway.yaml:17: providers.lab.models.m.capabilities: must be a list",
            "gateway.yaml:17: providers.lab.models.m.num_ctx: only a provider of kind ollama has "
            "this setting, not one of kind openai",
            "gateway.yaml:19: models.fast: no provider 'ollma' is configured; did you mean ollama?",
            "gateway.yaml:20: models.slow.targets: one target for now: this version takes no list",
            "gateway.yaml:21: models.bad: give either target or targets, "
            "e.g. target: ollama/llama3.2",
            "gateway.yaml:22: models.with space: a model's name is text without spaces or "
            "control characters",
            "gateway.yaml:23: models.none: 'llama3.2' is not provider/model, e.g. ollama/llama3.2",
            "gateway.yaml:24: models.two: give either target or targets, "
            "e.g. target: ollama/llama3.2",
            "gateway.yaml:25: models.parrot: a provider of kind demo has only the model echo, "
            "not 'gpt'",
            "gateway.yaml:26: cache: unknown setting",
        ]
    )


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("providers: [a]\n", "gateway.yaml:1: providers: must be a mapping (name: value)"),
        ("models: x\n", "gateway.yaml:1: models: must be a mapping (name: value)"),
        ("models: {a: }\n", "gateway.yaml:1: models.a: is empty; give a value or leave it out"),
        ("models: {a: [x]}\n", "gateway.yaml:1: models.a: must be text; put it in quotes"),
        ("providers: {a: x}\n", "gateway.yaml:1: providers.a: must be a mapping (setting: value)"),
        ("providers: {a: {}}\n", "gateway.yaml:1: providers.a.kind: is missing"),
        (
            "providers: {ollama: {num_ctx: true}}\n",
            "gateway.yaml:1: providers.ollama.num_ctx: true is not a whole number of 1 or more",
        ),
        (
            'providers: {ollama: {num_ctx: "8192"}}\n',
            "gateway.yaml:1: providers.ollama.num_ctx: '8192' is not a whole number of 1 or more",
        ),
        (
            "providers: {ollama: {allow_client_options: 1}}\n",
            "gateway.yaml:1: providers.ollama.allow_client_options: 1 is neither true nor false",
        ),
        (
            "providers: {ollama: {timeouts: }}\n",
            "gateway.yaml:1: providers.ollama.timeouts: is empty; give a value or leave it out",
        ),
        (
            "providers: {ollama: {timeouts: {idle: .inf}}}\n",
            "gateway.yaml:1: providers.ollama.timeouts.idle: inf is not a number of "
            "seconds above 0",
        ),
        (
            'providers: {ollama: {base_url: "http://h:11434/v1"}}\n',
            "gateway.yaml:1: providers.ollama.base_url: leave out /v1; "
            "the gateway speaks Ollama's own API under /api",
        ),
        (
            "providers: {ollama: {max_concurrency: 2}}\n",
            "gateway.yaml:1: providers.ollama.max_concurrency: unknown setting",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_line(place: Place, yaml: str, problem: str) -> None:
    assert place.problems(yaml=yaml) == [problem]


def test_a_wrong_value_from_the_environment_is_not_shown(place: Place) -> None:
    problems = place.problems(
        {"SECRET": "hunter2"}, 'providers: {ollama: {num_ctx: "${SECRET}"}}\n'
    )
    assert problems == [
        "gateway.yaml:1: providers.ollama.num_ctx: '${SECRET}' is not a whole number of 1 or more"
    ]


@pytest.mark.parametrize("yaml", ["", "providers:\nmodels:\n", "# nothing\n"])
def test_empty_sections_count_as_left_out(place: Place, yaml: str) -> None:
    assert list(place.load(yaml=yaml).providers) == ["demo"]


def test_a_named_file_must_exist(place: Place) -> None:
    with pytest.raises(ConfigurationError, match=r"^other\.yaml: there is no such file$"):
        place.load({"GATEWAY_CONFIG": "other.yaml"})


def test_a_named_file_is_read_instead(place: Place) -> None:
    place.write("gateway.yaml", "broken: [")
    place.write("other.yaml", "providers: {lab: {kind: demo}}\n")
    settings = place.load({"GATEWAY_CONFIG": "other.yaml"})
    assert list(settings.providers) == ["lab"]
    assert settings.gateway_config == "other.yaml"


def test_a_key_that_looks_like_another_type_is_still_a_name(place: Place) -> None:
    settings = place.load(yaml="models:\n  123: demo/echo\n  on: demo/echo\n", environ={})
    assert list(settings.models) == ["123", "on"]
