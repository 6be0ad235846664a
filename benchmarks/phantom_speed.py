"""Time and memory of making synthetic studies.

`python -m benchmarks.phantom_speed [--studies N] [--json]` makes thorax studies and training pairs, each kind in a
process of its own after one study to warm up, and gives wall clock, CPU time and peak memory; and the time of the
reference tier (projections, Poisson counts, OSEM) as a ratio to the bulk tier's, on the same activity in one process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

KINDS: dict[str, dict[str, Any]] = {
    "thorax, CT 512 x 512 at 3 mm, PET of the scanner": {},
    "training pair at 4 mm": {"grid_mm": 4.0},
    "training pair at 3 mm": {"grid_mm": 3.0},
    "training pair at 2 mm": {"grid_mm": 2.0},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--studies", type=int, default=4, help="of each kind, after one to warm up (default: 4)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kind:
        print(json.dumps(measure(KINDS[options.kind], options.studies)))
        return 0
    results = {}
    for kind in KINDS:
        command = [sys.executable, "-m", "benchmarks.phantom_speed", "--kind", kind, "--studies", str(options.studies)]
        results[kind] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ratio = reference_over_bulk()
    if options.json:
        print(json.dumps({"studies": results, "reference_over_bulk": ratio}, indent=2))
        return 0
    print(f"{'':52}{'wall s':>8}{'slowest':>9}{'CPU s':>7}{'peak MiB':>10}")
    for kind, found in results.items():
        print("{:52}{wall_s:>8.1f}{slowest_s:>9.1f}{cpu_s:>7.1f}{peak_mib:>10.0f}".format(kind, **found))
    print(f"PET of a thorax: the reference tier takes {ratio:.0f} times the bulk tier's time")
    return 0


def measure(options: dict[str, Any], studies: int) -> dict[str, float]:
    """Make studies one after the other; the first, which imports, does not count."""
    from fdglung.phantom import make_study

    make_study(seed=100, **options)
    walls, started, cpu = [], time.perf_counter(), time.process_time()
    for seed in range(studies):
        begun = time.perf_counter()
        make_study(seed=seed, **options)
        walls.append(time.perf_counter() - begun)
    return {
        "wall_s": (time.perf_counter() - started) / studies,
        "slowest_s": max(walls),
        "cpu_s": (time.process_time() - cpu) / studies,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def reference_over_bulk() -> float:
    """Scan the same activity by both tiers, the bulk tier once before to warm up."""
    import numpy as np

    from fdglung.phantom.scanner import nema, pet
    from fdglung.phantom.scanner.catalogue import SCANNERS
    from fdglung.phantom.scanner.noise import Noise
    from fdglung.phantom.shapes import Grid

    scanner = SCANNERS["siemens_mct"]
    method = scanner.reconstructions[0]
    (pixel, along), count = method.voxel_mm, method.matrix
    half = (count - 1) / 2 * pixel
    grid = Grid((-half, -half, -59.5 * along), (pixel, pixel, along), (count, count, 120))
    body = nema.sphere_phantom(contrast=8.0, spacing_mm=3.0, length_mm=120 * along)
    seconds = []
    for tier in ("bulk", "bulk", "reference"):
        begun = time.perf_counter()
        pet.scan(
            body.activity,
            body.mu,
            scanner=scanner,
            reconstruction=method,
            grid=grid,
            noise=Noise(280e6),
            rng=np.random.default_rng(0),
            tier=tier,
        )
        seconds.append(time.perf_counter() - begun)
    return seconds[2] / seconds[1]


if __name__ == "__main__":
    sys.exit(main())
