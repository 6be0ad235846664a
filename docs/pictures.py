"""Make the pictures of README and docs from synthetic studies: `python docs/pictures.py`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import SimpleITK as sitk

from fdglung import RESEARCH_NOTICE, study
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
    """Make one study a class, show them side by side, and analyse the lung cancer for the README."""
    PICTURES.mkdir(exist_ok=True)
    made = {group: make_study(seed=seed, lesion_class=group, overlap=0.0) for group, seed in SHOWN.items()}
    show_classes(made, PICTURES / "phantom_classes.png")
    trunk = make_study(seed=17, region="trunk")
    show_trunk(trunk, PICTURES / "phantom_trunk.png")
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


def _finish(figure: plt.Figure, axes: np.ndarray, path: Path) -> None:
    for axis in axes.flat:
        axis.axis("off")
    figure.supxlabel(f"Synthetic. {RESEARCH_NOTICE}", fontsize=10)
    figure.savefig(path, dpi=60)
    plt.close(figure)


if __name__ == "__main__":
    main()
