"""How well masks drawn on the PET are put where their lesions lie on the CT, on a synthetic cohort.

`python -m benchmarks.alignment COHORT [--split train] [--most N] [--grow] [--settings FILE] [--json]` reads a cohort of
`fdglung phantom COHORT --format nifti` and aligns each lesion's true mask at the PET's breath (``lesions.nii.gz``) with
the CT. Its error is the distance from there to the centroid of the same lesion at the CT's breath
(``ct_lesions.nii.gz``), its error before that of the mask as drawn. Of a study with many lesions `--most` are taken,
spread over its labels, so that none outweighs the others. ``lung+`` are those lesions of the lungs that lie at soft
tissue on the CT: of the voxels beside them more than 30 % are above -300 HU.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar
from fdglung.phantom.writer.truth import read_truth
from fdglung.radiomics.alignment import align
from fdglung.radiomics.settings import AlignmentSettings, from_yaml

Item = TypeVar("Item")

SOFT_HU, TISSUE_SHARE = -300.0, 0.3
"""A lesion lies at soft tissue where more than this share of the voxels beside it is denser than this."""

FAR_MM = 5.0
"""Beyond it a small lesion and its mask hardly overlap."""


@dataclass(frozen=True)
class Measured:
    """A lesion's distance from its place on the CT in mm, as drawn and after alignment."""

    split: str
    kind: str
    at_tissue: bool
    before_mm: float
    after_mm: float


@dataclass(frozen=True)
class Summary:
    """Errors in mm of lesions of one kind and split, each as drawn and after alignment; shares in percent."""

    split: str
    kind: str
    lesions: int
    mean: tuple[float, float]
    median: tuple[float, float]
    p90: tuple[float, float]
    beyond_5_mm: tuple[float, float]
    worse_by_2_mm: float
    worse_by_5_mm: float
    far_ones_after_median: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--split", nargs="+", help="splits of cohort.csv (default: all)")
    parser.add_argument("--most", type=int, default=6, help="lesions of a study (default: 6)")
    parser.add_argument(
        "--settings", type=Path, help="radiomics settings whose CT has alignment (default: its defaults)"
    )
    parser.add_argument("--grow", action="store_true", help="masks a voxel larger all round, as thresholds draw them")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = AlignmentSettings()
    if options.settings:
        settings = from_yaml(options.settings).modalities["CT"].alignment or settings
    studies = studies_of(options.cohort, options.split)
    found: list[Measured] = []
    seconds = 0.0
    with ProgressBar() as tell:
        for index, (name, split) in enumerate(studies):
            tell(name, index / len(studies))
            start = process_time()
            found += measured(options.cohort / name, split, settings, most=options.most, grow=options.grow)
            seconds += process_time() - start
    rows = list(summaries(found))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return 0
    print("split          kind  lesions  mean mm    median mm  90 % mm    > 5 mm, %  worse by 2, 5 mm, %  far ones")
    for row in rows:
        pairs = "  ".join(f"{a:4.1f} {b:4.1f}" for a, b in (row.mean, row.median, row.p90, row.beyond_5_mm))
        worse = f"{row.worse_by_2_mm:4.1f} {row.worse_by_5_mm:4.1f}"
        print(f"{row.split:14s} {row.kind:5s} {row.lesions:6d}  {pairs}  {worse}  {row.far_ones_after_median:.1f}")
    print(f"{seconds / max(1, len(studies)):.2f} s of CPU a study with reading. Synthetic. {RESEARCH_NOTICE}")
    return 0


def measured(folder: Path, split: str, settings: AlignmentSettings, *, most: int, grow: bool) -> Iterator[Measured]:
    """Yield the errors of a study's lesions, those apart that the CT's mask does not hold."""
    drawn, true = (sitk.ReadImage(folder / f"{name}.nii.gz") for name in ("lesions", "ct_lesions"))
    centroids = [_centroids(image) for image in (drawn, true)]
    labels = [label for label in centroids[0] if label in centroids[1]]
    labels = spread(labels, most)
    kinds = {lesion.label: lesion.kind for lesion in read_truth(folder).lesions}
    ct = sitk.ReadImage(folder / "ct.nii.gz")
    soft = sitk.GetArrayViewFromImage(ct) > SOFT_HU
    places = sitk.GetArrayViewFromImage(true)
    for label, one in align(ct, _grown(drawn) if grow else drawn, settings, labels=labels).items():
        away = centroids[1][label] - centroids[0][label]
        beside = ndimage.binary_dilation(places == label) & (places == 0)
        yield Measured(
            split,
            kinds[label],
            bool(beside.any() and soft[beside].mean() > TISSUE_SHARE),
            float(np.linalg.norm(away)),
            float(np.linalg.norm(away - np.array(one.shift_mm))),
        )


def summaries(found: list[Measured]) -> Iterator[Summary]:
    """Yield a row for each split and kind."""
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for one in found:
        for kind in (one.kind, *(["lung+"] if one.kind == "lung" and one.at_tissue else [])):
            groups.setdefault((one.split, kind), []).append((one.before_mm, one.after_mm))
    for (split, kind), own in sorted(groups.items()):
        errors = np.array(own)
        before, after = errors.T
        far = before > FAR_MM
        yield Summary(
            split,
            kind,
            len(own),
            pair(errors.mean(axis=0)),
            pair(np.median(errors, axis=0)),
            pair(np.quantile(errors, 0.9, axis=0)),
            pair(100 * (errors > FAR_MM).mean(axis=0)),
            100 * float((after > before + 2).mean()),
            100 * float((after > before + 5).mean()),
            float(np.median(after[far])) if far.any() else float("nan"),
        )


def studies_of(cohort: Path, splits: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return name and split of a cohort's studies, of these splits or of all."""
    with (cohort / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        studies = [(row["study"], row["split"]) for row in csv.DictReader(stream)]
    return [(name, split) for name, split in studies if not splits or split in splits]


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return up to so many items, evenly over all."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, most).astype(int))] if items else []


def pair(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return what was before and after as numbers of Python."""
    before, after = (float(value) for value in values)
    return before, after


def _centroids(image: sitk.Image) -> dict[int, npt.NDArray[np.float64]]:
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(image)
    return {label: np.array(shape.GetCentroid(label)) for label in shape.GetLabels()}


def _grown(labels: sitk.Image) -> sitk.Image:
    """Return lesions with the voxels at their faces, other lesions left as they are."""
    array = sitk.GetArrayFromImage(labels)
    cross = ndimage.generate_binary_structure(3, 1)
    grown = sitk.GetImageFromArray(np.where(array == 0, ndimage.grey_dilation(array, footprint=cross), array))
    grown.CopyInformation(labels)
    return grown


if __name__ == "__main__":
    sys.exit(main())
