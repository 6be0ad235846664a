"""The whole pipeline on synthetic studies: what was there beside what was found.

`python -m benchmarks.phantom_pipeline [--studies N] [--seed S] [--out TABLE.csv]` makes N synthetic thorax studies,
writes each as DICOM, reads it back, analyses it with the defaults of `fdglung analyze`, and prints the truth table: a
true lesion is found where a VOI touches it, and a finding is false where its VOI touches no true lesion, node or lung.
SUVmax and MTV are those of the VOI; their truth is the lesion's own before the scanner blurred it. All synthetic.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk


@dataclass(frozen=True)
class Row:
    """One line of the truth table: a true lesion, found or missed, or a false finding."""

    study: int
    outcome: str
    lesion_class: str
    subtype: str
    kind: str
    place: str
    true_suv_max: float | None
    suv_max: float | None
    true_volume_ml: float | None
    mtv_ml: float | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the table as CSV")
    options = parser.parse_args()
    from tqdm import tqdm

    rows: list[Row] = []
    seconds: list[float] = []
    for index in tqdm(range(options.studies), desc="studies"):
        started = time.perf_counter()
        rows += rows_of(options.seed + index)
        seconds.append(time.perf_counter() - started)
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(Row.__dataclass_fields__))
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
    print_table(rows)
    print(f"\n{options.studies} synthetic studies, {np.mean(seconds):.0f} s each from seed to findings")
    return 0


def rows_of(seed: int) -> list[Row]:
    """Make, write, read and analyse one study, and compare."""
    from fdglung import study
    from fdglung.phantom import make_study, write_dicom_study
    from fdglung.pipeline import analyze

    made = make_study(seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        analysis = analyze(study.load(write_dicom_study(made, Path(folder) / "study")))
    found = sitk.GetArrayFromImage(analysis.lesions)
    truth = sitk.GetArrayFromImage(made.lesion_mask)
    rows = []
    for lesion in made.lesions:
        hits = [item for item in analysis.findings.lesions if ((found == item.label) & (truth == lesion.label)).any()]
        hottest = max(hits, key=lambda item: item.suv_max, default=None)
        rows.append(
            Row(
                seed,
                "missed" if hottest is None else "found",
                lesion.lesion_class.value,
                lesion.subtype,
                lesion.kind,
                lesion.place,
                lesion.suv_max,
                None if hottest is None else hottest.suv_max,
                lesion.volume_ml,
                None if hottest is None else sum(item.mtv_ml for item in hits),
            )
        )
    for item in analysis.findings.lesions:
        if not truth[found == item.label].any():
            rows.append(Row(seed, "false", "", "", "", item.side.value, None, item.suv_max, None, item.mtv_ml))
    return rows


def print_table(rows: Sequence[Row]) -> None:
    """Print the lesions one by one, then by class."""
    print(
        f"{'study':>5} {'outcome':8}{'class':13}{'subtype':26}{'place':30}{'SUVmax true/found':>19}{'ml true/MTV':>15}"
    )
    for row in rows:
        print(
            f"{row.study:>5} {row.outcome:8}{row.lesion_class:13}{row.subtype[:25]:26}{row.place[:29]:30}"
            f"{_pair(row.true_suv_max, row.suv_max, 1):>19}{_pair(row.true_volume_ml, row.mtv_ml, 1):>15}"
        )
    print()
    for kind, least in (("lung", 0.0), ("lung", 2.5), ("node", 0.0)):
        ours = [row for row in rows if row.kind == kind and (row.true_suv_max or 0) >= least]
        label = f"{kind} lesions" + (f" with a true SUVmax of {least} or more" if least else "")
        _print_summary(label, ours)
    for name in sorted({row.lesion_class for row in rows if row.lesion_class}):
        _print_summary(name, [row for row in rows if row.lesion_class == name and row.kind == "lung"])
    false = sum(row.outcome == "false" for row in rows)
    print(f"false findings: {false} in {len({row.study for row in rows})} studies with lesions or findings")


def _print_summary(label: str, rows: Sequence[Row]) -> None:
    found = [row for row in rows if row.outcome == "found"]
    print(
        f"{label}: {len(found)} of {len(rows)} found; "
        f"SUVmax found/true {_quartiles(row.suv_max / row.true_suv_max for row in found)}; "  # type: ignore[operator]
        f"MTV/true volume {_quartiles(row.mtv_ml / row.true_volume_ml for row in found)}"  # type: ignore[operator]
    )


def _quartiles(values: Iterable[float]) -> str:
    listed = list(values)
    if not listed:
        return "-"
    low, middle, high = np.quantile(listed, (0.25, 0.5, 0.75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def _pair(true: float | None, found: float | None, digits: int) -> str:
    return " / ".join("-" if value is None else f"{value:.{digits}f}" for value in (true, found))


if __name__ == "__main__":
    sys.exit(main())
