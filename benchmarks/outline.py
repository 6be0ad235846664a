"""How well lesions are outlined on the CT from masks drawn on the PET, on a synthetic cohort.

`python -m benchmarks.outline COHORT [--split train] [--studies N] [--most N] [--true-masks] [--settings FILE] [--json]`
reads a cohort of `fdglung phantom COHORT --format nifti`. Each lesion's VOI of the PET, at 40 % of its SUVmax as
`benchmarks.phantom_tables` takes it, is aligned with the CT and outlined there. It tells the Dice of both with the
lesion's true mask on the CT (``ct_lesions.nii.gz``) on the CT's voxels. `--true-masks` starts from the true masks at
the PET's breath instead. Of a study with many lesions `--most` are taken, spread over its labels. ``at tissue`` are
lesions of the lungs that lie at soft tissue on the CT, as `benchmarks.alignment` tells it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from benchmarks.alignment import SOFT_HU, TISSUE_SHARE, pair, spread, studies_of
from benchmarks.phantom_tables import vois
from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar
from fdglung.phantom.study import TrueLesion
from fdglung.phantom.writer.truth import read_truth
from fdglung.radiomics.alignment import align, lesion_alone, moved
from fdglung.radiomics.grids import Grid, resampled_grid
from fdglung.radiomics.label_images import boxes_of, labels_in
from fdglung.radiomics.outline import outlines
from fdglung.radiomics.resampling import resample_mask
from fdglung.radiomics.settings import AlignmentSettings, OutlineSettings, from_yaml

GLASS_HU, PART_SOLID_HU = -450.0, -150.0
"""A lesion of the lungs whose mean is below the first is ground glass, below the second part-solid."""

SMALL_ML = 0.5

MARGIN_MM = 40.0
"""Room about a lesion in which its masks are compared."""


@dataclass(frozen=True)
class Measured:
    """A lesion's Dice with its true mask on the CT and its volume over the true one, before and after."""

    kinds: tuple[str, ...]
    dice: tuple[float, float]
    ratio: tuple[float, float]
    outlined: bool


@dataclass(frozen=True)
class Summary:
    """Lesions of one kind, before and after; shares in percent."""

    kind: str
    lesions: int
    mean: tuple[float, float]
    median: tuple[float, float]
    p10: tuple[float, float]
    ratio_median: tuple[float, float]
    worse_by_a_tenth: float
    better_by_a_tenth: float
    outlined: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--split", nargs="+", help="splits of cohort.csv (default: all)")
    parser.add_argument("--studies", type=int, help="spread over the splits' studies (default: all)")
    parser.add_argument("--most", type=int, default=4, help="lesions of a study (default: 4)")
    parser.add_argument("--true-masks", action="store_true", help="start from true masks at the PET's breath")
    parser.add_argument("--settings", type=Path, help="radiomics settings of the CT (default: alignment and outline's)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    alignment: AlignmentSettings | None = AlignmentSettings()
    outline = OutlineSettings()
    if options.settings:
        ct = from_yaml(options.settings).modalities["CT"]
        alignment, outline = ct.alignment, ct.outline or outline
    studies = [name for name, _ in studies_of(options.cohort, options.split)]
    studies = spread(studies, options.studies or len(studies))
    found: list[Measured] = []
    seconds = 0.0
    with ProgressBar() as tell:
        for index, name in enumerate(studies):
            tell(name, index / len(studies))
            lesions, taken = measured(
                options.cohort / name, alignment, outline, most=options.most, true_masks=options.true_masks
            )
            found += lesions
            seconds += taken
    rows = list(summaries(found))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return 0
    print("kind              n  mean          median        10 %          volume      worse, better by 0.1  outlined")
    for row in rows:
        pairs = "  ".join(f"{a:.3f} {b:.3f}" for a, b in (row.mean, row.median, row.p10))
        ratio = f"{row.ratio_median[0]:.2f} {row.ratio_median[1]:.2f}"
        changed = f"{row.worse_by_a_tenth:5.1f} % {row.better_by_a_tenth:5.1f} %"
        print(f"{row.kind:15s} {row.lesions:3d}  {pairs}  {ratio}  {changed}  {row.outlined:10.1f} %")
    each = seconds / max(1, len(studies))
    print(f"Outlines took {each:.2f} s of CPU a study, all its lesions. Synthetic. {RESEARCH_NOTICE}")
    return 0


def measured(
    folder: Path, alignment: AlignmentSettings | None, outline: OutlineSettings, *, most: int, true_masks: bool
) -> tuple[list[Measured], float]:
    """Return a study's lesions that the CT's mask holds, and the seconds of CPU that outlines took."""
    pet, ct, lesions, true = (
        sitk.ReadImage(folder / f"{name}.nii.gz") for name in ("pet", "ct", "lesions", "ct_lesions")
    )
    drawn = lesions if true_masks else vois(pet, lesions)
    every = labels_in(sitk.GetArrayViewFromImage(drawn))
    boxes = boxes_of(drawn, every)
    places = align(ct, drawn, alignment, labels=every) if alignment else {}
    masks = {
        label: moved(alone, places[label].shift_mm) if label in places else alone
        for label, alone in ((label, lesion_alone(drawn, label, boxes[label])) for label in every)
    }
    start = process_time()
    found = outlines(ct, masks, outline)
    seconds = process_time() - start
    there = boxes_of(true, every)
    truth = {lesion.label: lesion for lesion in read_truth(folder).lesions}
    rows = []
    for label in spread([label for label in every if label in there], most):
        box = there[label]
        grid = _about(ct, box)
        inside = resample_mask(lesion_alone(true, label, box), grid)
        before, after = (resample_mask(mask, grid) for mask in (masks[label], found[label].mask))
        kinds = _kinds(truth[label], ct, inside, grid, any_lesion=resample_mask(true, grid))
        overlap = (_dice(before, inside), _dice(after, inside))
        ratio = (before.sum() / inside.sum(), after.sum() / inside.sum())
        rows.append(Measured(kinds, overlap, ratio, found[label].outlined))
    return rows, seconds


def summaries(found: list[Measured]) -> Iterator[Summary]:
    """Yield a row for all lesions and for each kind."""
    for kind in dict.fromkeys(kind for one in sorted(found, key=lambda one: -len(one.kinds)) for kind in one.kinds):
        own = [one for one in found if kind in one.kinds]
        dice, ratio = np.array([one.dice for one in own]), np.array([one.ratio for one in own])
        before, after = dice.T
        yield Summary(
            kind,
            len(own),
            pair(dice.mean(axis=0)),
            pair(np.median(dice, axis=0)),
            pair(np.quantile(dice, 0.1, axis=0)),
            pair(np.median(ratio, axis=0)),
            100 * float((after < before - 0.1).mean()),
            100 * float((after > before + 0.1).mean()),
            100 * float(np.mean([one.outlined for one in own])),
        )


def _about(ct: sitk.Image, box: tuple[slice, slice, slice]) -> Grid:
    """Return the CT's voxels in a box (z, y, x) and a margin."""
    margin = [int(MARGIN_MM / step) for step in ct.GetSpacing()]
    low = [max(0, part.start - n) for part, n in zip(box[::-1], margin, strict=True)]
    high = [min(part.stop + n, size) for part, n, size in zip(box[::-1], margin, ct.GetSize(), strict=True)]
    (x, y, z), (nx, ny, nz) = low, (b - a for a, b in zip(low, high, strict=True))
    return resampled_grid(ct, None).part((x, y, z), (nx, ny, nz))


def _kinds(
    lesion: TrueLesion, ct: sitk.Image, inside: npt.NDArray[np.bool_], grid: Grid, *, any_lesion: npt.NDArray[np.bool_]
) -> tuple[str, ...]:
    kinds = ["all"]
    if lesion.kind != "lung":
        kinds.append(lesion.kind)
    else:
        density = "ground glass" if lesion.hu < GLASS_HU else "part-solid" if lesion.hu < PART_SOLID_HU else "solid"
        kinds += ["lung", density, *(sign for sign in ("air bronchogram", "cavity") if sign in lesion.signs)]
        beside = ndimage.binary_dilation(inside) & ~any_lesion
        start = [round(index) for index in ct.TransformPhysicalPointToContinuousIndex(grid.origin_mm)]
        values = sitk.GetArrayViewFromImage(sitk.RegionOfInterest(ct, list(grid.size), start))
        if beside.any() and np.mean(values[beside] > SOFT_HU) > TISSUE_SHARE:
            kinds.append("at tissue")
    if inside.sum() * np.prod(grid.spacing_mm) < 1000 * SMALL_ML:
        kinds.append(f"below {SMALL_ML:g} ml")
    return tuple(kinds)


def _dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float(2 * np.count_nonzero(one & other) / max(1, np.count_nonzero(one) + np.count_nonzero(other)))


if __name__ == "__main__":
    sys.exit(main())
