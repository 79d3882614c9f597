from __future__ import annotations

import socket

import pytest

from gateway.config.local_ollama import is_ollama_listening
from gateway.kinds import KINDS, Kind
from tests.config.loading import Place


def test_nothing_configured_finds_ollama_on_this_machine(place: Place) -> None:
    place.ollama_listens = True
    settings = place.load()
    assert [(p.kind, p.base_url) for p in settings.providers.values()] == [
        ("ollama", "http://localhost:11434")
    ]
    assert settings.default_provider == "ollama"


def test_nothing_configured_and_no_ollama_is_the_demo(place: Place) -> None:
    settings = place.load()
    assert [(p.name, p.kind, p.base_url) for p in settings.providers.values()] == [
        ("demo", "demo", "demo://echo")
    ]
    assert settings.default_provider == "demo"


def test_a_configured_provider_ends_the_search(place: Place) -> None:
    place.ollama_listens = True
    assert list(place.load({"OPENAI_API_KEY": "sk-x"}).providers) == ["openai"]


@pytest.mark.parametrize("name", ["ollama", "demo"])
def test_ai_provider_is_enough_for_what_needs_nothing_else(place: Place, name: str) -> None:
    place.ollama_listens = name == "demo"
    settings = place.load({"AI_PROVIDER": name})
    assert list(settings.providers) == [name]
    assert settings.default_provider == name


def test_ollama_is_the_default_among_several(place: Place) -> None:
    settings = place.load(
        {"OLLAMA_BASE_URL": "http://h:1"}, "providers: {a: {kind: demo}, b: {kind: demo}}\n"
    )
    assert list(settings.providers) == ["a", "b", "ollama"]
    assert settings.default_provider == "ollama"


def test_the_first_is_the_default_without_ollama(place: Place) -> None:
    settings = place.load(yaml="providers: {b: {kind: demo}, a: {kind: demo}}\n")
    assert settings.default_provider == "b"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openai", "no provider 'openai' is configured; set OPENAI_API_KEY or OPENAI_BASE_URL"),
        ("lap", "no provider 'lap' is configured; did you mean lab?"),
        ("zzz", "no provider 'zzz' is configured"),
    ],
)
def test_ai_provider_must_be_configured(place: Place, name: str, message: str) -> None:
    problems = place.problems({"AI_PROVIDER": name}, "providers: {lab: {kind: demo}}\n")
    assert problems == [f"AI_PROVIDER (from the environment): {message}"]


def test_the_file_wins_and_the_environment_fills_in(place: Place) -> None:
    environ = {
        "OPENAI_API_KEY": "sk-environment",
        "OPENAI_BASE_URL": "http://environment",
        "OLLAMA_BASE_URL": "http://environment",
    }
    yaml = """
providers:
  openai: {base_url: "http://file/v2"}
  ollama: {num_ctx: 2048}
  other: {kind: openai}
"""
    settings = place.load(environ, yaml)
    openai, ollama, other = settings.providers.values()
    assert (openai.base_url, openai.api_keys) == ("http://file/v2", ("sk-environment",))
    assert (ollama.base_url, ollama.num_ctx) == ("http://environment", 2048)
    assert (other.base_url, other.api_keys) == ("https://api.openai.com/v1", ())
    assert settings.origins["providers.openai.base_url"] == "gateway.yaml:3"
    assert settings.origins["providers.openai.api_key"] == "environment"
    assert settings.warnings == (
        "provider other has no API key; https://api.openai.com/v1 will refuse it",
    )


def test_keys_of_the_file_keep_those_of_the_environment_out(place: Place) -> None:
    settings = place.load(
        {"OPENAI_API_KEY": "sk-environment"}, "providers: {openai: {api_keys: [a, b]}}\n"
    )
    assert settings.providers["openai"].api_keys == ("a", "b")


def test_another_kind_of_the_same_name_is_left_alone(place: Place) -> None:
    settings = place.load({"OPENAI_API_KEY": "sk-x"}, "providers: {openai: {kind: demo}}\n")
    assert settings.providers["openai"].api_keys == ()


def test_a_wrong_address_of_ollama_names_its_variable(place: Place) -> None:
    assert place.problems({"OLLAMA_BASE_URL": "http://h:11434/v1"}) == [
        "OLLAMA_BASE_URL (from the environment): leave out /v1; "
        "the gateway speaks Ollama's own API under /api"
    ]


def test_a_key_of_bedrock_is_enough_and_a_region_alone_is_none(place: Place) -> None:
    key, region = {"AWS_BEARER_TOKEN_BEDROCK": "key"}, {"AWS_REGION": "eu-west-1"}
    plain = place.load(key).providers["bedrock"]
    assert plain.base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    there = place.load({**key, **region}).providers["bedrock"]
    assert there.base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert list(place.load(region).providers) == ["demo"]


def test_the_environment_fills_in_what_bedrock_signs_with(place: Place) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "x-1"}
    yaml = "providers: {bedrock: {region: eu-west-1}}\n"
    bedrock = place.load(environ, yaml).providers["bedrock"]
    assert (bedrock.access_key_id, bedrock.secret_access_key) == ("AKIA", "secret")
    assert bedrock.region == "eu-west-1"
    assert "secret" not in repr(bedrock)
    assert place.load({}, "providers: {bedrock: {}}\n").warnings == ()


def test_a_region_is_no_part_of_another_address(place: Place) -> None:
    (problem,) = place.problems(yaml='providers: {bedrock: {region: "evil.example/"}}\n')
    assert "is not the name of a region" in problem
    (problem,) = place.problems(yaml="providers: {openai: {session_token: x}}\n")
    assert "only a provider of kind bedrock has this setting" in problem


def test_looking_for_ollama_sees_whether_someone_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_ollama_listening("127.0.0.1", port)
    assert not is_ollama_listening("127.0.0.1", port)


IMPLIED = [(name, kind) for name, kind in KINDS.items() if "api_key" in kind.variables]


@pytest.mark.parametrize(("name", "kind"), IMPLIED)
def test_a_key_and_an_address_in_the_environment_configure_a_provider(
    place: Place, name: str, kind: Kind
) -> None:
    environ = {
        kind.variables["api_key"]: "the-key-0123456789",
        kind.variables["base_url"]: "http://127.0.0.1:9",
    }
    provider = place.load(environ).providers[name]
    assert (provider.kind, provider.api_keys) == (name, ("the-key-0123456789",))
    assert provider.base_url == f"http://127.0.0.1:9{kind.default_path}"


@pytest.mark.parametrize(("name", "kind"), [each for each in IMPLIED if each[1].base_url])
def test_a_key_alone_is_enough_where_there_is_a_usual_address(
    place: Place, name: str, kind: Kind
) -> None:
    settings = place.load({kind.variables["api_key"]: "the-key-0123456789"})
    assert settings.providers[name].base_url == kind.base_url
    assert settings.warnings == ()


def test_a_provider_without_a_usual_address_needs_one(place: Place) -> None:
    (problem,) = place.problems({"SNOWFLAKE_API_KEY": "the-key-0123456789"})
    assert problem == (
        "SNOWFLAKE_BASE_URL is missing: a provider of kind snowflake needs an address of its own"
    )
    (problem,) = place.problems(yaml="providers: {a: {kind: snowflake}}\n")
    assert problem == "gateway.yaml:1: providers.a.base_url: a provider of kind snowflake needs one"


def test_a_path_that_is_only_begun_is_completed(place: Place) -> None:
    yaml = """
providers:
  a: {kind: groq, base_url: "http://h/openai"}
  b: {kind: groq, base_url: "http://h/other"}
  c: {kind: azure, base_url: "http://h", api_version: "2024-10-21"}
  d: {kind: azure, base_url: "http://h/openai", ad_token: "the-token-0123"}
"""
    providers = place.load(yaml=yaml).providers
    assert [provider.base_url for provider in providers.values()] == [
        "http://h/openai/v1",
        "http://h/other",
        "http://h/openai",
        "http://h/openai/v1",
    ]
    assert [provider.query for provider in providers.values()] == [
        "", "", "api-version=2024-10-21", ""
    ]  # fmt: skip


def test_a_server_of_ones_own_needs_no_key(place: Place) -> None:
    settings = place.load(yaml="providers: {vllm: {}, groq: {}}\n")
    assert settings.warnings == (
        "provider groq has no API key; https://api.groq.com/openai/v1 will refuse it",
    )


def test_only_azure_has_versions(place: Place) -> None:
    assert place.problems(yaml='providers: {groq: {api_version: "2024-10-21"}}\n') == [
        "gateway.yaml:1: providers.groq.api_version: only a provider of kind azure has this "
        "setting, not one of kind groq"
    ]


def test_gemini_needs_no_more_than_its_key(place: Place) -> None:
    settings = place.load({"GEMINI_API_KEY": "AIza1", "GEMINI_BASE_URL": "http://proxy:1"})
    (gemini,) = settings.providers.values()
    assert (gemini.kind, gemini.base_url) == ("gemini", "http://proxy:1/v1beta")
    assert gemini.api_keys == ("AIza1",)
    assert settings.warnings == ()
    (usual,) = place.load({"GEMINI_API_KEY": "AIza1"}).providers.values()
    assert usual.base_url == "https://generativelanguage.googleapis.com/v1beta"


@pytest.mark.parametrize(
    ("region", "base_url"),
    [
        ("", "https://aiplatform.googleapis.com/v1beta1"),
        ("global", "https://aiplatform.googleapis.com/v1beta1"),
        ("us-east5", "https://us-east5-aiplatform.googleapis.com/v1beta1"),
    ],
)
def test_vertex_is_where_its_region_is(place: Place, region: str, base_url: str) -> None:
    place.write("key.json", "{}")
    settings = place.load(
        {
            "VERTEX_PROJECT": "p",
            "VERTEX_REGION": region,
            "VERTEX_CREDENTIALS_FILE": "key.json",
        }
    )
    (vertex,) = settings.providers.values()
    assert (vertex.base_url, vertex.project) == (base_url, "p")
    assert vertex.credentials_file == str(place.directory / "key.json")
    assert settings.warnings == ()
    (elsewhere,) = place.load(
        {"VERTEX_API_KEY": "k", "VERTEX_REGION": region, "VERTEX_BASE_URL": "http://proxy:1"}
    ).providers.values()
    assert elsewhere.base_url == "http://proxy:1/v1beta1"


def test_wrong_place_in_the_cloud_is_told(place: Place) -> None:
    problems = place.problems(
        {
            "VERTEX_REGION": "evil.example/",
            "VERTEX_PROJECT": "a/b",
            "VERTEX_CREDENTIALS_FILE": "none.json",
            "IMAGE_NETWORKS": "10.1.0.0/16, home",
        }
    )
    told = " ".join(problems)
    for name in ("VERTEX_REGION", "VERTEX_PROJECT", "VERTEX_CREDENTIALS_FILE", "IMAGE_NETWORKS"):
        assert name in told
    assert len(problems) == 4


def test_vertex_without_key_and_project_is_warned_of(place: Place) -> None:
    settings = place.load({}, "providers: {vertex: {}}")
    assert "no API key" in settings.warnings[0]
