"""Reference values of IBSI 1 that `fdglung.radiomics` meets: its digital phantom and configurations A to E.

`python -m benchmarks.ibsi --image I.nii.gz --mask M.nii.gz --config A|B|C|D|E|phantom --reference VALUES.csv` prints
`matched N of M` and the misses. VALUES.csv is a table of the IBSI with the columns ``reference value``, ``tolerance``
and ``tag``; rows without a value are left out. A value matches where it is within the tolerance after rounding to the
digits of the reference value, at least three. A tag that we do not offer is a miss. Ends with 1 where there are misses.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.radiomics.codes import FEATURES, split
from fdglung.radiomics.preprocessing import (
    Grid,
    make_roi,
    prepare,
    resample_image,
    resample_mask,
    resampled_grid,
)
from fdglung.radiomics.settings import AGGREGATIONS, ImageSettings

IN_PLANE, ALL = AGGREGATIONS[:4], AGGREGATIONS
VOLUME = AGGREGATIONS[4:]
CT = ImageSettings(spacing_mm=(2, 2, 2), round_to=1, bin_count=32, aggregations=VOLUME)

CONFIGURATIONS = {
    "phantom": ImageSettings(bin_width=1, aggregations=ALL),
    "A": ImageSettings(range=(-500, 400), bin_width=25, aggregations=IN_PLANE),
    "B": replace(CT, spacing_mm=(2, 2, 0), range=(-500, 400), aggregations=IN_PLANE),
    "C": replace(CT, range=(-1000, 400), bin_width=25, bin_count=None, ivh_bin_width=2.5),
    "D": replace(CT, outlier_sigma=3),
    "E": replace(CT, interpolator="bspline", range=(-1000, 400), outlier_sigma=3, ivh_bin_count=1000),
}
"""IBSI reference manual, chapter "Reference data sets" (doi:10.1148/radiol.2020191145, supplement)."""


@dataclass(frozen=True)
class Miss:
    """A reference value that was not met; `found` is None where we do not offer the feature."""

    tag: str
    found: float | None
    reference: float
    tolerance: float


def features_of(image: sitk.Image, mask: sitk.Image, settings: ImageSettings) -> dict[str, float]:
    """Every feature that we offer, and IBSI's diagnostic ones, by IBSI's tags."""
    from fdglung.radiomics.histogram import histogram_features
    from fdglung.radiomics.intensity import intensity_features
    from fdglung.radiomics.ivh import ivh_features
    from fdglung.radiomics.morphology import morphology_features
    from fdglung.radiomics.peak import peak_features
    from fdglung.radiomics.texture import texture_features

    prepared = prepare(image, mask, settings)
    roi = prepared.roi
    return {
        **diagnostics(image, mask, settings),
        **morphology_features(roi),
        **peak_features(roi, surroundings=prepared.surroundings, offset=prepared.offset),
        **intensity_features(roi),
        **histogram_features(roi),
        **ivh_features(
            roi,
            intensity_range=settings.range,
            bin_width=settings.ivh_bin_width,
            bin_count=settings.ivh_bin_count,
        ),
        **texture_features(roi, aggregations=settings.aggregations),
    }


def diagnostics(image: sitk.Image, mask: sitk.Image, settings: ImageSettings) -> dict[str, float]:
    """IBSI's diagnostic features of the image and the masks, before and after each step."""
    found: dict[str, float] = {}
    for stage, grid in (
        ("init", resampled_grid(image, None)),
        ("interp", resampled_grid(image, settings.spacing_mm)),
    ):
        intensity = resample_image(image, grid, settings)
        inside = resample_mask(mask, grid, settings.mask_threshold)
        found |= _image_diagnostics(stage, grid, intensity)
        found |= _mask_diagnostics(stage, intensity, inside, inside)
    z, y, x = grid.spacing_mm[::-1]
    roi = make_roi(intensity, inside, (z, y, x), settings)
    return found | _mask_diagnostics("reseg", intensity, roi.intensity_mask, roi.morphological_mask)


def compare(found: dict[str, float], reference: Path) -> tuple[int, int, list[Miss]]:
    """Reference values met, reference values in all, and the misses."""
    misses = []
    total = 0
    for tag, text, tolerance in rows(reference):
        total += 1
        value = found.get(tag)
        if value is None or not matches(value, text, tolerance):
            misses.append(Miss(tag, value, float(text), tolerance))
    return total - len(misses), total, misses


def rows(reference: Path) -> list[tuple[str, str, float]]:
    """Tag, reference value as written, and tolerance of each row that has a value."""
    lines = reference.read_text(encoding="utf-8-sig").splitlines()
    delimiter = ";" if ";" in lines[0] else ","
    table = [
        {key.strip(): cell.strip() for key, cell in row.items()} for row in csv.DictReader(lines, delimiter=delimiter)
    ]
    return [
        (row["tag"], row["reference value"], float(row["tolerance"] or 0)) for row in table if row["reference value"]
    ]


def matches(value: float, text: str, tolerance: float) -> bool:
    """Whether a value meets a reference value, given as it is written."""
    if not math.isfinite(value):
        return False
    mantissa = text.lower().split("e")[0].lstrip("+-0.").replace(".", "")
    digits = max(3, len(mantissa if "." in text else mantissa.rstrip("0")))
    rounded = float(f"{value:.{digits - 1}e}")
    reference = float(text)
    return abs(rounded - reference) <= tolerance + 1e-9 * max(tolerance, abs(reference))


def read(path: Path, *, whole_numbers: bool) -> sitk.Image:
    """Read an image; HU of a NIfTI file are to be rounded before anything else (IBSI manual, reference data sets)."""
    image = sitk.ReadImage(str(path))
    if not whole_numbers:
        return image
    rounded = sitk.GetImageFromArray(np.rint(sitk.GetArrayFromImage(image).astype(np.float64)))
    rounded.CopyInformation(image)
    return rounded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--mask", type=Path, required=True)
    parser.add_argument("--config", choices=sorted(CONFIGURATIONS), required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON in the last line")
    options = parser.parse_args()
    start = time.perf_counter()
    image = read(options.image, whole_numbers=options.config != "phantom")
    found = features_of(image, sitk.ReadImage(str(options.mask)), CONFIGURATIONS[options.config])
    seconds = time.perf_counter() - start
    matched, total, misses = compare(found, options.reference)
    offered = {split(tag)[0] for tag in found} & set(FEATURES)
    print(f"matched {matched} of {total}")
    for miss in misses:
        value = "not offered" if miss.found is None else f"{miss.found:.6g}"
        print(f"missed {miss.tag}: {value}, reference {miss.reference:g} +- {miss.tolerance:g}")
    print(f"offered {len(offered)} of IBSI's {len(FEATURES)} features; {seconds:.1f} s")
    if options.json:
        figures = {
            "matched": matched,
            "total": total,
            "offered": len(offered),
            "misses": [miss.tag for miss in misses],
            "seconds": seconds,
        }
        print(json.dumps(figures))
    return int(bool(misses))


def _image_diagnostics(stage: str, grid: Grid, intensity: NDArray[np.float64]) -> dict[str, float]:
    found = {f"img_dim_{axis}_{stage}_img": float(n) for axis, n in zip("xyz", grid.size, strict=True)}
    found |= {f"vox_dim_{axis}_{stage}_img": mm for axis, mm in zip("xyz", grid.spacing_mm, strict=True)}
    return found | {
        f"mean_int_{stage}_img": float(intensity.mean()),
        f"min_int_{stage}_img": float(intensity.min()),
        f"max_int_{stage}_img": float(intensity.max()),
    }


def _mask_diagnostics(
    stage: str, intensity: NDArray[np.float64], kept: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> dict[str, float]:
    values = intensity[kept]
    found = {f"int_mask_dim_{axis}_{stage}_roi": float(n) for axis, n in zip("xyz", kept.shape[::-1], strict=True)}
    for name, mask in (("int", kept), ("morph", inside)):
        extent = np.ptp(np.argwhere(mask), axis=0)[::-1] + 1
        found |= {f"{name}_mask_bb_dim_{axis}_{stage}_roi": float(n) for axis, n in zip("xyz", extent, strict=True)}
        found[f"{name}_mask_vox_count_{stage}_roi"] = float(mask.sum())
    return found | {
        f"int_mask_mean_int_{stage}_roi": float(values.mean()),
        f"int_mask_min_int_{stage}_roi": float(values.min()),
        f"int_mask_max_int_{stage}_roi": float(values.max()),
    }


if __name__ == "__main__":
    raise SystemExit(main())
