"""Writes what the documentation says of every provider in one table: ``python docs/generate.py``.

Knows ``gateway.kinds`` and the marks between which the text stands in each file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gateway.kinds import COMPATIBLE_KINDS  # noqa: E402 - the repository need not be installed

_MARKS = {
    "docs/configuration.md": (
        "<!-- generated from gateway/kinds.py by docs/generate.py -->\n",
        "<!-- end of what is generated -->\n",
    ),
    ".env.example": (
        "# Providers that speak OpenAI's format. "
        "(Generated from gateway/kinds.py by docs/generate.py.)\n",
        "# (End of what is generated.)\n",
    ),
}


def generate(name: str) -> str:
    """Return the file ``name`` as it has to be."""
    text = (ROOT / name).read_text(encoding="utf-8")
    begin, end = _MARKS[name]
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    lines = _iter_rows() if name.endswith(".md") else _iter_assignments()
    return f"{before}{begin}{''.join(lines)}{end}{after}"


def _iter_rows() -> Iterator[str]:
    yield "| name | default | meaning |\n|---|---|---|\n"
    for name, kind in COMPATIBLE_KINDS.items():
        key, base_url = kind.variables["api_key"], kind.variables["base_url"]
        yield f"| `{key}` | \N{EN DASH} | Configures the provider `{name}`. |\n"
        if kind.base_url is None:
            yield f"| `{base_url}` | \N{EN DASH} | Its address, without which it can't be used. |\n"
        else:
            address = f"another address than `{kind.base_url}`"
            yield f"| `{base_url}` | \N{EN DASH} | The same, at {address}. |\n"


def _iter_assignments() -> Iterator[str]:
    for kind in COMPATIBLE_KINDS.values():
        yield f"#{kind.variables['api_key']}=\n#{kind.variables['base_url']}=\n"


if __name__ == "__main__":
    for file in _MARKS:
        (ROOT / file).write_text(generate(file), encoding="utf-8")
