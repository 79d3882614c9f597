"""Measure the gateway beside nginx: ``python -m bench [scenario ...]``.

Knows how the parts are put together: the mock, nginx, the gateway, the scenarios, the report.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.gateway import start_gateway
from bench.nginx import start_nginx
from bench.processes import MeasurementError, Server, find_free_port
from bench.programs import MOCK_LLM, MissingProgramError, build_programs, require_programs
from bench.report import describe_machine, format_json, format_table
from bench.scenarios import SCENARIOS, Bench, Figure

WORKERS = 2
QUICK_FACTOR = 0.25
REPOSITORY = Path(__file__).resolve().parent.parent


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; exits with a message where they are wrong."""
    scenarios = "\n".join(f"  {name:<12}{work.__doc__}" for name, work in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the gateway beside nginx before the same mock upstream.",
        epilog=f"scenarios:\n{scenarios}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", nargs="*", help="what to measure (default: everything)")
    parser.add_argument("--runs", type=int, default=3, help="how often (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one run with a quarter of the load")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument(
        "--root", type=Path, default=REPOSITORY, help="checkout to measure (default: this one)"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.scenario if name not in SCENARIOS]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if options.runs < 1:
        parser.error("--runs must be 1 or more")
    return options


@contextlib.contextmanager
def start_bench(root: Path, directory: Path, factor: float) -> Iterator[Bench]:
    """Start the mock and nginx with their files in ``directory``; stop both at the end."""
    mock_port = find_free_port()
    gateways = itertools.count(1)

    @contextlib.contextmanager
    def start_fresh_gateway() -> Iterator[tuple[Server, float]]:
        home = directory / f"gateway-{next(gateways)}"
        with start_gateway(root, home, mock_port, WORKERS) as gateway:
            yield gateway, gateway.wait_until_answering("/health")

    command = [str(MOCK_LLM), "-addr", f"127.0.0.1:{mock_port}"]
    log = directory / "mock.log"
    with (
        Server("the mock", command, mock_port, log, cwd=directory) as mock,
        start_nginx(directory / "nginx", mock_port, WORKERS) as nginx,
    ):
        mock.wait_until_answering("/api/version")
        nginx.wait_until_answering("/api/version")
        yield Bench(mock, nginx, start_fresh_gateway, WORKERS, factor)


def measure(bench: Bench, scenarios: Sequence[str], run: str) -> list[Figure]:
    """Return the figures of one run; says on the standard error what it is at."""
    figures: list[Figure] = []
    for scenario in scenarios:
        print(f"run {run}: {scenario}", file=sys.stderr)
        figures.extend(SCENARIOS[scenario](bench))
    return figures


def main(arguments: Sequence[str]) -> int:
    """Measure and print. Returns 0; 1 where a measurement failed, 2 where a program is missing."""
    options = parse_arguments(arguments)
    runs = 1 if options.quick else options.runs
    results = []
    try:
        require_programs()
        build_programs()
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as directory,
            start_bench(
                options.root.resolve(), Path(directory), QUICK_FACTOR if options.quick else 1
            ) as bench,
        ):
            for run in range(1, runs + 1):
                scenarios = options.scenario or list(SCENARIOS)
                results.append(measure(bench, scenarios, f"{run} of {runs}"))
    except MissingProgramError as error:
        print(error, file=sys.stderr)
        return 2
    except (MeasurementError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"{describe_machine()}; workers: {WORKERS}, runs: {runs}")
    print(format_table(results))
    if options.json:
        options.json.write_text(format_json(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
