"""Sizes and times of the MONAI Application Package: build context, environment, start-up, run and peak memory.

`python -m benchmarks.map CONTEXT ENVIRONMENT [--study STUDY] [--runs N] [--json]`: CONTEXT is the folder of
`make map-context`, ENVIRONMENT a clean environment of Python 3.12 made from CONTEXT/pip/requirements.txt alone;
`make benchmark-map` makes both. STUDY defaults to the real case acrin_nsclc_042 in the folder that FDGLUNG_DATA names.
Start-up is from the start of the process to the first operator's `compute`; the first run of all is told apart, for
what it finds on the disk is cold. The command line (`fdglung analyze`) in the same environment is the peer: what MONAI
Deploy costs above it. Take times on a machine that does nothing else: the load is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.study import default_study

# The application as the image starts it, which tells when its first operator began.
STARTED = """
import runpy, sys, time
from operators import StudyLoaderOperator

compute = StudyLoaderOperator.compute

def told(self, *arguments):
    print("STARTED", time.time(), file=sys.stderr, flush=True)
    compute(self, *arguments)

StudyLoaderOperator.compute = told
sys.argv = ["app", *sys.argv[1:]]
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@dataclass(frozen=True)
class Run:
    """One run of a process: seconds to the first operator (None for the command line) and in all, peak in MiB."""

    start_s: float | None
    wall_s: float
    cpu_s: float
    peak_mib: float


def folder_mib(folder: Path) -> float:
    """Return the size of a folder's files in MiB, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 2**20


def largest_packages(environment: Path, count: int) -> list[tuple[str, float]]:
    """Return the largest packages of an environment and their sizes in MiB, the largest first."""
    (site,) = environment.glob("lib/python3*/site-packages")
    sizes = [(path.name, folder_mib(path)) for path in site.iterdir() if path.is_dir() and path.suffix != ".dist-info"]
    return sorted(sizes, key=lambda pair: -pair[1])[:count]


def measure(command: list[str], variables: Mapping[str, str]) -> Run:
    """Run a process to its end.

    Raises
    ------
    RuntimeError
        It failed; the last lines that it said are told.

    """
    begun, wall = time.time(), time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    assert process.stderr is not None
    said = process.stderr.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - wall
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}:\n" + "\n".join(said[-8:]))
    started = [float(line.split()[1]) - begun for line in said if line.startswith("STARTED")]
    cpu = usage.ru_utime + usage.ru_stime
    return Run(started[0] if started else None, wall, cpu, usage.ru_maxrss / 1024)


def runs(context: Path, environment: Path, study: Path, count: int) -> dict[str, list[Run]]:
    """Run the application and the command line in turns, each into a folder of its own."""
    python = str(environment / "bin" / "python")
    found: dict[str, list[Run]] = {"application": [], "command line": []}
    for number in range(count):
        with tempfile.TemporaryDirectory() as folder:
            paths = {
                "HOLOSCAN_INPUT_PATH": str(study),
                "HOLOSCAN_OUTPUT_PATH": f"{folder}/application",
                "HOLOSCAN_MODEL_PATH": str(context / "models"),
                "HOLOSCAN_CONFIG_PATH": str(context / "app.config"),
                "PYTHONPATH": "",
            }
            found["application"].append(measure([python, "-c", STARTED, str(context / "app")], paths))
            command = [python, "-m", "fdglung", "analyze", str(study), f"{folder}/command"]
            found["command line"].append(measure(command, {"PYTHONPATH": ""}))
        print(f"run {number + 1} of {count}", file=sys.stderr)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("context", type=Path)
    parser.add_argument("environment", type=Path)
    parser.add_argument("--study", type=Path, default=default_study())
    parser.add_argument("--runs", type=int, default=4, help="the first is told apart; 0 for the sizes alone")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON in the last line")
    options = parser.parse_args()
    for folder in (options.context / "app", options.environment / "bin", options.study):
        if not folder.exists():
            parser.error(f"{folder} does not exist; see the head of this file")
    context, environment = options.context.resolve(), options.environment.resolve()
    figures: dict[str, object] = {"context_mib": folder_mib(context), "environment_mib": folder_mib(environment)}
    print(f"context {figures['context_mib']:.1f} MiB, environment {figures['environment_mib']:.0f} MiB")
    for name, size in largest_packages(environment, 8):
        print(f"  {name:<24} {size:6.0f} MiB")
    if options.runs:
        figures["load"] = os.getloadavg()[0]
        print(
            f"load before the runs {figures['load']:.1f}\n{'':<22} {'start s':>8} {'all s':>8} {'CPU s':>8} {'MiB':>6}"
        )
        for what, (first, *rest) in runs(context, environment, options.study.resolve(), options.runs).items():
            figures[what] = [asdict(one) for one in (first, *rest)]
            print_row(f"{what}, first", [first])
            if rest:
                print_row(f"{what}, median", rest)
    if options.json:
        print(json.dumps(figures))
    return 0


def print_row(name: str, rows: list[Run]) -> None:
    start = "" if rows[0].start_s is None else f"{median(one.start_s or 0.0 for one in rows):.2f}"
    wall, cpu = median(one.wall_s for one in rows), median(one.cpu_s for one in rows)
    print(f"{name:<22} {start:>8} {wall:8.2f} {cpu:8.2f} {max(one.peak_mib for one in rows):6.0f}")


if __name__ == "__main__":
    raise SystemExit(main())
