"""A study: PET in SUVbw and CT in HU on their own grids, with the headers that outputs refer to."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import SimpleITK as sitk
from pydicom import Dataset

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.dicom import files, pixels
from fdglung.dicom.candidates import Candidate
from fdglung.dicom.files import Found
from fdglung.dicom.geometry import image_of, straightened
from fdglung.dicom.rules import SelectionRules
from fdglung.dicom.rules import apply as apply_rules
from fdglung.dicom.selection import Selection, choose
from fdglung.dicom.series import SeriesVerdict, group
from fdglung.dicom.suv import SuvRecord
from fdglung.files import write_nifti_image, written_together
from fdglung.hounsfield import on_hounsfield_scale

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Study:
    """One patient's PET and CT, either of which may be absent.

    Attributes
    ----------
    pet
        SUVbw in g/ml, float32, in patient space (LPS, mm).
    ct
        Hounsfield units, float32 or int16, in patient space (LPS, mm).
    pet_headers, ct_headers
        Headers without pixel data: one a slice in the order of the image's z axis (classic series), or the single
        header of an enhanced multi-frame object.
    suv
        How PET became SUV; None where there is no PET.
    series
        Every series that was found, whether it was taken, and why or why not.
    warnings
        What a physician must know about the input, in full sentences; those of `suv` are kept there.
    skipped_files
        Number of files that were no DICOM.

    """

    pet: sitk.Image | None
    ct: sitk.Image | None
    pet_headers: tuple[Dataset, ...] = field(default=(), repr=False)
    ct_headers: tuple[Dataset, ...] = field(default=(), repr=False)
    suv: SuvRecord | None = None
    series: tuple[SeriesVerdict, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped_files: int = 0


def load(
    source: Path | str,
    *,
    pet_series_uid: str | None = None,
    ct_series_uid: str | None = None,
    rules: SelectionRules | None = None,
    progress: Progress | None = None,
) -> Study:
    """Read the PET and CT of a study.

    Parameters
    ----------
    source
        A folder, searched to its depth, a zip, with zips inside it, or one DICOM file. Files that are no DICOM are
        skipped.
    pet_series_uid, ct_series_uid
        SeriesInstanceUID of the series to take; by default `fdglung.dicom.selection.choose` decides.
    rules
        Which series may be taken at all; None for any.
    progress
        Called with the name of the step and the fraction of the whole done.

    Returns
    -------
    Study
        PET in SUVbw (g/ml, float32) and CT in HU, each on its own grid in patient space (LPS, mm), its z axis along
        cross(row, column) of ImageOrientationPatient.

    Raises
    ------
    InputError
        What `fdglung.dicom.files.opened`, `fdglung.dicom.series.group`, `fdglung.dicom.rules.apply`,
        `fdglung.dicom.selection.choose` and `fdglung.dicom.pixels` refuse.

    """
    part = _part(progress, 0.0, 0.4)
    with _selected(source, pet_series_uid, ct_series_uid, rules, part) as (selection, verdicts, found):
        warnings = [*_notes(found), *selection.warnings]
        pet = ct = None
        if selection.pet is not None and selection.pet.suv is not None:
            voxels, notes = pixels.read_pet(
                selection.pet.slices, selection.pet.suv.slice_factors, progress=_part(progress, 0.4, 0.6)
            )
            pet = image_of(voxels, selection.pet.grid)
            warnings += notes
        if selection.ct is not None:
            voxels, notes = pixels.read_ct(selection.ct.slices, progress=_part(progress, 0.6, 1.0))
            ct = image_of(voxels, selection.ct.grid)
            warnings += notes
            if any(selection.ct.grid.shear):
                ct = straightened(ct, selection.ct.grid, background=pixels.AIR_HU)
                warnings.append(_tilt_note(selection.ct))
            ct, notes = on_hounsfield_scale(ct)
            warnings += notes
    return Study(
        pet=pet,
        ct=ct,
        pet_headers=_headers(selection.pet),
        ct_headers=_headers(selection.ct),
        suv=selection.pet.suv if selection.pet else None,
        series=verdicts,
        warnings=tuple(dict.fromkeys(warnings)),
        skipped_files=found.skipped,
    )


def load_suv(
    source: Path | str,
    *,
    pet_series_uid: str | None = None,
    ct_series_uid: str | None = None,
    progress: Progress | None = None,
) -> SuvRecord | None:
    """Find how the PET that `load` would take becomes SUV, without decoding a pixel.

    Parameters and errors are those of `load`, less those of pixels; None where the study holds no PET.
    """
    with _selected(source, pet_series_uid, ct_series_uid, None, progress) as (selection, _, _):
        return selection.pet.suv if selection.pet else None


def write_nifti(study: Study, folder: Path | str, *, overwrite: bool = False) -> dict[str, Path]:
    """Write ``pet_suvbw.nii.gz`` (g/ml), ``ct_hu.nii.gz`` (HU) and ``study.json``, together or not at all.

    Parameters
    ----------
    study
        An image that it lacks is not written.
    folder
        Must not exist or be empty.
    overwrite
        Whether an earlier output there may be replaced.

    Returns
    -------
    dict
        File names to the paths written.

    Raises
    ------
    OutputExistsError
        `folder` is there and not empty.
    OutputWriteError
        Writing failed, for a full disk for example; nothing was left.

    """
    names = []
    with written_together(folder, overwrite=overwrite) as temporary:
        for name, image in (("pet_suvbw.nii.gz", study.pet), ("ct_hu.nii.gz", study.ct)):
            if image is not None:
                write_nifti_image(image, temporary / name)
                names.append(name)
        text = json.dumps(summary(study), indent=2, ensure_ascii=False, allow_nan=False)
        (temporary / "study.json").write_text(text + "\n", encoding="utf-8")
        names.append("study.json")
    return {name: Path(folder) / name for name in names}


def summary(study: Study) -> dict[str, object]:
    """Tell all about a study but its voxels and its patient, as plain JSON values."""
    return {
        "notice": RESEARCH_NOTICE,
        "study_instance_uid": next(
            (str(headers[0].StudyInstanceUID) for headers in (study.pet_headers, study.ct_headers) if headers), None
        ),
        "pet": _described(study.pet, "SUVbw in g/ml"),
        "ct": _described(study.ct, "HU"),
        "suv": None if study.suv is None else asdict(study.suv),
        "series": [asdict(verdict) for verdict in study.series],
        "skipped_files": study.skipped_files,
        "warnings": [*study.warnings, *(study.suv.warnings if study.suv else ())],
        "versions": {
            "fdglung": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("pydicom", "SimpleITK", "numpy")},
        },
    }


@contextmanager
def _selected(
    source: Path | str,
    pet_series_uid: str | None,
    ct_series_uid: str | None,
    rules: SelectionRules | None,
    progress: Progress | None,
) -> Iterator[tuple[Selection, tuple[SeriesVerdict, ...], Found]]:
    with files.opened(source, progress=progress) as found:
        stacks, refused = group(found.files)
        if rules is not None:
            stacks, left = apply_rules(rules, stacks)
            refused += left
        selection = choose(stacks, pet_series_uid=pet_series_uid, ct_series_uid=ct_series_uid, refused=refused)
        yield selection, selection.verdicts + refused, found


def _part(progress: Progress | None, start: float, stop: float) -> Progress | None:
    if progress is None:
        return None
    return lambda step, fraction: progress(step, start + (stop - start) * fraction)


def _notes(found: Found) -> tuple[str, ...]:
    if not found.unreadable:
        return ()
    return (f"{found.unreadable} of {found.looked_at} files could not be opened; check the permissions of the study.",)


def _tilt_note(ct: Candidate) -> str:
    angle = math.degrees(math.atan(math.hypot(*ct.grid.shear)))
    return (
        f"{ct.stack.name}: the gantry was tilted by {angle:.1f} degrees; the CT was resampled linearly onto a regular "
        "grid, so that its voxels are not those of the files."
    )


def _headers(taken: Candidate | None) -> tuple[Dataset, ...]:
    """One header a slice; of multi-frame objects one an object."""
    if taken is None:
        return ()
    if taken.slices[0].frame is None:
        return tuple(one.header for one in taken.slices)
    objects = {id(one.file): one.file.header for one in taken.slices}
    return tuple(objects.values())


def _described(image: sitk.Image | None, unit: str) -> dict[str, object] | None:
    if image is None:
        return None
    return {
        "unit": unit,
        "size": image.GetSize(),
        "spacing_mm": image.GetSpacing(),
        "origin_mm": image.GetOrigin(),
        "direction": image.GetDirection(),
        "space": "LPS (DICOM patient coordinates), direction row by row",
    }
