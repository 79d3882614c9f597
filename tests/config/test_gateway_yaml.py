from __future__ import annotations

import pytest

from gateway.config.settings import ModelSettings, RouteSettings, RouteTarget, Timeouts
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
    max_concurrency: 2
    max_queue: 0
    max_retries: 0
    load_timeout: 60
    overflow_while_loading: true
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
    assert (ollama.max_concurrency, ollama.max_queue, ollama.max_retries) == (2, 0, 0)
    assert (ollama.load_timeout, ollama.overflow_while_loading) == (60.0, True)
    assert (lab.max_concurrency, lab.max_queue, lab.max_retries) == (None, 100, 2)
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
        "fast": RouteSettings((RouteTarget("ollama", "hf.co/a/b:Q4"),)),
        "chat": RouteSettings((RouteTarget("lab", "gpt-4.1"),)),
        "best": RouteSettings((RouteTarget("lab", "gpt-4.1"),)),
    }
    assert settings.default_provider == "ollama"
    assert settings.gateway_config == "gateway.yaml"
    assert settings.origins["providers.lab.proxy"] == "gateway.yaml:22"


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
    load_timeout: 3
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
cach: {ttl: 300}
""",
    )
    assert sorted(problems) == sorted(
        [
            "PORT (from the environment): 'x' is not a whole number from 1 to 65535",
            "gateway.yaml:2: providers.ollama.num_ctxx: unknown setting; did you mean num_ctx?",
            "gateway.yaml:4: providers.backup.kind: 'opnai' is no kind of provider "
            "(ollama, openai, cohere, bedrock, demo); did you mean openai?",
            "gateway.yaml:5: providers.Third: a provider's name is lower-case letters, digits, "
            "- and _, beginning with a letter or digit",
            "gateway.yaml:7: providers.demo.base_url: a provider of kind demo has no upstream, "
            "and does not take this setting",
            "gateway.yaml:7: providers.demo.models.echo.num_ctx: only a provider of kind ollama "
            "has this setting, not one of kind demo",
            "gateway.yaml:10: providers.lab.num_ctx: only a provider of kind ollama has this "
            "setting, not one of kind openai",
            "gateway.yaml:11: providers.lab.load_timeout: only a provider of kind ollama has this "
            "setting, not one of kind openai",
            "gateway.yaml:12: providers.lab.timeouts.connect: -1 is not a number of "
            "seconds above 0",
            "gateway.yaml:12: providers.lab.timeouts.idle: 'x' is not a number of seconds",
            "gateway.yaml:12: providers.lab.timeouts.totl: unknown setting",
            "gateway.yaml:13: providers.lab.headers.a b: 'a b' is not the name of a header",
            "gateway.yaml:13: providers.lab.headers.ok: a header's value is Latin-1 text without "
            "line ends or control characters",
            "gateway.yaml:13: providers.lab.headers.num: must be text; put it in quotes",
            "gateway.yaml:13: providers.lab.headers.a: is the same header twice "
            "(case does not count)",
            "gateway.yaml:15: providers.lab.api_keys: must have at least one item",
            "gateway.yaml:15: providers.lab.api_keys: give either api_key or api_keys, not both",
            f"gateway.yaml:16: providers.lab.ca_bundle: there is no file "
            f"'{place.directory}/none.pem'",
            "gateway.yaml:17: providers.lab.base_url: a base URL can't hold credentials; "
            "use api_key or headers",
            "gateway.yaml:18: providers.lab.models.m.capabilities: must be a list",
            "gateway.yaml:18: providers.lab.models.m.num_ctx: only a provider of kind ollama has "
            "this setting, not one of kind openai",
            "gateway.yaml:20: models.fast: no provider 'ollma' is configured; did you mean ollama?",
            "gateway.yaml:22: models.bad: give either target or targets, "
            "e.g. target: ollama/llama3.2",
            "gateway.yaml:23: models.with space: a model's name is text without spaces or "
            "control characters",
            "gateway.yaml:24: models.none: 'llama3.2' is not provider/model, e.g. ollama/llama3.2",
            "gateway.yaml:25: models.two: give either target or targets, "
            "e.g. target: ollama/llama3.2",
            "gateway.yaml:26: models.parrot: a provider of kind demo has only the model echo, "
            "not 'gpt'",
            "gateway.yaml:27: cach: unknown setting; did you mean cache?",
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
            "providers: {ollama: {max_queue: 2}}\n",
            "gateway.yaml:1: providers.ollama.max_queue: has no effect without max_concurrency",
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
