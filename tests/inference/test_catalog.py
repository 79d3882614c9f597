"""What models there are, told by real servers that come and go."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from app import build_backends
from gateway.config.settings import (
    ModelSettings,
    ProviderSettings,
    RouteSettings,
    RouteTarget,
    Settings,
    Target,
    Timeouts,
)
from gateway.errors import NotFoundError
from gateway.inference import catalog as module
from gateway.inference.catalog import Catalog
from tests.upstream import Connection, Handler, Request, Upstream, answer, serve_upstream

FULL = {"name": "full:latest", "capabilities": ["completion", "tools"]}
BARE = {"name": "bare:latest"}


def tags(*models: dict[str, Any]) -> Handler:
    return answer(json.dumps({"models": list(models)}).encode())


def show(*capabilities: str) -> Handler:
    return answer(json.dumps({"capabilities": capabilities, "model_info": {}}).encode())


@pytest.fixture
def ollama() -> Iterator[Upstream]:
    with serve_upstream() as server:
        server.reset({"/api/tags": tags(FULL, BARE)})
        yield server


@pytest.fixture
def openai() -> Iterator[Upstream]:
    with serve_upstream() as server:
        body = b'{"object":"list","data":[{"id":"gpt","created":5,"owned_by":"system"}]}'
        server.reset({"/v1/models": answer(body)})
        yield server


class Clock:
    """The catalog's clock, which the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def build(ollama: Upstream, openai: Upstream, clock: Clock) -> Iterator[Any]:
    settings = Settings(
        providers={
            "ollama": ProviderSettings("ollama", "ollama", ollama.url, timeouts=Timeouts(5)),
            "backup": ProviderSettings("backup", "openai", f"{openai.url}/v1"),
        },
        default_provider="ollama",
        models={"fast": RouteSettings((RouteTarget("ollama", "full"),))},
    )
    with ExitStack() as stack:

        def build(settings: Settings = settings) -> Catalog:
            backends = build_backends(settings)
            for upstream in backends.upstreams.values():
                stack.callback(upstream.close)
            return backends.catalog

        yield build


@pytest.fixture
def catalog(build: Any) -> Catalog:
    built: Catalog = build()
    return built


def ids(catalog: Catalog) -> list[str]:
    return [model.id for model in catalog.list_models()]


def target(catalog: Catalog, model: str) -> Target:
    return Target(catalog._settings.providers["ollama"], model, model)


EVERYTHING = ["fast", "ollama/full:latest", "ollama/bare:latest", "backup/gpt"]


def test_list_has_public_names_and_the_models_of_every_provider(catalog: Catalog) -> None:
    assert ids(catalog) == EVERYTHING
    owners = [(model.id, model.owned_by, model.created) for model in catalog.list_models()]
    assert owners[0] == ("fast", "gateway", 0)
    assert owners[-1] == ("backup/gpt", "system", 5)


@pytest.mark.parametrize("failure", ["reset", "status", "garbage"])
def test_provider_that_is_down_does_not_take_the_list_down(
    catalog: Catalog, openai: Upstream, failure: str
) -> None:
    if failure == "reset":
        openai.reset({"/v1/models": lambda request, connection: connection.reset()})
    elif failure == "status":
        openai.reset({"/v1/models": answer(b"{}", 500)})
    else:
        openai.reset({"/v1/models": answer(b"<html>", content_type="text/html")})
    assert ids(catalog) == EVERYTHING[:-1]
    assert catalog.check_providers() == {"ollama": True, "backup": False}


def test_list_is_asked_for_once_a_minute(catalog: Catalog, ollama: Upstream, clock: Clock) -> None:
    for _ in range(3):
        ids(catalog)
    clock.now += module.FRESH_SECONDS - 1
    ids(catalog)
    assert len(ollama.asked("/api/tags")) == 1
    clock.now += 1
    ollama.reset({"/api/tags": tags(BARE)})
    assert ids(catalog) == ["fast", "ollama/bare:latest", "backup/gpt"]
    assert len(ollama.asked("/api/tags")) == 1


def test_last_list_is_kept_while_a_provider_is_down(
    catalog: Catalog, ollama: Upstream, clock: Clock
) -> None:
    ids(catalog)
    clock.now += module.FRESH_SECONDS
    ollama.reset({"/api/tags": answer(b"", 503)})
    assert ids(catalog) == EVERYTHING
    assert catalog.check_providers() == {"ollama": False, "backup": True}
    info = catalog.model_info(target(catalog, "full"))
    assert info is not None
    assert info.capabilities == frozenset({"completion", "tools"})


@pytest.mark.parametrize("first", [answer(b"", 503), tags()], ids=["down", "empty"])
def test_list_that_told_nothing_is_asked_for_again_soon(
    catalog: Catalog, ollama: Upstream, clock: Clock, first: Handler
) -> None:
    ollama.reset({"/api/tags": first})
    assert ids(catalog) == ["fast", "backup/gpt"]
    ids(catalog)
    assert len(ollama.asked("/api/tags")) == 1
    clock.now += module.RETRY_SECONDS
    ollama.reset({"/api/tags": tags(FULL, BARE)})
    assert ids(catalog) == EVERYTHING


def test_many_who_ask_at_once_cause_one_request(catalog: Catalog, ollama: Upstream) -> None:
    go_on = threading.Event()

    def slow(request: Request, connection: Connection) -> None:
        go_on.wait(10)
        tags(FULL, BARE)(request, connection)

    ollama.reset({"/api/tags": slow})
    seen: list[list[str]] = []
    threads = [threading.Thread(target=lambda: seen.append(ids(catalog))) for _ in range(8)]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert seen == [EVERYTHING] * 8
    assert len(ollama.asked("/api/tags")) == 1


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("full", "full"),
        ("FULL:latest", "FULL:latest"),
        ("ollama/bare", "ollama/bare"),
        ("backup/gpt", "backup/gpt"),
        ("fast", "fast"),
    ],
)
def test_model_is_described_by_any_name_that_works(catalog: Catalog, name: str, found: str) -> None:
    assert catalog.get_model(name).id == found


def test_every_listed_model_can_be_described(catalog: Catalog) -> None:
    assert [catalog.get_model(name).id for name in ids(catalog)] == EVERYTHING


def test_unknown_model_is_a_404_only_while_its_provider_answers(
    catalog: Catalog, ollama: Upstream, clock: Clock
) -> None:
    with pytest.raises(NotFoundError) as caught:
        catalog.get_model("nothing")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    clock.now += module.FRESH_SECONDS
    ollama.reset({"/api/tags": answer(b"", 503)})
    assert catalog.get_model("nothing").id == "nothing"


def test_capabilities_in_the_list_need_no_other_request(catalog: Catalog, ollama: Upstream) -> None:
    info = catalog.model_info(target(catalog, "full"))
    assert info is not None
    assert info.capabilities == frozenset({"completion", "tools"})
    assert [request.path for request in ollama.requests] == ["/api/tags"]


@pytest.mark.parametrize("model", ["bare", "pulled-just-now"])
def test_capabilities_that_the_list_lacks_are_asked_for_once(
    catalog: Catalog, ollama: Upstream, clock: Clock, model: str
) -> None:
    ollama.routes["/api/show"] = show("completion", "vision")
    for _ in range(3):
        info = catalog.model_info(target(catalog, model))
        assert info is not None
        assert info.capabilities == frozenset({"completion", "vision"})
    (request,) = ollama.asked("/api/show")
    assert request.json()["model"] == model
    clock.now += module.FRESH_SECONDS
    catalog.model_info(target(catalog, model))
    assert len(ollama.asked("/api/show")) == 2


@pytest.mark.parametrize("failure", [answer(b'{"error":"no"}', 404), answer(b"[]"), answer(b"<")])
def test_model_that_nothing_is_told_of_is_no_error(
    catalog: Catalog, ollama: Upstream, failure: Handler
) -> None:
    ollama.routes["/api/show"] = failure
    for _ in range(2):
        assert catalog.model_info(target(catalog, "nothing")) is None
        known = catalog.model_info(target(catalog, "bare"))
        assert known is None or known.capabilities is None
    assert len(ollama.asked("/api/show")) == 2


def test_provider_that_is_down_is_not_asked_for_a_description(
    catalog: Catalog, ollama: Upstream
) -> None:
    ollama.reset({"/api/tags": answer(b"", 503)})
    assert catalog.model_info(target(catalog, "full")) is None
    assert ollama.asked("/api/show") == []


def test_azures_deployments_are_those_that_the_configuration_names(
    build: Any, openai: Upstream
) -> None:
    azure = ProviderSettings(
        "azure", "azure", f"{openai.url}/v1", models={"my-mini": ModelSettings()}
    )
    targets = (RouteTarget("azure", "my-gpt"), RouteTarget("azure", "my-mini"))
    routes = {"fast": RouteSettings(targets)}
    settings = Settings({"azure": azure}, "azure", models=routes, fallback_model="azure/last")
    catalog = build(settings)
    names = ["fast", "azure/my-mini", "azure/my-gpt", "azure/last"]
    assert ids(catalog) == names
    assert [catalog.get_model(name).id for name in names] == names
    # The list that Azure has tells whether it answers, and nothing else.
    assert catalog.check_providers() == {"azure": True}
    assert catalog.get_model("azure/not-named").id == "azure/not-named"
    openai.reset({"/v1/models": answer(b"", 503)})
    assert build(settings).check_providers() == {"azure": False}


def test_every_page_of_a_list_is_asked_for(catalog: Catalog, openai: Upstream) -> None:
    def page(after: str, *names: str, **fields: Any) -> tuple[str, Handler]:
        listed = {"data": [{"id": name} for name in names], "last_id": names[-1], **fields}
        return f"/v1/models{after}", answer(json.dumps(listed).encode())

    pages = [
        page("", "a", "b/1", has_more=True),
        page("?after=b%2F1", "c", has_more=True),
        page("?after=c", "d", has_more=False),
    ]
    openai.reset(dict(pages))
    assert ids(catalog)[3:] == ["backup/a", "backup/b/1", "backup/c", "backup/d"]


def test_a_page_that_fails_makes_the_list_no_shorter(
    catalog: Catalog, openai: Upstream, clock: Clock
) -> None:
    ids(catalog)
    clock.now += module.FRESH_SECONDS
    more = {"data": [{"id": "other"}], "has_more": True, "last_id": "x"}
    openai.reset({"/v1/models": answer(json.dumps(more).encode())})
    assert ids(catalog) == EVERYTHING
    assert catalog.check_providers()["backup"] is False


def test_a_list_without_an_end_is_bounded_and_the_same_page_read_once_more_only(
    catalog: Catalog, openai: Upstream, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    same = {"data": [{"id": "one"}], "has_more": True, "last_id": "one"}
    openai.reset()
    openai.handler = answer(json.dumps(same).encode())
    assert ids(catalog)[3:] == ["backup/one"]
    assert len(openai.requests) == 2

    def endless(request: Request, connection: Connection) -> None:
        count = f"m{len(openai.requests)}"
        connection.send_json({"data": [{"id": count}], "has_more": True, "last_id": count})

    clock.now += module.FRESH_SECONDS
    openai.reset()
    openai.handler = endless
    assert len(ids(catalog)) == 3 + module.MAX_PAGES
    assert "backup has more models" in caplog.text


def test_configured_models_are_the_list_where_none_can_be_asked() -> None:
    bedrock = ProviderSettings(
        "bedrock",
        "bedrock",
        "https://bedrock-runtime.us-east-1.amazonaws.com",
        api_keys=("key",),
        models={"us.amazon.nova-lite-v1:0": ModelSettings()},
    )
    catalog = build_backends(Settings({"bedrock": bedrock}, "bedrock")).catalog
    assert [model.id for model in catalog.list_models()] == ["bedrock/us.amazon.nova-lite-v1:0"]
    assert catalog.check_providers() == {"bedrock": True}
