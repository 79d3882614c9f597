"""A budget that an admin takes away and gives again, over several workers."""

from __future__ import annotations

import time
from pathlib import Path

from tests.blackbox.test_limits_and_budgets import (
    ADMIN,
    BOUND,
    FITTING,
    MAX_TOKENS,
    answer_all_used,
    build_config,
    burst,
    statuses,
)
from tests.gateway_process import run_gateway
from tests.upstream import serve_upstream

IN_FORCE = 3.0
"""Seconds until every worker knows of a change for certain, and has its counters begin anew."""


def test_it_counts_what_was_used_without_it(tmp_path: Path) -> None:
    with serve_upstream() as upstream:
        upstream.reset({"/v1/chat/completions": answer_all_used})
        config = build_config(upstream)
        with run_gateway(tmp_path, config=config, WEB_CONCURRENCY="2") as gateway:
            budget = {"tokens": FITTING * BOUND, "per": "month"}
            made = gateway.post("/admin/keys", {"name": "a", "budget": budget}, headers=ADMIN)
            gateway.key = made.json()["key"]

            def use(times: int) -> None:
                for _ in range(times):
                    assert gateway.chat("cloud/priced", max_tokens=MAX_TOKENS).status_code == 200

            def give(value: object) -> None:
                path = f"/admin/keys/{made.json()['id']}"
                gateway.request("PATCH", path, json={"budget": value}, headers=ADMIN)
                time.sleep(IN_FORCE)

            use(2)
            give(None)
            use(3)
            give(budget)
            assert statuses(burst(gateway, gateway.key, requests_at_once=20)) == {
                200: FITTING - 5,
                402: 20 - (FITTING - 5),
            }
