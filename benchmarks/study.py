"""Wall time, CPU time and peak memory of each step of `fdglung analyze`, cold and warm.

`python -m benchmarks.study [STUDY] [--json]`: STUDY defaults to the real case acrin_nsclc_042 in the folder that
FDGLUNG_DATA names. Cold is a new process, imports included; warm is the second run in one process. Reading is also
given as a ratio to SimpleITK's ImageSeriesReader on the same two series in the same process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CASE = "acrin_nsclc_042"


@dataclass(frozen=True)
class Step:
    """One step: seconds of wall clock and CPU (all threads), and the highest resident memory during it in MiB."""

    name: str
    wall_s: float
    cpu_s: float
    peak_mib: float


class Recorder:
    """Runs steps and keeps their times; a thread samples the resident memory every 5 ms."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        peak, stop = [resident_mib()], threading.Event()

        def sample() -> None:
            while not stop.wait(0.005):
                peak[0] = max(peak[0], resident_mib())

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            result = work()
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            stop.set()
            sampler.join()
        self.steps.append(Step(name, wall, cpu, max(peak[0], resident_mib())))
        return result


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def analyze_once(study: Path, recorder: Recorder, *, imports: bool) -> Any:
    if imports:
        recorder.run("imports", import_all)
    from fdglung import pipeline, reporting
    from fdglung import study as study_module

    settings = pipeline.Settings()
    loaded = recorder.run("read", lambda: study_module.load(study))
    region = recorder.run("lungs", lambda: pipeline.find_lungs(loaded, settings))
    found = recorder.run("lesions", lambda: pipeline.find_lesions(loaded, region, settings))
    analysis = recorder.run("measure", lambda: pipeline.measure(loaded, region, found, settings))
    with tempfile.TemporaryDirectory() as folder:
        recorder.run("report", lambda: reporting.write_report(analysis, Path(folder) / "report"))
    return loaded


def import_all() -> None:
    import fdglung.pipeline
    import fdglung.reporting
    import fdglung.study  # noqa: F401  (imported for its cost)


def read_by_simpleitk(folder: Path, series_uids: list[str]) -> None:
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    for directory in {path.parent for path in folder.rglob("*") if path.is_file()}:
        for uid in set(reader.GetGDCMSeriesIDs(str(directory))) & set(series_uids):
            reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(directory), uid))
            reader.Execute()


def cold(study: Path) -> list[Step]:
    command = [sys.executable, "-m", "benchmarks.study", str(study), "--once"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return [Step(**step) for step in json.loads(ended.stdout.splitlines()[-1])]


def print_table(title: str, steps: list[Step]) -> None:
    print(f"\n{title}\n{'step':<10} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9}")
    for step in steps:
        print(f"{step.name:<10} {step.wall_s:8.2f} {step.cpu_s:8.2f} {step.peak_mib:9.0f}")
    wall, cpu = sum(step.wall_s for step in steps), sum(step.cpu_s for step in steps)
    print(f"{'all':<10} {wall:8.2f} {cpu:8.2f} {max(step.peak_mib for step in steps):9.0f}")


def help_seconds() -> float:
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fdglung", "--help"], capture_output=True, check=True)
        durations.append(time.perf_counter() - start)
    return min(durations)


def default_study() -> Path:
    data = os.environ.get("FDGLUNG_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(data) / CASE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", nargs="?", type=Path, default=default_study())
    parser.add_argument("--json", action="store_true", help="print the figures as JSON in the last line")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.study.exists():
        parser.error(f"{options.study} does not exist; name a study or set FDGLUNG_DATA")
    recorder = Recorder()
    if options.once:
        analyze_once(options.study, recorder, imports=True)
        print(json.dumps([asdict(step) for step in recorder.steps]))
        return 0

    cold_steps = cold(options.study)
    print_table(f"cold ({options.study.name})", cold_steps)
    analyze_once(options.study, Recorder(), imports=False)
    loaded = analyze_once(options.study, recorder, imports=False)
    print_table(f"warm ({options.study.name})", recorder.steps)
    peer = Recorder()
    taken = [verdict.uid for verdict in loaded.series if verdict.taken]
    peer.run("SimpleITK", lambda: read_by_simpleitk(options.study, taken))
    ratio = recorder.steps[0].wall_s / peer.steps[0].wall_s
    process_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    helped = help_seconds()
    print(f"\nread / SimpleITK ImageSeriesReader: {ratio:.2f}; peak of the process: {process_peak:.0f} MiB")
    print(f"fdglung --help: {helped:.2f} s")
    if options.json:
        figures = {
            "cold": [asdict(step) for step in cold_steps],
            "warm": [asdict(step) for step in recorder.steps],
            "warm_wall_s": sum(step.wall_s for step in recorder.steps),
            "peak_mib": process_peak,
            "read_ratio_simpleitk": ratio,
            "help_s": helped,
        }
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
