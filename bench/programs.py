"""The programs that a measurement needs: two of our own in Go, built here, and nginx.

Knows where they are. Must not know how they are used.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent
BUILD = SOURCES / "build"
MOCK_LLM = BUILD / "mockllm"
LOAD_GENERATOR = BUILD / "loadgen"
NEEDED = {"go": "golang-go", "nginx": "nginx"}
"""Program to the package of Debian and Ubuntu that has it."""


class MissingProgramError(Exception):
    """Something is not installed; the message says what, and how to get it."""


def find_program(name: str) -> str | None:
    """Return the path of an installed program; None if there is none of that name."""
    # Debian keeps nginx where the PATH of an ordinary user does not look.
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin")


def require_programs() -> None:
    """Raise MissingProgramError unless everything needed is installed."""
    if missing := [name for name in NEEDED if find_program(name) is None]:
        packages = " ".join(NEEDED[name] for name in missing)
        raise MissingProgramError(
            f"The benchmark needs {' and '.join(NEEDED)}; not found: {', '.join(missing)}. "
            f"On Debian or Ubuntu: apt-get install {packages}"
        )


def build_programs() -> None:
    """Build the mock upstream and the load generator into ``bench/build/``.

    They use Go's standard library alone, so that nothing is downloaded. Raises CalledProcessError.
    """
    BUILD.mkdir(exist_ok=True)
    build = ["go", "build", "-o", f"{BUILD}/", "./mockllm", "./loadgen"]
    subprocess.run(["env", "GOTOOLCHAIN=local", *build], cwd=SOURCES, check=True)
