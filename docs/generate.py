"""Writes what the documentation says of every provider in tables: ``python docs/generate.py``.

Knows ``gateway.kinds``, what ``docs/abilities.py`` finds out, and the marks between which the
text stands in each file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from abilities import find_abilities, find_all, own_kinds  # noqa: E402 - not installed

from gateway.kinds import COMPATIBLE_KINDS, DEMO_KIND  # noqa: E402

NOTHING = "\N{EN DASH}"


class Block(NamedTuple):
    """Lines of a file between two marks."""

    file: str
    begin: str
    end: str
    lines: Callable[[], Iterator[str]]


def generate(name: str) -> str:
    """Return the file ``name`` as it has to be."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for block in BLOCKS:
        if block.file == name:
            before, _, rest = text.partition(block.begin)
            _, _, after = rest.partition(block.end)
            text = f"{before}{block.begin}{''.join(block.lines())}{block.end}{after}"
    return text


def iter_variables() -> Iterator[str]:
    """Yield the variables of OpenAI-compatible kinds as a table."""
    yield "| name | default | meaning |\n|---|---|---|\n"
    for name, kind in COMPATIBLE_KINDS.items():
        key, base_url = kind.variables["api_key"], kind.variables["base_url"]
        yield f"| `{key}` | {NOTHING} | Configures the provider `{name}`. |\n"
        if kind.base_url is None:
            yield f"| `{base_url}` | {NOTHING} | Its address, without which it can't be used. |\n"
        else:
            address = f"another address than `{kind.base_url}`"
            yield f"| `{base_url}` | {NOTHING} | The same, at {address}. |\n"


def iter_assignments() -> Iterator[str]:
    """Yield the same variables as lines of ``.env``, commented out."""
    for kind in COMPATIBLE_KINDS.values():
        yield f"#{kind.variables['api_key']}=\n#{kind.variables['base_url']}=\n"


def iter_abilities() -> Iterator[str]:
    """Yield what kinds with a format of their own can do as a table."""
    kinds = [kind for kind in own_kinds() if kind != DEMO_KIND]
    yield _row(["", *(f"`{kind}`" for kind in kinds)])
    yield "|---" * (len(kinds) + 1) + "|\n"
    for ability, outcomes in find_all(kinds).items():
        yield _row([ability, *outcomes])


def iter_differences() -> Iterator[str]:
    """Yield in what each OpenAI-compatible kind departs from most of them as a table."""
    found = {kind: find_abilities(kind) for kind in COMPATIBLE_KINDS}
    reference = find_abilities("openai")
    usual = {what: _most_common(each[what] for each in found.values()) for what in reference}
    yield _row(["kind", "address", "other than most", "renamed", "earlier reasoning sent as"])
    yield "|---|---|---|---|---|\n"
    changes = _differences(usual, reference)
    yield _row(["most of them", NOTHING, f"like `openai`, but {changes}", NOTHING, NOTHING])
    for name, kind in COMPATIBLE_KINDS.items():
        assert kind.quirks is not None
        renamed = [f"`{old}` to `{new}`" for old, new in kind.quirks.renamed.items()]
        reasoning = kind.quirks.reasoning_field
        yield _row(
            [
                f"`{name}`",
                "yours" if kind.base_url is None else f"`{kind.base_url}`",
                _differences(found[name], usual) or NOTHING,
                ", ".join(renamed) or NOTHING,
                f"`{reasoning}`" if reasoning else NOTHING,
            ]
        )


def _most_common(outcomes: Iterable[str]) -> str:
    return Counter(outcomes).most_common(1)[0][0]


def _differences(found: Mapping[str, str], usual: Mapping[str, str]) -> str:
    return "; ".join(f"{what}: {is_so}" for what, is_so in found.items() if is_so != usual[what])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


_KINDS_BEGIN = "<!-- generated from gateway/kinds.py by docs/generate.py -->\n"
_CODE_BEGIN = "<!-- generated from the providers' code by docs/generate.py -->\n"
_END = "<!-- end of what is generated -->\n"
BLOCKS = (
    Block("docs/configuration.md", _KINDS_BEGIN, _END, iter_variables),
    Block(
        ".env.example",
        "# Providers that speak OpenAI's format. "
        "(Generated from gateway/kinds.py by docs/generate.py.)\n",
        "# (End of what is generated.)\n",
        iter_assignments,
    ),
    Block("docs/providers.md", _CODE_BEGIN, _END, iter_abilities),
    Block("docs/providers.md", _KINDS_BEGIN, _END, iter_differences),
)
FILES = tuple(dict.fromkeys(block.file for block in BLOCKS))


if __name__ == "__main__":
    for file in FILES:
        (ROOT / file).write_text(generate(file), encoding="utf-8")
