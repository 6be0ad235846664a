"""How far synthetic studies are from real ones, in figures: CT numbers, uptake, noise and its grain.

`python -m benchmarks.phantom_realism [--studies N] [--json]` makes N synthetic thorax studies and measures them and the
real studies in the folder that FDGLUNG_DATA names by the same procedure, without looking at the truth. Each figure is
the first Wasserstein distance between two distributions of values, in the unit of the values. The yardstick beside it
is the same distance among the real studies, where there are several.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage, stats

from fdglung import lungs, study
from fdglung.anatomy import Thorax, thorax_on
from fdglung.reference_uptake import blood_pool_sphere, liver_sphere

Samples = npt.NDArray[np.float64]

UNITS = {
    "lung CT": "HU",
    "vessels of the lung CT": "HU",
    "chest wall CT": "HU",
    "liver CT": "HU",
    "liver CT noise power": "1/mm",
    "lung PET": "g/ml",
    "liver PET": "g/ml",
    "blood pool PET": "g/ml",
    "liver PET coefficient of variation": "",
    "liver PET autocorrelation": "mm",
}
"""What is compared, and the unit of its distance."""


@dataclass(frozen=True)
class Measured:
    """What one study shows: samples by name, each a sorted 1D array of values or of weighted positions."""

    name: str
    samples: dict[str, Samples]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--studies", type=int, default=6, help="synthetic studies (default: 6)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from tqdm import tqdm

    real = [measure(name, ct, pet) for name, ct, pet in tqdm(list(real_studies()), desc="real studies")]
    synthetic = [
        measure(name, ct, pet)
        for name, ct, pet in tqdm(
            synthetic_studies(options.studies, options.seed), total=options.studies, desc="synthetic studies"
        )
    ]
    rows = [row(name, real, synthetic) for name in UNITS]
    if options.json:
        print(json.dumps({"real": [m.name for m in real], "synthetic": len(synthetic), "distances": rows}, indent=2))
        return 0
    print(f"{len(synthetic)} synthetic studies against {', '.join(m.name for m in real) or 'no real study'}")
    print(f"{'':36}{'real':>15}{'synthetic':>15}{'distance':>10}{'among real':>12}{'among synth.':>14}")
    for line in rows:
        distances = (_text(line[key]) for key in ("distance", "among_real", "among_synthetic"))
        print("{:36}{:>15}{:>15}".format(line["name"], line["real"], line["synthetic"]), end="")
        print("{:>10}{:>12}{:>14}".format(*distances), line["unit"])
    return 0


def real_studies() -> Iterator[tuple[str, sitk.Image, sitk.Image | None]]:
    """Yield name, CT (HU) and PET (SUVbw) of the real studies that are there."""
    folder = Path(os.environ.get("FDGLUNG_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    for name in ("acrin_nsclc_042", "thorax_ct/nlst_101287"):
        if (folder / name).exists():
            loaded = study.load(folder / name)
            if loaded.ct is not None:
                yield name, loaded.ct, loaded.pet
    path = folder / "thorax_ct" / "4dlung_113_ct.nii.gz"
    if path.exists():
        yield "4dlung_113", sitk.ReadImage(path), None


def synthetic_studies(count: int, seed: int) -> Iterator[tuple[str, sitk.Image, sitk.Image]]:
    """Yield name, CT (HU) and PET (SUVbw) of synthetic studies."""
    from fdglung.phantom.synthesis import make_study

    for index in range(count):
        made = make_study(seed=seed + index)
        yield f"synthetic {seed + index}", made.ct, made.pet


def measure(name: str, ct: sitk.Image, pet: sitk.Image | None) -> Measured:
    """Measure one study: where to look is found in the images alone."""
    region = lungs.segment(ct)
    mask = sitk.GetArrayFromImage(region.mask)
    hu = sitk.GetArrayFromImage(ct).astype(np.float32)
    spacing = ct.GetSpacing()[::-1]
    samples: dict[str, Samples] = {}
    deep = ndimage.binary_erosion(mask > 0, iterations=1) & _every_slice(mask, 5)
    deep_hu = hu[ndimage.binary_erosion(mask > 0, structure=np.ones((1, 9, 9)))]
    samples["lung CT"] = np.sort(hu[deep].astype(np.float64)[::7])
    # the upper tail of the deep lung: vessels and airway walls
    samples["vessels of the lung CT"] = np.sort(np.quantile(deep_hu, np.linspace(0.9, 0.995, 200)))
    samples["chest wall CT"] = _chest_wall(hu, mask, spacing)
    coarse = _coarse(ct)
    thorax = thorax_on(coarse if pet is None else sitk.DICOMOrient(pet, "LPS"), ct, region)
    liver = liver_sphere(thorax)
    if liver is not None:
        grid = coarse if pet is None else sitk.DICOMOrient(pet, "LPS")
        inside = _resample_mask(liver, grid, ct)
        samples["liver CT"] = np.sort(hu[inside].astype(np.float64))
        samples["liver CT noise power"] = _noise_power(hu, inside, spacing)
    if pet is not None:
        samples |= _pet_samples(thorax, liver)
    return Measured(name, samples)


def row(name: str, real: list[Measured], synthetic: list[Measured]) -> dict[str, object]:
    """Compare one kind of sample: mean over all pairs."""
    ours, theirs = ([m.samples[name] for m in group if name in m.samples] for group in (synthetic, real))
    return {
        "name": name,
        "unit": UNITS[name],
        "real": _summary(theirs),
        "synthetic": _summary(ours),
        "distance": _mean_distance([(a, b) for a in ours for b in theirs]),
        "among_real": _mean_distance(list(combinations(theirs, 2))),
        "among_synthetic": _mean_distance(list(combinations(ours, 2))),
    }


def _pet_samples(thorax: Thorax, liver: npt.NDArray[np.bool_] | None) -> dict[str, Samples]:
    samples = {}
    deep = ndimage.binary_erosion(thorax.lungs > 0, iterations=2) & (thorax.suv < 2.0)
    samples["lung PET"] = np.sort(thorax.suv[deep].astype(np.float64))
    blood = blood_pool_sphere(thorax)
    if blood is not None:
        samples["blood pool PET"] = np.sort(thorax.suv[blood].astype(np.float64))
    if liver is not None:
        values = thorax.suv[liver].astype(np.float64)
        samples["liver PET"] = np.sort(values)
        samples["liver PET coefficient of variation"] = np.array([values.std() / values.mean()])
        samples["liver PET autocorrelation"] = np.array([_grain_mm(thorax, liver)])
    return samples


def _grain_mm(thorax: Thorax, liver: npt.NDArray[np.bool_]) -> float:
    """Full width at half maximum of the noise's autocorrelation, from its value one voxel apart in the plane.

    A Gaussian autocorrelation of width w has 2^-((2 d / w)^2) at a distance d.
    """
    suv = np.where(liver, thorax.suv - thorax.suv[liver].mean(), 0).astype(np.float64)
    total = []
    for axis in (1, 2):
        pairs = liver & np.roll(liver, 1, axis)
        total.append((suv * np.roll(suv, 1, axis))[pairs].mean())
    ratio = float(np.clip(np.mean(total) / suv[liver].var(), 0.01, 0.99))
    return float(2 * thorax.spacing_mm[1] / np.sqrt(-np.log2(ratio)))


def _chest_wall(hu: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8], spacing: tuple[float, ...]) -> Samples:
    """CT numbers from -200 to 200 HU between the skin and the lungs, in the slices of the middle third of the lungs."""
    slices = np.flatnonzero((mask > 0).any(axis=(1, 2)))
    third = slices[len(slices) // 3 : 2 * len(slices) // 3 : 4]
    values = []
    for z in third:
        body = ndimage.binary_opening(hu[z] > -300, iterations=3)
        labels, count = ndimage.label(body)
        if count == 0:
            continue
        body = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
        body = ndimage.binary_fill_holes(body)
        hull = ndimage.binary_closing(mask[z] > 0, iterations=int(40 / spacing[1]))
        hull = ndimage.binary_fill_holes(hull)
        wall = ndimage.binary_erosion(body, iterations=int(4 / spacing[1])) & ~hull
        inside = hu[z][wall]
        values.append(inside[(inside > -200) & (inside < 200)])
    return np.sort(np.concatenate(values).astype(np.float64)[::11])


def _noise_power(hu: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_], spacing: tuple[float, ...]) -> Samples:
    """Frequencies (1/mm) of the noise in the plane, drawn by their power: quantiles of the radial noise power."""
    planes = np.flatnonzero(inside.any(axis=(1, 2)))
    side = int(20 / spacing[1]) // 2 * 2
    power = np.zeros((side, side))
    window = np.outer(np.hanning(side), np.hanning(side))
    for z in planes[len(planes) // 4 : 3 * len(planes) // 4 + 1]:
        y, x = (int(c) for c in ndimage.center_of_mass(inside[z]))
        patch = hu[z, y - side // 2 : y + side // 2, x - side // 2 : x + side // 2].astype(np.float64)
        if patch.shape == power.shape:
            power += np.abs(np.fft.fft2((patch - patch.mean()) * window)) ** 2
    frequency = np.fft.fftfreq(side, spacing[1])
    radius = np.hypot(frequency[:, None], frequency[None, :])
    keep = (radius > 0) & (radius < 0.5 / spacing[1])
    order = np.argsort(radius[keep])
    share = np.cumsum(power[keep][order])
    return np.interp(np.linspace(0.005, 0.995, 200), share / share[-1], radius[keep][order])


def _every_slice(mask: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.bool_]:
    kept = np.zeros((len(mask), 1, 1), bool)
    kept[::step] = True
    return kept


def _coarse(ct: sitk.Image) -> sitk.Image:
    """Return an empty image of 4 mm voxels over a CT, in LPS order: a stand-in for a PET that is not there."""
    ct = sitk.DICOMOrient(ct, "LPS")
    size = [max(1, int(n * s / 4)) for n, s in zip(ct.GetSize(), ct.GetSpacing(), strict=True)]
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing((4.0, 4.0, 4.0))
    image.SetOrigin(ct.GetOrigin())
    image.SetDirection(ct.GetDirection())
    return image


def _resample_mask(mask: npt.NDArray[np.bool_], grid: sitk.Image, ct: sitk.Image) -> npt.NDArray[np.bool_]:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(grid)
    found = sitk.GetArrayFromImage(sitk.Resample(image, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
    return np.asarray(found > 0)


def _mean_distance(pairs: list[tuple[Samples, Samples]]) -> float | None:
    if not pairs:
        return None
    return float(np.mean([stats.wasserstein_distance(a, b) for a, b in pairs]))


def _summary(samples: list[Samples]) -> str:
    if not samples:
        return "-"
    values = np.concatenate([np.quantile(s, np.linspace(0, 1, 500)) for s in samples])
    one = all(len(s) == 1 for s in samples) and len(samples) == 1
    return f"{values[0]:.3g}" if one else f"{values.mean():.3g} ± {values.std():.3g}"


def _text(value: object) -> str:
    return "-" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
