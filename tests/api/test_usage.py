"""What was used, as clients and admins are told; every way a request can end is in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.api.services import EXTENSION
from gateway.config.settings import (
    CacheSettings,
    Price,
    ProviderSettings,
    RouteSettings,
    RouteTarget,
    TargetSettings,
)
from tests.api.conftest import ADMIN_KEY, BEARER, CHAT, BuildApp, chat_body
from tests.gateway_process import ROOT, build_environment

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
PRICED = RouteSettings(
    (RouteTarget("demo", "echo", TargetSettings(price=Price(1000, 2000))),),
    cache=CacheSettings(when="always"),
)


@pytest.fixture
def app(build_app: BuildApp) -> Flask:
    """An application with a model that costs something, and one whose price nobody knows."""
    unknown = ProviderSettings("unknown", "openai", "http://127.0.0.1:9/v1")
    demo = ProviderSettings("demo", "demo", "demo://echo")
    return build_app(
        providers={"demo": demo, "unknown": unknown}, models={"priced": PRICED}, rate_limit="9/day"
    )


def rows(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    """Return the ledger's rows, the newest first."""
    answer = client.get(f"/admin/requests{query}", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["data"]
    return found


def test_stats_have_the_shape_that_is_documented(client: FlaskClient) -> None:
    client.post(CHAT, json=chat_body(model="priced"), headers=BEARER)
    stats = client.get("/stats", headers=BEARER).get_json()
    assert set(stats["totals"]) == {
        "requests",
        "errors",
        "prompt_tokens",
        "completion_tokens",
        "cost_usd",
    }
    totals = stats["totals"]
    cost = totals["prompt_tokens"] * 0.001 + totals["completion_tokens"] * 0.002
    assert totals["cost_usd"] == pytest.approx(cost, rel=1e-12)
    assert stats["by_key"] == [{"key": "env-user-1", **totals}]
    assert stats["by_model"] == [{"model": "priced", **totals}]
    assert stats["by_provider"] == [{"provider": "demo", **totals}]
    assert stats["by_status"] == [{"status": 200, **totals}]
    assert set(stats["latency"]["duration_ms"]) == {"p50", "p90", "p95", "p99"}
    assert client.get("/v1/stats", headers=BEARER).get_json() == stats


def test_nothing_was_used_in_the_beginning(client: FlaskClient) -> None:
    stats = client.get("/stats", headers=BEARER).get_json()
    assert stats["totals"]["requests"] == 0
    assert stats["totals"]["cost_usd"] == 0
    assert stats["latency"] == {"duration_ms": None, "ttft_ms": None}


def test_a_user_sees_only_its_own_and_an_admin_everything(client: FlaskClient) -> None:
    client.post(CHAT, json=chat_body(), headers=BEARER)
    client.post(CHAT, json=chat_body(), headers=ADMIN)
    own = client.get("/stats", headers=BEARER).get_json()
    assert [entry["key"] for entry in own["by_key"]] == ["env-user-1"]
    everything = client.get("/stats", headers=ADMIN).get_json()
    assert everything["totals"]["requests"] == 2
    assert ADMIN_KEY not in json.dumps(everything)


def test_every_way_to_end_is_a_row(client: FlaskClient) -> None:
    key = {**BEARER, "Idempotency-Key": "once"}
    client.post(CHAT, json=chat_body(model="priced", user="bob"), headers=BEARER)
    client.post(CHAT, json=chat_body(model="priced"), headers=BEARER)
    client.post(CHAT, json=chat_body(model="demo/echo"), headers=key)
    client.post(CHAT, json=chat_body(model="demo/echo"), headers=key)
    assert client.post(CHAT, json=chat_body(stream=True), headers=BEARER).text.endswith(
        "[DONE]\n\n"
    )
    client.post(CHAT, json=chat_body(model="demo/none"), headers=BEARER)
    embeddings = {"model": "unknown/embedder", "input": "hello"}
    client.post("/v1/embeddings", json=embeddings, headers=BEARER)
    newest_first = rows(client)
    assert [(row["operation"], row["status"], row["cache"]) for row in reversed(newest_first)] == [
        ("chat", 200, "miss"),
        ("chat", 200, "hit"),
        ("chat", 200, "bypass"),
        ("chat", 200, "hit"),
        ("chat", 200, "bypass"),
        ("chat", 404, ""),
        ("embeddings", 502, "bypass"),
    ]
    whole, hit = newest_first[-1], newest_first[-2]
    assert (whole["user"], whole["provider"], whole["attempts"]) == ("bob", "demo", 1)
    assert whole["cost_usd"] > 0
    assert (hit["cost_usd"], hit["completion_tokens"]) == (0, whole["completion_tokens"])
    assert (newest_first[0]["prompt_tokens"], newest_first[0]["cost_usd"]) == (0, 0)
    assert newest_first[2]["stream"] is True


def test_what_a_limit_refuses_is_no_row(client: FlaskClient) -> None:
    answers = [client.post(CHAT, json=chat_body(), headers=BEARER) for _ in range(12)]
    assert [answer.status_code for answer in answers[-3:]] == [429] * 3
    assert len(rows(client)) == 9


def test_rows_are_found_by_each_of_their_fields(client: FlaskClient) -> None:
    client.post(CHAT, json=chat_body(), headers={**BEARER, "x-request-id": "find-me"})
    client.post(CHAT, json=chat_body(model="demo/none"), headers=ADMIN)
    found = ("find-me",)
    for query in ("request_id=find-me", "key=env-user-1", "status=200", "model=demo/echo"):
        assert tuple(row["request_id"] for row in rows(client, f"?{query}")) == found
    assert len(rows(client, "?since=1h")) == 2
    assert rows(client, "?until=1h") == []


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/admin/requests?limit=1001", "limit"),
        ("/admin/requests?cursor=x", "cursor"),
        ("/admin/requests?since=never", "since"),
        ("/admin/requests?nmae=x", "nmae"),
        ("/admin/usage?by=colour", "by"),
        ("/stats?since=never", "since"),
    ],
)
def test_a_wrong_question_is_told_what_would_be_right(
    client: FlaskClient, path: str, param: str
) -> None:
    answer = client.get(path, headers=ADMIN)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["param"] == param


def test_usage_is_summed_up_by_what_is_asked_for(client: FlaskClient) -> None:
    for _ in range(2):
        client.post(CHAT, json=chat_body(model="priced"), headers=BEARER)
    answer = client.get("/admin/usage?by=model,cache&since=1d", headers=ADMIN).get_json()
    summed = [(entry["model"], entry["cache"], entry["requests"]) for entry in answer["data"]]
    assert summed == [("priced", "hit", 1), ("priced", "miss", 1)]


def test_usage_on_the_command_line(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    client.post(CHAT, json=chat_body(model="priced"), headers=BEARER)
    ledger = app.extensions[EXTENSION].current.charging.admissions.ledger
    environment = build_environment(DATABASE_URL=f"sqlite:///{tmp_path}/gateway.db")

    def run(*options: str) -> str:
        command = [sys.executable, "-m", "gateway", "usage", *options]
        environment["PYTHONPATH"] = str(ROOT)
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    (entry,) = map(json.loads, run("--by", "key,model", "--format", "json").splitlines())
    assert (entry["key"], entry["model"], entry["requests"]) == ("env-user-1", "priced", 1)
    heads, cells = run("--format", "csv", "--since", "7d").splitlines()
    assert heads.startswith("key,model,requests,errors,prompt_tokens")
    assert cells.startswith("env-user-1,priced,1,0,")
    assert "env-user-1  priced" in run()
    assert "Nothing was used" in run("--key", "nobody")
    ledger.drain()
    assert len(rows(client)) == 1
