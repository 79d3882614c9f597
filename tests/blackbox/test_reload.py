"""The configuration changed while the gateway runs: everywhere and without a cut, or not at all."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.blackbox.conftest import build_config
from tests.blackbox.holding import Held, OpenStream, wait_for_other_workers
from tests.blackbox.wire import assert_promises_kept
from tests.gateway_process import ADMIN_KEY, USER_KEY, Gateway, build_environment, run_gateway
from tests.upstream import Upstream
from tests.waiting import least, wait_until

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
WORKERS = 4
TYPO = '{"providers": {"ollama": {"kind": "ollama", "base_ulr": "http://127.0.0.1:1"}}}'


@pytest.fixture
def running(tmp_path: Path, upstream: Upstream) -> Iterator[Gateway]:
    """Return a gateway of four workers whose file a test may change."""
    with run_gateway(
        tmp_path, config=build_config(upstream), WEB_CONCURRENCY=str(WORKERS), GRACEFUL_TIMEOUT="6"
    ) as gateway:
        yield gateway


def write_config(gateway: Gateway, config: Mapping[str, Any] | str) -> None:
    text = config if isinstance(config, str) else json.dumps(config)
    (gateway.directory / "gateway.yaml").write_text(text)


def with_models(upstream: Upstream, *names: str) -> dict[str, Any]:
    """Return the configuration with these public models."""
    models = {name: {"targets": ["ollama/tiny"]} for name in names}
    return {**build_config(upstream), "models": models}


def post_reload(gateway: Gateway) -> requests.Response:
    return gateway.request("POST", "/admin/reload", headers=ADMIN)


def public_models(gateway: Gateway) -> set[str]:
    """Return the public names that the worker who answers has."""
    data = gateway.get("/v1/models").json()["data"]
    return {model["id"] for model in data if model["owned_by"] == "gateway"}


def assert_in_force_everywhere(gateway: Gateway, names: set[str]) -> None:
    """Check that whoever answers has these public models and no others."""
    assert [public_models(gateway) for _ in range(10 * WORKERS)] == [names] * (10 * WORKERS)


def wait_until_in_force_everywhere(gateway: Gateway, names: set[str]) -> None:
    """Return when whoever answers has these public models and no others."""
    wait_until(lambda: all(public_models(gateway) == names for _ in range(10 * WORKERS)))


def warm_up(gateway: Gateway) -> None:
    """Let every worker, very probably, have answered."""
    for _ in range(5 * WORKERS):
        assert gateway.get("/health").status_code == 200


def run_reload(gateway: Gateway, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command where the gateway stands."""
    settings = {
        "PORT": str(gateway.port),
        "DATABASE_URL": f"sqlite:///{gateway.directory}/data/gateway.db",
        "GATEWAY_API_KEYS": USER_KEY,
        "ADMIN_API_KEYS": ADMIN_KEY,
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-m", "gateway", "reload"],
        cwd=gateway.directory,
        env=build_environment(**settings),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_good_file_is_in_force_in_all_workers_within_a_second(
    running: Gateway, upstream: Upstream
) -> None:
    warm_up(running)
    versions = itertools.count(1)

    def take() -> float:
        before = public_models(running)
        version = next(versions)
        now = {"fast", f"new-{version}"}
        write_config(running, with_models(upstream, *now))
        assert_in_force_everywhere(running, before)
        response = post_reload(running)
        assert (response.status_code, response.json()) == (200, {"version": version})
        began = last = time.monotonic()
        while time.monotonic() - last < 1:  # any of them may be the last to answer
            if public_models(running) != now:
                last = time.monotonic()
                assert last - began < 15
        assert_in_force_everywhere(running, now)
        described = running.request("GET", "/admin/configuration", headers=ADMIN).json()
        assert described["version"] == version
        assert set(described["models"]) == now
        assert "canary" not in json.dumps(described)
        return last - began

    assert least(take, 1.0) < 1.0


def test_a_worker_that_never_answered_before_has_it_too(
    running: Gateway, upstream: Upstream
) -> None:
    write_config(running, with_models(upstream, "new"))
    assert post_reload(running).status_code == 200
    # Those who have take their time: nobody can tell which ones have answered until now.
    wait_until_in_force_everywhere(running, {"new"})
    assert_in_force_everywhere(running, {"new"})


def test_a_bad_file_is_refused_with_all_reasons_and_the_old_one_stays(running: Gateway) -> None:
    write_config(running, TYPO)
    response = post_reload(running)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "invalid_configuration"
    assert error["message"].splitlines() == [
        "gateway.yaml:1: providers.ollama.base_ulr: unknown setting; did you mean base_url?"
    ]
    time.sleep(0.5)
    assert_in_force_everywhere(running, {"fast"})
    assert "base_ulr" in running.wait_for_log("the old one stays")


def test_a_stream_is_not_touched_by_a_reload_that_removes_its_model(
    running: Gateway, upstream: Upstream
) -> None:
    upstream.handler = held = Held()
    with contextlib.closing(OpenStream(running, "fast")) as stream:
        write_config(running, with_models(upstream, "new"))
        assert post_reload(running).status_code == 200
        wait_until_in_force_everywhere(running, {"new"})
        held.end.set()
        answer = stream.read()
    assert_promises_kept(answer)
    assert answer.content == "onetwo"


def test_a_worker_that_was_killed_comes_back_with_what_the_others_have(
    running: Gateway, upstream: Upstream
) -> None:
    write_config(running, with_models(upstream, "new"))
    assert post_reload(running).status_code == 200
    write_config(running, TYPO)
    old = running.worker_pids()
    for pid in old:
        subprocess.run(["kill", "-9", str(pid)], check=True)
    wait_for_other_workers(running, old)
    assert_in_force_everywhere(running, {"new"})


def test_sighup_with_a_bad_file_leaves_the_server_up_with_the_old_configuration(
    running: Gateway,
) -> None:
    old = running.worker_pids()
    write_config(running, TYPO)
    running.process.send_signal(signal.SIGHUP)
    wait_for_other_workers(running, old)
    assert running.process.poll() is None
    assert_in_force_everywhere(running, {"fast"})
    line = running.wait_for_log("the last good configuration is in force")
    assert " ERROR " in line
    assert "base_ulr" in line


def test_sighup_with_a_good_file_puts_it_in_force(running: Gateway, upstream: Upstream) -> None:
    old = running.worker_pids()
    write_config(running, with_models(upstream, "new"))
    running.process.send_signal(signal.SIGHUP)
    wait_for_other_workers(running, old)
    assert_in_force_everywhere(running, {"new"})


def test_a_start_takes_its_file_and_not_what_was_in_force_before(
    tmp_path: Path, upstream: Upstream
) -> None:
    with run_gateway(tmp_path, config=with_models(upstream, "one")) as gateway:
        write_config(gateway, with_models(upstream, "two"))
        assert post_reload(gateway).status_code == 200
    with run_gateway(tmp_path, config=with_models(upstream, "three")) as gateway:
        assert_in_force_everywhere(gateway, {"three"})
    (tmp_path / "gateway.yaml").write_text(TYPO)
    with pytest.raises(AssertionError, match="base_ulr"), run_gateway(tmp_path):
        pass


def test_the_command_reloads_or_says_what_is_wrong(running: Gateway, upstream: Upstream) -> None:
    write_config(running, with_models(upstream, "new"))
    done = run_reload(running)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Version 1 of the configuration is in force.\n"
    write_config(running, TYPO)
    refused = run_reload(running)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines() == [
        "Not reloaded, the old configuration stays in force:",
        "gateway.yaml:1: providers.ollama.base_ulr: unknown setting; did you mean base_url?",
    ]
    wrong_key = run_reload(running, ADMIN_API_KEYS="another-admin-key-0123456789")
    assert wrong_key.returncode == 2
    assert "Incorrect API key" in wrong_key.stderr
    nobody = run_reload(running, PORT="1")
    assert nobody.returncode == 2
    assert "no gateway answers at http://127.0.0.1:1" in nobody.stderr
    without = run_reload(running, ADMIN_API_KEYS="")
    assert without.returncode == 2
    assert "ADMIN_API_KEYS" in without.stderr
