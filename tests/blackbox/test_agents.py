"""Agents that ask for thinking whatever the model: it is asked of the models that can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.gateway_process import Gateway, run_gateway
from tests.providers.formats import find_format
from tests.upstream import Connection, Request, Upstream, serve_upstream

KINDS = ("bedrock", "cohere", "gemini", "openai")
FORMATS = {kind: find_format(kind) for kind in KINDS}
THINKING: Any = {"type": "adaptive"}
ASKED: Any = [{"role": "user", "content": "Who is there?"}]


def answer(request: Request, connection: Connection) -> None:
    spoken = FORMATS[request.path.split("/")[1]]
    made = spoken.answer_other(request) or spoken.answer_text(request, "Me.")
    connection.send_answer(made.body, made.status, {"Content-Type": made.content_type})


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serve_upstream() as served:
        served.handler = answer
        yield served


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    providers = {
        kind: {"kind": kind, **spoken.configure(f"{upstream.url}/{kind}")}
        for kind, spoken in FORMATS.items()
    }
    models = {
        "hurried": {"targets": [{"target": "gemini/gemini-3-flash", "drop": ["reasoning_effort"]}]}
    }
    directory = tmp_path_factory.mktemp("agents")
    with run_gateway(directory, config={"providers": providers, "models": models}) as running:
        yield running


def ask(gateway: Gateway, upstream: Upstream, model: str) -> tuple[str | None, Any]:
    """Return what was dropped, and the body that the provider got."""
    with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        got = client.messages.with_raw_response.create(
            model=model, max_tokens=99, messages=ASKED, thinking=THINKING
        )
    return got.headers.get("x-gateway-dropped-params"), upstream.requests[-1].json()


def test_models_known_to_think_are_asked_to(gateway: Gateway, upstream: Upstream) -> None:
    dropped, sent = ask(gateway, upstream, "gemini/gemini-3-flash")
    assert dropped is None
    assert sent["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "HIGH"
    _, sent = ask(gateway, upstream, "bedrock/us.anthropic.claude-opus-4-6-v1:0")
    assert sent["additionalModelRequestFields"]["thinking"]["type"] == "adaptive"
    _, sent = ask(gateway, upstream, "cohere/command-a-reasoning-08-2025")
    assert sent["thinking"] == {"type": "enabled"}
    _, sent = ask(gateway, upstream, "openai/gpt-5")
    assert sent["reasoning_effort"] == "high"


def test_others_answer_without(gateway: Gateway, upstream: Upstream) -> None:
    for model in ("gemini/gemini-2.0-flash", "bedrock/amazon.titan", "openai/gpt-4o"):
        dropped, sent = ask(gateway, upstream, model)
        assert dropped == "reasoning_effort"
        assert "think" not in str(sent)
        assert "effort" not in str(sent)


def test_a_target_may_drop_the_wish(gateway: Gateway, upstream: Upstream) -> None:
    _, sent = ask(gateway, upstream, "hurried")
    assert "thinkingConfig" not in sent.get("generationConfig", {})
