"""The Tab key in a real shell."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.gateway_process import ROOT


def complete(shell: str, line: str) -> list[str]:
    """Return what the shell offers after ``line``."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    if shell == "bash":
        run = (
            f"source <({sys.executable} -m gateway completion bash)\n"
            f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
            '_gateway_completion\nprintf "%s\\n" "${COMPREPLY[@]}"'
        )
    else:
        run = (
            "compdef() { : }; compadd() { shift; print -l -- ${(P)1} }\n"
            f"source <({sys.executable} -m gateway completion zsh)\n"
            f"words=({quoted}); CURRENT={len(words)}\n_gateway_completion"
        )
    result = subprocess.run(
        [shell, "-c", run], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_commands_and_options_are_completed(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert complete(shell, "gateway keys re") == ["revoke"]
    assert complete(shell, "gateway keys create --bud") == ["--budget"]
    assert {"keys", "tenants", "db", "serve"} <= set(complete(shell, "gateway "))
