"""Figures of several runs as a table for people and as JSON.

Knows figures. Must not know how they were measured.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench.scenarios import Figure

COLUMNS = "{:<52}{:>9}{:>9}{:>9}{:>9}{:>9}  {}"


def describe_machine() -> str:
    """Return the processor, kernel and Python that the figures belong to, on one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    return f"{cores} x {model}, Linux {platform.release()}, Python {platform.python_version()}"


def format_table(runs: Sequence[Sequence[Figure]]) -> str:
    """Return a line for each figure: lowest and highest of the runs, target, nginx, ratio.

    The columns of nginx belong to the run that the lowest figure is from.
    """
    lines = [COLUMNS.format("", "lowest", "highest", "target", "nginx", "ratio", "").rstrip()]
    for name in dict.fromkeys(figure.name for run in runs for figure in run):
        lines.append(_format_line([f for run in runs for f in run if f.name == name]))
    return "\n".join(lines)


def _format_line(figures: Sequence[Figure]) -> str:
    best = min(figures, key=lambda figure: figure.value)
    highest = max(figure.value for figure in figures)
    target = verdict = ""
    if best.target is not None:
        target = _format_number(best.target)
        verdict = "met" if best.value <= best.target else "MISSED"
    nginx = ratio = ""
    if best.nginx is not None:
        nginx = _format_number(best.nginx)
        ratio = _format_number(best.value / best.nginx) if best.nginx > 0 else ""
    return COLUMNS.format(
        f"{best.name} [{best.unit}]",
        _format_number(best.value),
        _format_number(highest),
        target,
        nginx,
        ratio,
        verdict,
    ).rstrip()


def _format_number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def format_json(runs: Sequence[Sequence[Figure]]) -> str:
    """Return everything that was measured: the machine, and the figures of each run in order."""
    figures = [[dataclasses.asdict(figure) for figure in run] for run in runs]
    return json.dumps({"machine": describe_machine(), "runs": figures}, indent=2) + "\n"
