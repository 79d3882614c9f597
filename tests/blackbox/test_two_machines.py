"""Two gateways behind one nginx, with one PostgreSQL: keys are the same on both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from tests.blackbox.conftest import build_config
from tests.blackbox.holding import Held
from tests.blackbox.test_stored_keys import (
    ADMIN,
    SLACK,
    SOON,
    all_say,
    bearer,
    create,
    open_stream,
    say,
    seconds_until_all_say,
    status_of,
)
from tests.gateway_process import Gateway, run_gateway
from tests.nginx import run_nginx
from tests.postgresql import PostgresqlServer, postgresql_server
from tests.state.conftest import RedisServer, redis_server
from tests.upstream import Upstream
from tests.waiting import least, wait_until

__all__ = ["postgresql_server", "redis_server"]


class Machines:
    """Two gateways, each with one worker, and ``front``, which asks them in turn."""

    def __init__(self, machines: list[Gateway], front: Gateway) -> None:
        self.machines = machines
        self.front = front


@pytest.fixture(params=["with redis", "without redis"], scope="module")
def machines(
    request: pytest.FixtureRequest,
    shared_upstream: Upstream,
    postgresql_server: PostgresqlServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Machines]:
    directory = tmp_path_factory.mktemp("machines")
    environment: dict[str, str] = {"DATABASE_URL": postgresql_server.create_database()}
    if request.param == "with redis":
        redis: RedisServer = request.getfixturevalue("redis_server")
        environment["REDIS_URL"] = redis.url
        # A busy machine may keep it from answering in time: that is not about keys.
        environment["LIMITS_WHEN_STORE_IS_DOWN"] = "local"
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                run_gateway(
                    directory / name,
                    config=build_config(shared_upstream),
                    WEB_CONCURRENCY="1",
                    TRUSTED_PROXY_HOPS="1",
                    **environment,
                )
            )
            for name in ("one", "other")
        ]
        port = stack.enter_context(run_nginx(directory / "nginx", [one.port for one in running]))
        yield Machines(running, replace(running[0], port=port))


@pytest.fixture(autouse=True)
def answering(machines: Machines, upstream: Upstream) -> None:
    upstream.handler = say


def change(machines: Machines, made: dict[str, Any], **fields: Any) -> None:
    path = f"/admin/keys/{made['id']}"
    assert machines.front.request("PATCH", path, json=fields, headers=ADMIN).status_code == 200


def test_what_one_is_told_holds_on_both_within_a_second(machines: Machines) -> None:
    front = machines.front

    def take() -> float:
        made = create(front, models=["ollama/*"])
        assert all_say(front, made["key"], 200)
        change(machines, made, models=["fast"])
        changed = seconds_until_all_say(front, made["key"], 403)
        assert all_say(front, made["key"], 200, "fast")
        listed = front.get("/v1/models", headers=bearer(made["key"])).json()
        assert [model["id"] for model in listed["data"]] == ["fast"]
        front.request("DELETE", f"/admin/keys/{made['id']}", headers=ADMIN)
        revoked = seconds_until_all_say(front, made["key"], 401, "fast")
        for machine in machines.machines:
            assert all_say(machine, made["key"], 401, "fast")
        return max(changed, revoked)

    assert least(take, SOON) < SOON


def test_revoked_now_on_one_its_streams_end_on_both(machines: Machines, upstream: Upstream) -> None:
    def take() -> float:
        upstream.handler = held = Held()
        made = create(machines.front)
        streams = [open_stream(machine, made["key"]) for machine in machines.machines * 2]
        path = f"/admin/keys/{made['id']}?now=true"
        machines.machines[0].request("DELETE", path, headers=ADMIN)
        began = time.monotonic()
        for stream in streams:
            assert len(stream.read().errors) == 1
            stream.close()
        taken = time.monotonic() - began
        held.end.set()
        return taken

    assert least(take, SOON) < SOON


def test_an_address_is_that_of_the_client_before_the_proxy(machines: Machines) -> None:
    near = create(machines.front, allowed_ips=["127.0.0.1"])
    far = create(machines.front, allowed_ips=["10.0.0.0/8"])
    forged = {**bearer(far["key"]), "X-Forwarded-For": "10.0.0.1"}
    for _ in range(4):
        assert machines.front.get("/v1/models", headers=bearer(near["key"])).status_code == 200
        assert machines.front.get("/v1/models", headers=forged).status_code == 403


def test_while_postgresql_restarts_known_keys_go_on_and_unknown_ones_get_a_503(
    machines: Machines, postgresql_server: PostgresqlServer
) -> None:
    known, unknown = create(machines.front), create(machines.front)
    assert all_say(machines.front, known["key"], 200)
    postgresql_server.stop()
    try:
        began = time.monotonic()
        refused = machines.front.get("/v1/models", headers=bearer(unknown["key"]))
        assert time.monotonic() - began < SOON + SLACK
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "store_unavailable"
        assert all_say(machines.front, known["key"], 200)
    finally:
        postgresql_server.start()
    wait_until(lambda: status_of(machines.front, unknown["key"]) == 200)
    assert all_say(machines.front, unknown["key"], 200)
