"""Make the pictures of README and docs from synthetic studies: `python docs/pictures.py`.

`python docs/pictures.py CT MASK [CT MASK...] [--weights FILE] [--overlays DIR]` draws the outlines that fdglung gives
lungs in CTs with a mask (1 right, 2 left lung) beside those of the mask, without the CT itself; with
`--overlays` it draws both over the CT too, to be looked at.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import SimpleITK as sitk

from fdglung import RESEARCH_NOTICE, lungs, study
from fdglung.image_files import read_image
from fdglung.lungs.labels import sides_of_lobes
from fdglung.lungs.training.slices import PHANTOM_LOBES
from fdglung.lungs.weights import OWN_FILE
from fdglung.phantom import LesionClass, SyntheticStudy, make_study, write_dicom_study
from fdglung.pipeline import analyze
from fdglung.reporting import write_report

PICTURES = Path(__file__).with_name("pictures")

SHOWN = {
    LesionClass.LYMPHOMA: 3,
    LesionClass.LUNG_CANCER: 5,
    LesionClass.BENIGN: 12,
    LesionClass.METASTASIS: 9,
}
"""Seed of the study that shows each class."""


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("files", type=Path, nargs="*", metavar="CT MASK")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="for lungs (default: what fdglung takes itself)")
    parser.add_argument("--overlays", type=Path, metavar="DIR", help="where outlines over each CT go")
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    if options.files:
        show_outlines(options.files, PICTURES / "lungs_outlines.png", options.weights, options.overlays)
    else:
        show_synthetic()


def show_synthetic() -> None:
    """Make one study a class, show them side by side, and analyse the lung cancer for the README."""
    made = {group: make_study(seed=seed, lesion_class=group, overlap=0.0) for group, seed in SHOWN.items()}
    show_classes(made, PICTURES / "phantom_classes.png")
    trunk = make_study(seed=17, region="trunk")
    show_trunk(trunk, PICTURES / "phantom_trunk.png")
    if OWN_FILE.is_file():
        show_lungs(trunk, PICTURES / "lungs.png")
    with tempfile.TemporaryDirectory() as folder:
        dicom = write_dicom_study(made[LesionClass.LUNG_CANCER], Path(folder) / "study")
        write_report(analyze(study.load(dicom)), Path(folder) / "report")
        for name in ("mip.png", "lesion_01.png"):
            shutil.copy(Path(folder) / "report" / name, PICTURES / name)


def show_classes(made: dict[LesionClass, SyntheticStudy], path: Path) -> None:
    """Show each study's largest lung lesion: CT in lung and soft tissue window, fused, coronal CT and PET MIP."""
    figure, axes = plt.subplots(len(made), 5, figsize=(20, 3.6 * len(made)), layout="constrained")
    for row, (group, one) in zip(axes, made.items(), strict=True):
        lesion = max((item for item in one.lesions if item.kind == "lung"), key=lambda item: item.volume_ml)
        ct, pet = one.ct, sitk.Resample(one.pet, one.ct, sitk.Transform(), sitk.sitkLinear, 0.0)
        mask = sitk.GetArrayFromImage(one.ct_lesion_mask)
        hu, suv = sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(pet)
        z, y, _ = (int(v) for v in np.round(np.argwhere(mask == lesion.label).mean(axis=0)))
        left, right, down = ct.GetSpacing()[0], ct.GetSpacing()[1], ct.GetSpacing()[2]
        crop = slice(70, 440)
        row[0].imshow(hu[z, crop], cmap="gray", vmin=-1350, vmax=150)
        row[1].imshow(hu[z, crop], cmap="gray", vmin=-160, vmax=240)
        row[2].imshow(hu[z, crop], cmap="gray", vmin=-1350, vmax=350)
        row[2].imshow(suv[z, crop], cmap="hot", vmin=0, vmax=8, alpha=0.5)
        row[2].contour(mask[z, crop] > 0, levels=[0.5], colors="cyan", linewidths=0.8)
        row[3].imshow(hu[::-1, y], cmap="gray", vmin=-1350, vmax=150, aspect=down / left)
        row[4].imshow(suv.max(axis=1)[::-1], cmap="gray_r", vmin=0, vmax=7, aspect=down / right)
        there = sitk.Resample(one.lesion_mask, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        row[4].contour(
            (sitk.GetArrayFromImage(there) > 0).any(axis=1)[::-1], levels=[0.5], colors="crimson", linewidths=0.8
        )
        scanner = f"{one.acquisition.scanner}, {one.acquisition.reconstruction}"
        row[0].set_title(f"{group.value}: {lesion.subtype}, {lesion.place}", fontsize=11, loc="left")
        row[3].set_title(f"{one.subject.sex}, {one.subject.age_years:.0f} years, {scanner}", fontsize=11, loc="left")
    _finish(figure, axes, path)


def show_trunk(one: SyntheticStudy, path: Path) -> None:
    """Show a trunk: coronal and sagittal CT, coronal and sagittal PET MIP."""
    figure, axes = plt.subplots(1, 4, figsize=(18, 9), layout="constrained")
    hu, suv = sitk.GetArrayFromImage(one.ct), sitk.GetArrayFromImage(one.pet)
    _, across, down = one.ct.GetSpacing()
    axes[0].imshow(hu[::-1, hu.shape[1] // 2 + 8, 20:-20], cmap="gray", vmin=-160, vmax=240, aspect=down / across)
    axes[1].imshow(hu[::-1, 60:-60, hu.shape[2] // 2], cmap="gray", vmin=-160, vmax=240, aspect=down / across)
    _, across, down = one.pet.GetSpacing()
    middle, half = suv.shape[2] // 2, int(250 / across)
    near = slice(max(middle - half, 0), middle + half)
    axes[2].imshow(suv[:, near, near].max(axis=1)[::-1], cmap="gray_r", vmin=0, vmax=8, aspect=down / across)
    axes[3].imshow(suv[:, near, near].max(axis=2)[::-1], cmap="gray_r", vmin=0, vmax=8, aspect=down / across)
    _finish(figure, axes, path)


def show_lungs(one: SyntheticStudy, path: Path) -> None:
    """Show the outlines by the network for lungs (red, cyan) and the truth (dotted) over a synthetic CT."""
    table = np.zeros(256, np.uint8)
    table[list(PHANTOM_LOBES)] = list(PHANTOM_LOBES.values())
    organs = sitk.GetArrayFromImage(one.ct_organs)
    truth = sides_of_lobes(table[organs])
    region = lungs.segment(one.ct, weights=OWN_FILE)
    figure, axes = plt.subplots(2, 4, figsize=(18, 9), layout="constrained")
    _draw_slices(axes, one.ct, sitk.GetArrayFromImage(region.mask), truth, with_ct=True)
    _finish(figure, axes, path)


def show_outlines(files: list[Path], path: Path, weights: Path | None, overlays: Path | None) -> None:
    """Show the outlines of lungs that fdglung finds (red, cyan) and those of a mask (dotted) in patients' CTs."""
    pairs = list(zip(files[::2], files[1::2], strict=True))
    figure, axes = plt.subplots(2 * len(pairs), 4, figsize=(18, 8 * len(pairs)), layout="constrained")
    for rows, (ct_path, mask_path) in zip(axes.reshape(-1, 2, 4), pairs, strict=True):
        ct, mask = (sitk.DICOMOrient(read_image(each), "LPS") for each in (ct_path, mask_path))
        found = sitk.GetArrayFromImage(lungs.segment(ct, weights=weights).mask)
        truth = sitk.GetArrayFromImage(mask)
        dice = 2 * ((found > 0) & (truth > 0)).sum() / ((found > 0).sum() + (truth > 0).sum())
        name = f"{ct_path.name.split('.')[0]}, Dice {dice:.3f}"
        _draw_slices(rows, ct, found, truth, with_ct=False)
        rows[0][0].set_title(name, loc="left")
        if overlays:
            overlays.mkdir(parents=True, exist_ok=True)
            alone, its_axes = plt.subplots(2, 4, figsize=(24, 12), layout="constrained")
            _draw_slices(its_axes, ct, found, truth, with_ct=True)
            its_axes[0][0].set_title(name, loc="left")
            _finish(alone, its_axes, overlays / f"{ct_path.name.split('.')[0]}.png", "")
    _finish(figure, axes, path, "Outlines in CTs of patients.")


def _draw_slices(axes: np.ndarray, ct: sitk.Image, found: np.ndarray, truth: np.ndarray, *, with_ct: bool) -> None:
    """Draw four axial slices from below upwards and four coronal ones from the front backwards."""
    hu = sitk.GetArrayViewFromImage(ct)
    across, _, down = ct.GetSpacing()
    for axis, row in zip((0, 1), axes, strict=True):
        planes = np.flatnonzero(truth.any(axis=tuple({0, 1, 2} - {axis})))
        ends = [np.argwhere(truth.any(axis=axis)).min(axis=0) - 20, np.argwhere(truth.any(axis=axis)).max(axis=0) + 20]
        aspect = 1.0 if axis == 0 else down / across
        for place, at in zip(row, np.quantile(planes, (0.15, 0.4, 0.65, 0.9)).astype(int), strict=True):
            background = np.take(hu, at, axis=axis) if with_ct else np.full_like(np.take(hu, at, axis=axis), -1350)
            place.imshow(background, cmap="gray", vmin=-1350, vmax=150, aspect=aspect)
            for side, colour in ((1, "red"), (2, "cyan")):
                for labels, style in ((found, "solid"), (truth, "dotted")):
                    plane = np.take(labels, at, axis=axis) == side
                    if plane.any():
                        shade = colour if style == "solid" else "white"
                        place.contour(plane, levels=[0.5], colors=shade, linewidths=1.2, linestyles=style)
            low, high = np.maximum(ends[0], 0), np.minimum(ends[1], background.shape)
            place.set_xlim(low[1], high[1])
            place.set_ylim(*((low[0], high[0]) if axis else (high[0], low[0])))


def _finish(figure: plt.Figure, axes: np.ndarray, path: Path, kind: str = "Synthetic.") -> None:
    for axis in axes.flat:
        axis.axis("off")
    figure.supxlabel(f"{kind} {RESEARCH_NOTICE}", fontsize=10)
    figure.savefig(path, dpi=60)
    plt.close(figure)


if __name__ == "__main__":
    main()
