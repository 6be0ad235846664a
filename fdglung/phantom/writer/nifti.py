"""Write a synthetic study as NIfTI, with the truth beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from fdglung.files import write_nifti_image, written_together
from fdglung.phantom.study import SyntheticStudy
from fdglung.phantom.writer.truth import write_truth

Progress = Callable[[str, float], None]


def write_nifti_study(
    study: SyntheticStudy, folder: Path | str, *, overwrite: bool = False, progress: Progress | None = None
) -> dict[str, Path]:
    """Write a study's images and masks and the truth, together or not at all.

    ``ct.nii.gz`` (HU, int16), ``pet.nii.gz`` (SUVbw in g/ml, float32), ``pet_nac.nii.gz`` where the study has one;
    ``lesions.nii.gz`` and ``organs.nii.gz`` on the PET grid, ``ct_lesions.nii.gz`` and ``ct_organs.nii.gz`` on the CT
    grid; ``truth.json``. The same study gives the same bytes.

    Parameters
    ----------
    study
        What to write.
    folder
        Must not exist or be empty.
    overwrite
        Whether an earlier study there may be replaced.
    progress
        Called with the name of the step and the fraction done.

    Returns
    -------
    dict
        File names to the paths written.

    Raises
    ------
    OutputExistsError
        `folder` is there and not empty.
    OutputWriteError
        Writing failed; nothing was left.

    """
    with written_together(folder, overwrite=overwrite) as temporary:
        names = fill_nifti(study, temporary, progress=progress)
    return {name: Path(folder) / name for name in names}


def fill_nifti(study: SyntheticStudy, folder: Path, *, progress: Progress | None = None) -> list[str]:
    """Put what `write_nifti_study` writes into a folder that is there and empty; return the files' names."""
    images = {name: image for name, image in nifti_images(study).items() if image is not None}
    for index, (name, image) in enumerate(images.items()):
        if progress is not None:
            progress(f"writing {name}", index / len(images))
        write_nifti_image(image, folder / name)
    write_truth(study, folder / "truth.json")
    return [*images, "truth.json"]


def nifti_images(study: SyntheticStudy) -> dict[str, sitk.Image | None]:
    """Return a study's images by file name; None where the study has none."""
    return {
        "ct.nii.gz": study.ct,
        "pet.nii.gz": study.pet,
        "pet_nac.nii.gz": study.pet_nac,
        "lesions.nii.gz": study.lesion_mask,
        "organs.nii.gz": study.organs,
        "ct_lesions.nii.gz": study.ct_lesion_mask,
        "ct_organs.nii.gz": study.ct_organs,
    }
