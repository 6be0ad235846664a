"""Lesions of a PET and CT in NIfTI files, written as a label image: the same steps as of a study."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from fdglung.errors import OutputExistsError, OutputWriteError, ParameterError
from fdglung.files import write_nifti_image
from fdglung.nifti import read_study
from fdglung.pipeline import Settings, find_lesions, find_lungs
from fdglung.segmentation import LesionSegmentation, SegmentationSettings


def segment_files(
    pet: Path | str,
    ct: Path | str | None,
    out: Path | str,
    *,
    probability_out: Path | str | None = None,
    lung_weights: Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str, float], None] | None = None,
    **settings: Any,
) -> LesionSegmentation:
    """Find the lesions of a PET/CT in files and write them on the PET's grid.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    ct
        HU; None for a PET alone.
    out
        Label image to write, hottest lesion 1; ends in ``.nii.gz``.
    probability_out
        Probability image to write, where a network finds the lesions.
    lung_weights
        Weights for lungmask.
    overwrite
        Whether files that are there may be replaced.
    progress
        Called with a text and the fraction done.
    settings
        Fields of `fdglung.segmentation.SegmentationSettings`.

    Returns
    -------
    LesionSegmentation
        What was written.

    Raises
    ------
    InputError
        What `fdglung.nifti.read_study`, `fdglung.pipeline.find_lungs` and `fdglung.segmentation.segment` refuse.
    OutputExistsError
        An output is there and may not be replaced.
    OutputWriteError
        Writing failed; nothing half-written was left.

    """
    tell = progress or (lambda text, fraction: None)
    chosen = Settings(SegmentationSettings(**settings), lung_weights=lung_weights)
    outputs = [Path(path) for path in (out, probability_out) if path is not None]
    if probability_out is not None and chosen.segmentation.method != "network":
        raise ParameterError(
            "thresholds give no probability", attribute="probability_out", remedy="Use the method network"
        )
    for path in outputs:
        _check_output(path, overwrite=overwrite)
    study = read_study(pet, ct)
    tell("lungs", 0.05)
    lungs = find_lungs(study, chosen, progress=lambda text, fraction: tell(text, 0.05 + 0.35 * fraction))
    found = find_lesions(study, lungs, chosen, progress=lambda text, fraction: tell(text, 0.4 + 0.55 * fraction))
    warnings = (*study.warnings, *(lungs.warnings if lungs is not None else ()), *found.warnings)
    found = dataclasses.replace(found, warnings=tuple(dict.fromkeys(warnings)))
    _write(found.labels, outputs[0])
    if found.probability is not None and probability_out is not None:
        _write(found.probability, outputs[1])
    tell("written", 1.0)
    return found


def _check_output(path: Path, *, overwrite: bool) -> None:
    if not path.name.endswith(".nii.gz"):
        raise ParameterError(f"{path.name} does not end in .nii.gz", attribute="out", remedy="Name a .nii.gz file")
    if path.is_dir() or (path.exists() and not overwrite):
        raise OutputExistsError(
            f"the output {path} exists", attribute="out", remedy="Name another file, or pass --overwrite"
        )


def _write(image: sitk.Image, path: Path) -> None:
    partial = path.with_name(f".partial.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti_image(image, partial)
        partial.replace(path)
    except OSError as error:
        raise OutputWriteError(
            f"{path} could not be written ({error.strerror or type(error).__name__})",
            attribute="out",
            remedy="Free space on the disk, or name a folder that you may write to",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
