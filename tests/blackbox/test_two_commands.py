"""What a newcomer does first: start it, paste the line it prints, stop it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.gateway_process import ROOT, build_directory, build_environment, find_free_port


def is_ollama_here() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", 11434)) == 0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run ``python -m gateway serve`` with nothing configured but a free port."""
    if is_ollama_here():
        pytest.skip("Ollama runs on this machine, so that the demo provider is not the default")
    build_directory(tmp_path)
    printed = tmp_path / "printed"
    with printed.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"],
            cwd=tmp_path,
            env=build_environment(HOME=str(tmp_path), PORT=str(find_free_port())),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    yield process, printed
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def find_command(text: str) -> str | None:
    """Return the ``curl`` command in what was printed, over as many lines as it takes."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.strip().startswith("curl "):
            command = [line]
            while command[-1].endswith("\\"):
                number += 1
                if number == len(lines):
                    return None
                command.append(lines[number])
            return "\n".join(command)
    return None


def wait_for_command(process: subprocess.Popen[bytes], printed: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if command := find_command(printed.read_text()):
            return command
        time.sleep(0.02)
    raise AssertionError(f"no curl line was printed:\n{printed.read_text()}")


def test_printed_curl_line_works_as_soon_as_it_is_there(
    served: tuple[subprocess.Popen[bytes], Path],
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    process, printed = served
    command = wait_for_command(process, printed)
    run = subprocess.run(["bash", "-c", command], capture_output=True, timeout=30, check=False)
    assert run.returncode == 0, run.stderr
    assert b"demo" in run.stdout
    if run.stdout.startswith(b"{"):
        assert json.loads(run.stdout)["choices"][0]["message"]["content"]
    else:
        assert b"data: [DONE]" in run.stdout
    assert (served[1].parent / "data").is_dir()


def test_ctrl_c_stops_it(served: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, printed = served
    port = re.search(r"127\.0\.0\.1:(\d+)/v1/", wait_for_command(process, printed))
    assert port is not None
    requests.get(f"http://127.0.0.1:{port[1]}/health", timeout=20).raise_for_status()
    # A terminal sends it to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(10) in (0, 130, -signal.SIGINT)
    assert "Traceback" not in printed.read_text()


def test_make_lists_its_commands() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in ("help", "install", "run", "test", "check", "bench", "clean"):
        assert f"make {name} " in listed


def test_configuration_is_printed_with_secrets_masked(tmp_path: Path) -> None:
    build_directory(tmp_path)
    secret = "canary-key-0123456789abcdef"
    settings = {
        "HOME": str(tmp_path),
        "GATEWAY_API_KEYS": secret,
        "OPENAI_API_KEY": secret,
        "REDIS_URL": f"redis://:{secret}@127.0.0.1:1/0",
    }
    for command in (["gateway", "config"], ["flask", "--app", "app", "config"]):
        run = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=build_environment(**settings),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert "api.openai.com" in run.stdout
        assert secret not in run.stdout + run.stderr
