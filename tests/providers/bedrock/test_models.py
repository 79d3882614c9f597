"""Which models there are, and what is known of them by their names."""

from __future__ import annotations

import orjson
import pytest

from gateway.config.settings import ProviderSettings
from gateway.errors import UpstreamError
from gateway.providers.bedrock import Bedrock
from gateway.providers.bedrock.families import find_family


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", False),
        ("https://bedrock-runtime-fips.us-east-1.amazonaws.com", False),
        ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", False),
        ("https://bedrock.proxy.example.com", True),
        ("http://127.0.0.1:8000", True),
    ],
)
def test_aws_has_its_list_at_another_address(base_url: str, expected: bool) -> None:
    settings = ProviderSettings("bedrock", "bedrock", base_url)
    assert Bedrock().has_model_list(settings) is expected


def test_the_list_names_what_can_be_asked_by_its_id() -> None:
    text = {"outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]}
    summaries = [
        {"modelId": "a", "providerName": "Amazon", **text},
        {"modelId": "b", "outputModalities": ["EMBEDDING"]},
        {"modelId": "c", "outputModalities": ["IMAGE"]},
        {"modelId": "d", **text, "inferenceTypesSupported": ["INFERENCE_PROFILE"]},
        {"modelId": 5},
        "nonsense",
    ]
    models = Bedrock().parse_model_list(orjson.dumps({"modelSummaries": summaries}))
    assert [(model.id, model.owned_by, model.capabilities) for model in models] == [
        ("a", "Amazon", None),
        ("b", "", frozenset({"embedding"})),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"modelSummaries": {}}'])
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        Bedrock().parse_model_list(body)


@pytest.mark.parametrize(
    ("model", "reasoning"),
    [
        ("anthropic.claude-v2", "none"),
        ("anthropic.claude-instant-v1", "none"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "none"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "none"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "budget"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "budget"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "budget"),
        ("global.anthropic.claude-opus-4-5-20251101-v1:0", "budget"),
        ("us.anthropic.claude-opus-4-6-v1", "adaptive"),
        ("us.anthropic.claude-sonnet-5", "adaptive"),
        ("us.amazon.nova-2-lite-v1:0", "nova"),
        ("us.amazon.nova-pro-v1:0", "none"),
        ("openai.gpt-oss-20b-1:0", "effort"),
        ("meta.llama3-1-8b-instruct-v1:0", "none"),
    ],
)
def test_the_name_tells_how_a_model_reasons(model: str, reasoning: str) -> None:
    assert find_family(model).reasoning == reasoning
