"""Slices with their truth as the network sees them: cropped to the body, 256 x 256, one file a CT."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import DataListError
from fdglung.files import write_files
from fdglung.hounsfield import on_hounsfield_scale
from fdglung.image_files import read_image
from fdglung.lungs.labels import sides_of_lobes
from fdglung.lungs.slices import Box, cropped

SIDE = 256
"""Pixels along y and x of what lungmask gives its network."""

PHANTOM_LOBES = {10: 1, 11: 2, 7: 3, 8: 4, 9: 5}
"""Values of a synthetic study's organ map (`fdglung.phantom.organs.Organ`) to those of `LOBES`."""

TRAIN, VALIDATION = "train", "validation"


@dataclass(frozen=True)
class LabelledCt:
    """A CT with the truth about its lungs.

    Attributes
    ----------
    name
        Names its file of slices.
    ct
        HU.
    truth
        On the grid of `ct`.
    values
        Values of `truth` to lobes (1 to 5, `LOBES`) where `has_lobes`, and to sides (1 right, 2 left) otherwise.
    has_lobes
        Whether `truth` tells lobes.
    split
        ``train`` or ``validation``.

    """

    name: str
    ct: Path
    truth: Path
    values: dict[int, int]
    has_lobes: bool
    split: str


def phantom_cases(cohort: Path | str) -> list[LabelledCt]:
    """List the studies of a cohort that `fdglung phantom --format nifti` wrote, tests left out.

    Raises
    ------
    DataListError
        There is no such cohort, or its files are no NIfTI.

    """
    cohort = Path(cohort)
    table = cohort / "cohort.csv"
    if not table.is_file():
        raise _refused(f"{cohort} holds no cohort.csv", "Make a cohort with `fdglung phantom --format nifti`")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = [(row["study"], row["split"]) for row in csv.DictReader(stream)]
    cases = [
        LabelledCt(
            name=f"{cohort.name}_{name}",
            ct=cohort / name / "ct.nii.gz",
            truth=cohort / name / "ct_organs.nii.gz",
            values=PHANTOM_LOBES,
            has_lobes=True,
            split=split,
        )
        for name, split in rows
        if split in (TRAIN, VALIDATION)
    ]
    for case in cases:
        if not (case.ct.is_file() and case.truth.is_file()):
            raise _refused(f"{case.ct.parent} holds no CT or no organ map in NIfTI", "Make the cohort with nifti files")
    return cases


def masked_case(ct: Path | str, mask: Path | str) -> LabelledCt:
    """Return a CT with a mask of its lungs, 1 right and 2 left, to be trained on."""
    ct = Path(ct)
    return LabelledCt(ct.name.split(".")[0], ct, Path(mask), {1: 1, 2: 2}, has_lobes=False, split=TRAIN)


def write_slices(
    cases: Sequence[LabelledCt], folder: Path | str, *, progress: Callable[[str, float], None] | None = None
) -> list[Path]:
    """Prepare cases for training; what is there already stays.

    Each file holds ``hu`` (int16), ``sides`` (uint8: 1 right, 2 left), ``lobes`` (uint8; empty where they are not
    known), each (slice, 256, 256) from below upwards, and ``split``.

    Raises
    ------
    DataListError
        Two cases have one name, or a truth does not lie on its CT's grid or holds no lung.
    UnreadableImageError
        A file cannot be read.

    """
    tell = progress or (lambda text, fraction: None)
    names = [case.name for case in cases]
    for name in names:
        if names.count(name) > 1:
            raise _refused(f"{names.count(name)} cases are called {name}", "Give their files different names")
    paths = []
    for done, case in enumerate(cases):
        tell(f"slices of {case.name}", done / len(cases))
        path = Path(folder) / f"{case.name}.npz"
        if not path.is_file():
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **_arrays(case))
            write_files({path: buffer.getvalue()})
        paths.append(path)
    tell("slices written", 1.0)
    return paths


def _arrays(case: LabelledCt) -> dict[str, NDArray[np.generic]]:
    ct, _ = on_hounsfield_scale(read_image(case.ct))
    truth = read_image(case.truth)
    if truth.GetSize() != ct.GetSize():
        raise _refused(
            f"{case.truth.name} does not lie on the grid of {case.ct.name}", "Resample it onto the CT's grid"
        )
    upright, labels = (sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS")) for image in (ct, truth))
    table = np.zeros(max(256, int(labels.max()) + 1), np.uint8)
    table[list(case.values)] = list(case.values.values())
    labels = table[labels.astype(np.int64)]
    if not labels.any():
        raise _refused(f"{case.truth.name} holds no lung", "Name a mask with 1 for the right lung and 2 for the left")
    small, boxes = cropped(upright, SIDE)
    cut = np.stack([_resized(plane, box) for plane, box in zip(labels, boxes, strict=True)])
    return {
        "hu": np.round(small).astype(np.int16),
        "sides": sides_of_lobes(cut) if case.has_lobes else cut,
        "lobes": cut if case.has_lobes else np.empty((0, SIDE, SIDE), np.uint8),
        "split": np.array(case.split),
    }


def _resized(plane: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return labels as `cropped` crops and resizes their CT, but to the nearest voxel."""
    from scipy import ndimage

    inside = plane[box[0] : box[2], box[1] : box[3]]
    return np.asarray(ndimage.zoom(inside, np.array([SIDE, SIDE]) / inside.shape, order=0))


def _refused(problem: str, remedy: str) -> DataListError:
    return DataListError(problem, attribute="training data", remedy=remedy)
