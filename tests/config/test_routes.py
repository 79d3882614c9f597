from __future__ import annotations

from typing import Any

import pytest

from gateway.config.settings import CacheSettings, Price, RouteTarget, TargetSettings
from gateway.errors import ConfigurationError
from tests.config.loading import Place

PROVIDERS = """providers: {ollama: {}, lab: {kind: openai, base_url: "http://lab"}, demo: {}}
"""


def _targets(place: Place, target: str) -> TargetSettings:
    settings = place.load(yaml=f"{PROVIDERS}models: {{chat: {{targets: [{target}]}}}}\n")
    return settings.models["chat"].targets[0].settings


def test_every_setting_of_a_target_arrives(place: Place) -> None:
    yaml = """
models:
  chat:
    targets:
      - ollama/hf.co/a/b:Q4
      - target: lab/gpt
        set: {temperature: 0, stop: [a, 1.5, true], metadata: {a: null}}
        drop: [logit_bias, seed]
        capabilities: [tools, json_schema]
        context_length: 128000
        first_byte_timeout: 2.5
        max_concurrency: 4
        max_queue: 0
        price: {input: 0, output: 0.4}
    strategy: cheapest
"""
    route = place.load(yaml=PROVIDERS + yaml).models["chat"]
    assert route.strategy == "cheapest"
    assert route.cache is None
    assert route.targets == (
        RouteTarget("ollama", "hf.co/a/b:Q4"),
        RouteTarget(
            "lab",
            "gpt",
            TargetSettings(
                set={"temperature": 0, "stop": ["a", 1.5, True], "metadata": {"a": None}},
                drop=("logit_bias", "seed"),
                capabilities=frozenset({"tools", "json_schema"}),
                context_length=128_000,
                first_byte_timeout=2.5,
                max_concurrency=4,
                max_queue=0,
                price=Price(0.0, 0.4),
            ),
        ),
    )
    assert [target.name for target in route.targets] == ["ollama/hf.co/a/b:Q4", "lab/gpt"]


@pytest.mark.parametrize(
    ("yaml", "weights"),
    [
        ("{targets: [lab/a, lab/b], strategy: weighted, weights: [3, 0.5]}", [3.0, 0.5]),
        ("{targets: [{target: lab/a, weight: 2}, lab/b], strategy: weighted}", [2.0, 1.0]),
        ("{targets: [lab/a, lab/b], strategy: weighted}", [1.0, 1.0]),
    ],
)
def test_weights_belong_to_their_targets(place: Place, yaml: str, weights: list[float]) -> None:
    route = place.load(yaml=f"{PROVIDERS}models: {{chat: {yaml}}}\n").models["chat"]
    assert [target.settings.weight for target in route.targets] == weights


def test_a_queue_has_a_length_unless_one_is_given(place: Place) -> None:
    settings = _targets(place, "{target: lab/a, max_concurrency: 1}")
    assert (settings.max_concurrency, settings.max_queue) == (1, 100)


def test_limits_of_a_target_hold_in_every_model_that_has_it(place: Place) -> None:
    yaml = """
models:
  a: ollama/x
  b: {targets: [{target: ollama/x, max_concurrency: 2, max_queue: 3, drop: [seed]}, lab/x]}
  c: {target: ollama/x}
"""
    settings = place.load(yaml=PROVIDERS + yaml)
    limits = TargetSettings(max_concurrency=2, max_queue=3)
    assert settings.limited_targets == {"ollama/x": limits}
    assert settings.models["a"].targets[0].settings == limits
    assert settings.models["c"].targets[0].settings == limits
    assert settings.models["b"].targets[0].settings.drop == ("seed",)
    assert settings.models["b"].targets[1].settings == TargetSettings()


@pytest.mark.parametrize(
    ("yaml", "everywhere", "of_model"),
    [
        ("models: {m: ollama/x}", None, None),
        ("models: {m: {target: ollama/x, cache: {}}}", None, CacheSettings(300.0)),
        (
            "models: {m: ollama/x}\ncache: {ttl: 60}",
            CacheSettings(60.0),
            CacheSettings(60.0, "deterministic"),
        ),
        (
            "models: {m: {target: ollama/x, cache: {when: always}}}\ncache: {ttl: 60}",
            CacheSettings(60.0),
            CacheSettings(60.0, "always"),
        ),
        (
            "models: {m: {target: ollama/x, cache: false}}\ncache: {}",
            CacheSettings(300.0),
            None,
        ),
    ],
)
def test_a_models_cache_goes_before_that_of_all(
    place: Place, yaml: str, everywhere: CacheSettings | None, of_model: CacheSettings | None
) -> None:
    settings = place.load(yaml=f"{PROVIDERS}{yaml}\n")
    assert (settings.cache, settings.models["m"].cache) == (everywhere, of_model)
    assert settings.cache_max_bytes == 256 * 2**20


@pytest.mark.parametrize(("size", "expected"), [("64 MiB", 64 * 2**20), ("1000000", 10**6)])
def test_the_cache_has_a_size(place: Place, size: str, expected: int) -> None:
    assert place.load(yaml=f"cache: {{max_bytes: {size}}}\n").cache_max_bytes == expected


_TARGET = "models.m.targets[0]"


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            "{targets: [ollama/a], strategy: weigthed}",
            "models.m.strategy: 'weigthed' is no strategy "
            "(fallback, weighted, least_busy, fastest, cheapest); did you mean weighted?",
        ),
        (
            "{targets: [ollama/a, lab/b], strategy: weighted, weights: [1, 2, 3]}",
            "models.m.weights: must be as many as targets: 2",
        ),
        (
            "{targets: [ollama/a, lab/b], strategy: weighted, weights: [1, 0]}",
            "models.m.weights[1]: 0 is not a weight above 0",
        ),
        (
            "{targets: [ollama/a], weights: [1]}",
            "models.m.weights: has no effect with strategy fallback; set strategy: weighted",
        ),
        (
            "{targets: [lab/b, {target: ollama/a, weight: 2}], strategy: fastest}",
            "models.m.targets[1].weight: has no effect with strategy fastest; "
            "set strategy: weighted",
        ),
        (
            "{targets: [{target: ollama/a, weight: 2}], strategy: weighted, weights: [1]}",
            "models.m.weights: give either weights or the weight of each target, not both",
        ),
        ("{targets: []}", "models.m.targets: must have at least one item"),
        ("{targets: ollama/a}", "models.m.targets: must be a list"),
        (
            "{target: ollama/a, strategi: fastest}",
            "models.m.strategi: unknown setting; did you mean strategy?",
        ),
        (
            "{target: ollama/a, set: {seed: 1}}",
            "models.m.set: belongs to a target: targets: [{target: ollama/llama3.2, set: …}]",
        ),
        (
            "{targets: [lab/a, lab/b, lab/a]}",
            "models.m.targets[2]: lab/a is a target of this model already",
        ),
        (
            "{targets: [lab/a, olama/b]}",
            "models.m.targets[1]: no provider 'olama' is configured; did you mean ollama?",
        ),
        ("{target: lap/a}", "models.m.target: no provider 'lap' is configured; did you mean lab?"),
        ("{targets: [7]}", f"{_TARGET}: must be text; put it in quotes"),
        ("{targets: [{weight: 1}]}", f"{_TARGET}.target: is missing"),
        ("{targets: [llama]}", f"{_TARGET}: 'llama' is not provider/model, e.g. ollama/llama3.2"),
        (
            "{targets: [{target: demo/gpt}]}",
            f"{_TARGET}: a provider of kind demo has only the model echo, not 'gpt'",
        ),
        (
            "{targets: [{target: lab/a, set: {model: x}}]}",
            f"{_TARGET}.set.model: a target can't change model",
        ),
        (
            "{targets: [{target: lab/a, set: {stream: true}}]}",
            f"{_TARGET}.set.stream: a target can't change stream",
        ),
        (
            "{targets: [{target: lab/a, drop: [seed, messages]}]}",
            f"{_TARGET}.drop[1]: a target can't change messages",
        ),
        (
            "{targets: [{target: lab/a, set: {seed: 1}, drop: [seed]}]}",
            f"{_TARGET}.drop: seed is also in set; give it in one of them",
        ),
        (
            "{targets: [{target: lab/a, set: {temperature: .nan}}]}",
            f"{_TARGET}.set.temperature: nan is not a number JSON has",
        ),
        (
            "{targets: [{target: lab/a, set: {metadata: {day: 2026-01-01}}}]}",
            f"{_TARGET}.set.metadata: 2026-01-01 is of a kind JSON hasn't; put it in quotes",
        ),
        (
            "{targets: [{target: lab/a, capabilities: [tool]}]}",
            f"{_TARGET}.capabilities[0]: 'tool' is no capability (completion, tools, vision, "
            "audio, thinking, json_schema, embedding, insert, image); did you mean tools?",
        ),
        (
            "{targets: [{target: lab/a, context_length: 0}]}",
            f"{_TARGET}.context_length: 0 is not a whole number of 1 or more",
        ),
        (
            "{targets: [{target: lab/a, first_byte_timeout: soon}]}",
            f"{_TARGET}.first_byte_timeout: 'soon' is not a number of seconds",
        ),
        (
            "{targets: [{target: lab/a, max_concurrency: 1, max_queue: -1}]}",
            f"{_TARGET}.max_queue: -1 is not a whole number of 0 or more",
        ),
        (
            "{targets: [{target: lab/a, max_queue: 1}]}",
            f"{_TARGET}.max_queue: has no effect without max_concurrency",
        ),
        ("{targets: [{target: lab/a, price: {input: 1}}]}", f"{_TARGET}.price.output: is missing"),
        (
            "{targets: [{target: lab/a, price: {input: -1, output: free}}]}",
            f"{_TARGET}.price.input: -1 is not a price of 0 or more",
        ),
        (
            "{target: lab/a, cache: {ttl: 0, max_bytes: 1}}",
            "models.m.cache.ttl: 0 is not a number of seconds above 0",
        ),
        (
            "{target: lab/a, cache: {when: allways}}",
            "models.m.cache.when: 'allways' is no rule of the cache (deterministic, always); "
            "did you mean always?",
        ),
        ("{target: lab/a, cache: true}", "models.m.cache: must be a mapping (setting: value)"),
    ],
)
def test_a_wrong_public_model_is_told(place: Place, model: str, problem: str) -> None:
    problems = place.problems(yaml=f"{PROVIDERS}models:\n  m: {model}\n")
    assert problems[0] == f"gateway.yaml:3: {problem}"


def test_two_limits_for_one_target_are_a_contradiction(place: Place) -> None:
    yaml = """models:
  a: {targets: [{target: lab/x, max_concurrency: 2}]}
  b: {targets: [{target: lab/x, max_concurrency: 3}]}
  c: {targets: [{target: lab/x, max_concurrency: 2}]}
"""
    assert place.problems(yaml=PROVIDERS + yaml) == [
        "gateway.yaml:4: models.b.targets[0]: lab/x has other limits in gateway.yaml:3; "
        "a target has one"
    ]


def test_a_line_of_many_is_told_where_it_is(place: Place) -> None:
    yaml = "models:\n  m:\n    targets:\n      - lab/a\n      - target: lab/b\n        wait: 3\n"
    assert place.problems(yaml=PROVIDERS + yaml) == [
        "gateway.yaml:7: models.m.targets[1].wait: unknown setting; did you mean weight?"
    ]


@pytest.mark.parametrize(
    ("cache", "problem"),
    [
        ("", "cache: is empty; give a value or leave it out"),
        ("{max_bytes: 0}", "cache.max_bytes: 0 is not a size; write e.g. 268435456 or 256 MiB"),
        (
            "{max_bytes: lots}",
            "cache.max_bytes: 'lots' is not a size; write e.g. 268435456 or 256 MiB",
        ),
        ("{tttl: 3}", "cache.tttl: unknown setting; did you mean ttl?"),
    ],
)
def test_a_wrong_cache_is_told(place: Place, cache: str, problem: str) -> None:
    assert place.problems(yaml=f"cache: {cache}\n") == [f"gateway.yaml:1: {problem}"]


@pytest.mark.parametrize("value", [10**400, float("inf")])
def test_no_number_is_too_large_to_be_refused(place: Place, value: Any) -> None:
    text = str(value).replace("inf", ".inf")
    with pytest.raises(ConfigurationError, match="number of seconds above 0"):
        place.load(yaml=f"providers: {{ollama: {{load_timeout: {text}}}}}\n")


def test_a_number_from_the_environment_is_not_shown(place: Place) -> None:
    problems = place.problems(
        {"SECRET": "hunter2"}, 'providers: {ollama: {load_timeout: "${SECRET}"}}\n'
    )
    assert problems == [
        "gateway.yaml:1: providers.ollama.load_timeout: '${SECRET}' is not a number of seconds"
    ]


@pytest.mark.parametrize("name", ["ollama/x", "x", "hf.co/a/b:Q4", "m", "lab/gpt", "demo/echo"])
def test_a_fallback_model_may_be_any_name_that_leads_somewhere(place: Place, name: str) -> None:
    settings = place.load({"FALLBACK_MODEL": name}, f"{PROVIDERS}models: {{m: lab/x}}\n")
    assert settings.fallback_model == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("openai/gpt-4.1-nano", "no provider 'openai' is configured"),
        ("lap/gpt", "no provider 'lap' is configured; did you mean lab?"),
        ("lab/", "'lab/' names no model"),
        ("demo/gpt", "a provider of kind demo has only the model echo, not 'gpt'"),
    ],
)
def test_a_fallback_model_that_leads_nowhere_stops_the_start(
    place: Place, name: str, problem: str
) -> None:
    assert place.problems({"FALLBACK_MODEL": name}, PROVIDERS) == [
        f"FALLBACK_MODEL (from the environment): {problem}"
    ]


def test_a_fallback_model_of_the_demo_alone_must_be_its_one(place: Place) -> None:
    problem = "a provider of kind demo has only the model echo, not 'smart'; did you mean smarter?"
    assert place.problems({"FALLBACK_MODEL": "smart"}, "models: {smarter: demo/echo}\n") == [
        f"FALLBACK_MODEL (from the environment): {problem}"
    ]


def test_a_fallback_model_with_a_mistake_in_it_is_told_once(place: Place) -> None:
    problems = place.problems({"FALLBACK_MODEL": "m"}, "models: {m: {target: echo}}\n")
    assert [problem.split(": ")[1] for problem in problems] == ["models.m.target"]
