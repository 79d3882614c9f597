"""The project's own files: what no linter can see and nobody should break unawares."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway_process import ROOT

REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))


def imported(name: str) -> set[str]:
    """Return the top-level names of the modules that a file imports, in functions, too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def test_gunicorns_master_imports_nothing_that_workers_have_to_patch() -> None:
    assert imported("gunicorn.conf.py").isdisjoint(
        {"app", "flask", "gateway", "redis", "requests", "ssl", "urllib3", "wsgi"}
    )
    assert imported("gateway/__init__.py") == set()
    code = "import gateway.worker, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    loaded = set(run.stdout.decode().split())
    assert loaded.isdisjoint({"flask", "redis", "requests", "urllib3"})
    ours = {name for name in loaded if name.startswith("gateway.")}
    assert {name for name in ours if not name.startswith("gateway.worker")} == {
        "gateway.log_format"
    }


@pytest.mark.parametrize("name", ["app.py", "wsgi.py"])
def test_other_servers_load_it_unpatched(name: str) -> None:
    assert "gevent" not in imported(name)


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_and_hashed_and_name_no_registry(path: Path) -> None:
    text = path.read_text()
    blocks = re.split(r"\n(?=[a-z])", re.sub(r"(?m)^ *#.*\n", "", text).strip())
    assert blocks
    for block in blocks:
        assert re.match(r"[a-z0-9.-]+==[0-9][0-9A-Za-z.]*( ;| \\)", block), block[:60]
        assert "--hash=sha256:" in block, block[:60]
    for word in ("://", "--index-url", "--extra-index-url", "--find-links", "--trusted-host"):
        assert word not in text
