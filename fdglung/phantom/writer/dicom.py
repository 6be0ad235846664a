"""Write a synthetic study as DICOM, with headers as the scanner's vendor writes them and the truth beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from pydicom.dataset import Dataset

from fdglung.files import written_together
from fdglung.phantom.study import SyntheticStudy
from fdglung.phantom.writer.ct import ct_images
from fdglung.phantom.writer.pet import pet_images
from fdglung.phantom.writer.quirks import Quirk
from fdglung.phantom.writer.scan import prepare
from fdglung.phantom.writer.segmentations import SEGMENTATIONS
from fdglung.phantom.writer.truth import write_truth

Progress = Callable[[str, float], None]

BROKEN_RULES = {
    "ge": (
        "Error - Shall not be present when PatientOrientationCodeSequence is present - attribute <PatientPosition>",
    ),
}
"""What dciodvfy finds wrong in PET because the vendor writes it so, by vendor; every other file has no error."""


def write_dicom_study(
    study: SyntheticStudy,
    folder: Path | str,
    *,
    quirks: Collection[Quirk | str] = (),
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a study's images, true masks and truth, together or not at all.

    ``folder/dicom`` takes ``ct``, ``pet`` and, where the study has one, ``pet_nac`` with one file a slice, and
    ``seg_lesions.dcm`` and ``seg_organs.dcm`` on the PET's slices; ``folder/truth.json`` stands outside of it. The
    same study and quirks give the same bytes.

    Parameters
    ----------
    study
        What to write.
    folder
        Must not exist or be empty.
    quirks
        Departures from the vendor's usual headers (`Quirk`).
    overwrite
        Whether an earlier study there may be replaced.
    progress
        Called with the name of the step and the fraction done.

    Returns
    -------
    Path
        The DICOM folder.

    Raises
    ------
    ParameterError
        What `fdglung.phantom.writer.scan.prepare` refuses.
    OutputExistsError
        `folder` is there and not empty.
    OutputWriteError
        Writing failed; nothing was left.

    """
    with written_together(folder, overwrite=overwrite) as temporary:
        fill_dicom(study, temporary, quirks=quirks, progress=progress)
    return Path(folder) / "dicom"


def fill_dicom(
    study: SyntheticStudy,
    folder: Path,
    *,
    quirks: Collection[Quirk | str] = (),
    progress: Progress | None = None,
) -> None:
    """Put what `write_dicom_study` writes into a folder that is there and empty."""
    scan = prepare(study, quirks)
    tell = progress or (lambda step, fraction: None)
    dicom = folder / "dicom"
    tell("writing CT", 0.0)
    _save(ct_images(scan), dicom / "ct")
    tell("writing PET", 0.4)
    pet = _save(pet_images(scan), dicom / "pet")
    if study.pet_nac is not None:
        tell("writing PET without attenuation correction", 0.6)
        _save(pet_images(scan, corrected=False), dicom / "pet_nac")
    for position, (name, make) in enumerate(SEGMENTATIONS.items()):
        tell("writing segmentations", 0.7 + 0.15 * position)
        make(scan, pet).save_as(dicom / name)
    write_truth(study, folder / "truth.json")
    tell("written", 1.0)


def _save(images: Iterable[Dataset], folder: Path) -> list[Dataset]:
    """Write one file an image and return the headers without pixels and private elements."""
    folder.mkdir(parents=True)
    headers = []
    for dataset in images:
        path = folder / f"{folder.name}_{int(dataset.InstanceNumber):04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        del dataset.PixelData
        headers.append(dataset)
    return headers
