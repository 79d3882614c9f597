"""A gateway that stores responses, as OpenAI's SDK sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.gateway_process import ADMIN_KEY, Gateway, run_gateway
from tests.postgresql import PostgresqlServer, postgresql_server
from tests.recordings import load
from tests.upstream import Upstream, replay

__all__ = ["postgresql_server"]


@pytest.fixture(scope="module")
def storing(
    shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    config = {
        "providers": {
            "ollama": {"kind": "ollama", "base_url": shared_upstream.url},
            "openai": {"kind": "openai", "base_url": f"{shared_upstream.url}/v1", "api_key": "k"},
        },
        "responses": {"store": True},
    }
    directory = tmp_path_factory.mktemp("storing")
    with run_gateway(directory, config=config, WEB_CONCURRENCY="2") as gateway:
        yield gateway


def client_of(gateway: Gateway, key: str) -> openai.OpenAI:
    """Return a client that forgives what an older recording lacks."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)


def test_a_conversation_goes_on_at_another_provider(storing: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "chat-stream"))
    whole = load("openai", "responses-whole-plain-gpt-4o")
    upstream.routes["/v1/responses"] = replay(whole)
    with client_of(storing, storing.key) as client:
        first = client.responses.create(model="ollama/tiny", input="hi")
        with client.responses.stream(
            model="ollama/tiny", input="so?", previous_response_id=first.id
        ) as stream:
            second = stream.get_final_response()
        asked = upstream.asked("/api/chat")[-1].json()["messages"]
        assert [each["role"] for each in asked] == ["user", "assistant", "user"]
        third = client.responses.create(
            model="openai/gpt-4o", input="and?", previous_response_id=second.id
        )
        sent = upstream.asked("/v1/responses")[-1].json()
        assert sent["store"] is False
        assert "previous_response_id" not in sent
        assert len(sent["input"]) == 5
        assert third.previous_response_id == second.id
        assert client.responses.retrieve(third.id).output_text == third.output_text


def test_responses_are_their_tenants_alone(storing: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "chat-stream"))
    with client_of(storing, storing.key) as client, client_of(storing, ADMIN_KEY) as other:
        response = client.responses.create(model="ollama/tiny", input="hi")
        with pytest.raises(openai.NotFoundError):
            other.responses.retrieve(response.id)
        with pytest.raises(openai.NotFoundError):
            other.responses.delete(response.id)
        with pytest.raises(openai.BadRequestError) as caught:
            other.responses.create(
                model="ollama/tiny", input="hi", previous_response_id=response.id
            )
        assert caught.value.code == "previous_response_not_found"
        client.responses.delete(response.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(response.id)


def test_what_is_not_to_be_stored_is_not(storing: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "chat-stream"))
    with client_of(storing, storing.key) as client:
        response = client.responses.create(model="ollama/tiny", input="hi", store=False)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(response.id)
    assert storing.get(f"/v1/responses/{response.id}?stream=true").status_code == 400


def test_what_led_to_a_response_is_listed_in_pages(storing: Gateway, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "chat-stream"))
    with openai.OpenAI(
        base_url=f"{storing.url}/v1",
        api_key=storing.key,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        first = client.responses.create(model="ollama/tiny", input="hi")
        second = client.responses.create(
            model="ollama/tiny",
            input=[{"role": "user", "content": "so?"}, {"role": "user", "content": "well?"}],
            previous_response_id=first.id,
        )
        assert client.responses.retrieve(second.id) == second
        items = client.responses.input_items.list(second.id, limit=1, order="asc")
        assert items.has_more
        found = list(items)
        assert [each.type for each in found] == ["message"] * 4
        texts = [each.to_dict()["content"][0]["text"] for each in found]  # type: ignore[index]
        assert texts == ["hi", first.output_text, "so?", "well?"]
        assert found[1].id == first.output[0].id
        backwards = client.responses.input_items.list(second.id, after=str(found[2].id))
        assert [each.id for each in backwards] == [found[1].id, found[0].id]
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.cancel(second.id)
        assert refused.value.code == "response_not_cancellable"
        for ask in (client.responses.input_items.list, client.responses.cancel):
            with pytest.raises(openai.NotFoundError) as missing:
                ask("resp_nothing")
            assert missing.value.code == "response_not_found"
        assert client.responses.delete(second.id) is None  # type: ignore[func-returns-value]
        fields: list[dict[str, Any]] = [{"background": True}, {"conversation": "conv_1"}]
        for field in fields:
            with pytest.raises(openai.BadRequestError) as named:
                client.responses.create(model="ollama/tiny", input="hi", **field)
            assert named.value.param == next(iter(field))
            assert next(iter(field)) in named.value.message.lower()


def test_two_gateways_with_one_postgresql_share_them(
    upstream: Upstream, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "chat-stream"))
    config = {
        "providers": {"ollama": {"kind": "ollama", "base_url": upstream.url}},
        "responses": {"store": True},
    }
    url = postgresql_server.create_database()
    with (
        run_gateway(tmp_path / "one", config=config, DATABASE_URL=url) as one,
        run_gateway(tmp_path / "other", config=config, DATABASE_URL=url) as other,
        client_of(one, one.key) as client,
        client_of(other, other.key) as another,
        client_of(other, ADMIN_KEY) as stranger,
    ):
        first = client.responses.create(model="ollama/tiny", input="hi")
        assert another.responses.retrieve(first.id).output_text == first.output_text
        second = another.responses.create(
            model="ollama/tiny", input="so?", previous_response_id=first.id
        )
        asked = upstream.asked("/api/chat")[-1].json()["messages"]
        assert [each["role"] for each in asked] == ["user", "assistant", "user"]
        with pytest.raises(openai.NotFoundError):
            stranger.responses.retrieve(first.id)
        another.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)
        postgresql_server.stop()
        try:
            with pytest.raises(openai.InternalServerError) as caught:
                client.responses.retrieve(second.id)
            assert (caught.value.status_code, caught.value.code) == (503, "store_unavailable")
            unkept = client.responses.create(model="ollama/tiny", input="hi")
            assert unkept.to_dict()["store"] is False
        finally:
            postgresql_server.start()
        assert client.responses.retrieve(second.id).id == second.id
