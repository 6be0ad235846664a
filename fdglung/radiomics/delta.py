"""Delta radiomics: how the features of a patient's lesions changed from one study to the next."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from fdglung.errors import NoCtError, OutputExistsError, ParameterError
from fdglung.files import write_files
from fdglung.radiomics.extraction import extract
from fdglung.radiomics.jobs import versions
from fdglung.radiomics.matching import LEAST_SHARE, REACH_MM, Match, match_lesions
from fdglung.radiomics.registration import Registration, register
from fdglung.radiomics.same_patient import check_same_patient
from fdglung.radiomics.settings import RadiomicsSettings, to_yaml
from fdglung.radiomics.tables import SETTINGS_SUFFIX, FeatureTable, LesionFeatures
from fdglung.radiomics.tasks import Workers
from fdglung.settings_checks import one_of
from fdglung.study import Study

Images = Study | Mapping[str, sitk.Image]
Progress = Callable[[str, float], None]

SEVERAL = ("union", "largest")
"""What stands for the lesions of one side of a match that has several (merged, split, regrouped).

``union``: all of them as one region of interest. Volume, uptake and histograms are those of all disease at the place;
shape and texture are those of a region in parts. ``largest``: the one with the most voxels, which is one body, and
leaves out what the others did.
"""

KEYS = (
    "match",
    "status",
    "baseline_lesions",
    "followup_lesions",
    "overlap",
    "distance_mm",
    "baseline_status",
    "followup_status",
    "warnings",
)
"""Columns before the features."""

PARTS = ("baseline", "followup", "difference", "ratio")
"""Prefixes of each feature's columns: both values, follow-up less baseline, follow-up by baseline."""


@dataclass(frozen=True)
class LesionChange:
    """One match, and the features of its lesions in both studies.

    Attributes
    ----------
    match
        Which lesions, and what became of them.
    baseline, followup
        Their features; None where a study has none of them.

    """

    match: Match
    baseline: LesionFeatures | None
    followup: LesionFeatures | None

    def change(self, name: str) -> tuple[float, float]:
        """Return the difference and the ratio of a feature, follow-up to baseline.

        NaN where either study lacks it; a ratio also where the baseline's value is 0.
        """
        before, after = (
            math.nan if side is None else side.features.get(name, math.nan) for side in (self.baseline, self.followup)
        )
        return after - before, after / before if before != 0 else math.nan


@dataclass(frozen=True)
class DeltaTable:
    """The changes of a patient's lesions.

    Attributes
    ----------
    changes
        A row a match.
    settings
        Of both studies' features.
    several
        One of `SEVERAL`.
    registration
        How the follow-up lies on the baseline; None where the transform was given.
    warnings
        What to know, in full sentences.

    """

    changes: tuple[LesionChange, ...]
    settings: RadiomicsSettings
    several: str
    registration: Registration | None
    warnings: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all features that a lesion of either study has."""
        sides = [side for change in self.changes for side in (change.baseline, change.followup) if side is not None]
        return tuple(dict.fromkeys(name for side in sides for name in side.features))


def delta_features(
    baseline: Images,
    followup: Images,
    baseline_lesions: sitk.Image,
    followup_lesions: sitk.Image,
    settings: RadiomicsSettings | None = None,
    *,
    several: str = "union",
    transform: sitk.Transform | None = None,
    least_share: float = LEAST_SHARE,
    reach_mm: float = REACH_MM,
    allow_patient_mismatch: bool = False,
    workers: int | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> DeltaTable:
    """Match the lesions of two studies of one patient and compute how their features changed.

    Parameters
    ----------
    baseline, followup
        Studies, or ``PET`` (SUVbw in g/ml) and ``CT`` (HU) to images.
    baseline_lesions, followup_lesions
        Label image of each; one of them may be empty.
    settings
        The same for both.
    several
        One of `SEVERAL`.
    transform
        From points of the baseline to points of the follow-up (LPS, mm), linear; None registers the CTs.
    least_share, reach_mm
        As in `fdglung.radiomics.matching.match_lesions`.
    allow_patient_mismatch
        Whether two patients in the headers are a warning in place of an error.
    workers, cache, progress
        As in `fdglung.radiomics.extract`.

    Returns
    -------
    DeltaTable

    Raises
    ------
    PatientMismatchError
        The headers name two patients.
    NoCtError
        A CT is missing, and no transform was given.
    RegistrationError
        The CTs do not match.
    InputError
        Neither study has a lesion, or as `extract`.

    """
    one_of(several, SEVERAL, "several")
    tell = progress or (lambda text, fraction: None)
    settings = settings or RadiomicsSettings()
    warnings = _same(baseline, followup, allow_patient_mismatch)
    views = _images(baseline), _images(followup)
    tell("registering", 0.0)
    registration = None if transform is not None else register(*_both_ct(views))
    found = registration.transform if registration is not None else transform
    matches = match_lesions(
        baseline_lesions,
        followup_lesions,
        found,
        baseline_view=views[0].get("PET", views[0].get("CT")),
        followup_view=views[1].get("PET", views[1].get("CT")),
        least_share=least_share,
        reach_mm=reach_mm,
    )
    tables: list[FeatureTable] = []
    with Workers(workers) as pool:
        for index, (images, lesions, name) in enumerate(
            ((views[0], baseline_lesions, "baseline"), (views[1], followup_lesions, "follow-up"))
        ):
            sides = [match.followup if index else match.baseline for match in matches]
            tables.append(
                extract(
                    images,
                    _relabelled(lesions, sides, several),
                    settings,
                    labels=[number for number, side in enumerate(sides, start=1) if side],
                    workers=pool,
                    cache=cache,
                    progress=_part(tell, name, 0.1 + 0.45 * index),
                )
            )
    rows = [{lesion.label: lesion for lesion in table.lesions} for table in tables]
    return DeltaTable(
        changes=tuple(
            LesionChange(match, rows[0].get(number), rows[1].get(number))
            for number, match in enumerate(matches, start=1)
        ),
        settings=settings,
        several=several,
        registration=registration,
        warnings=warnings,
    )


def delta_csv(table: DeltaTable) -> str:
    """Return changes as comma-separated values: a row a match, `KEYS` and then each feature's `PARTS`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = table.names
    writer.writerow([*KEYS, *(f"{part}_{name}" for name in names for part in PARTS)])
    for number, change in enumerate(table.changes, start=1):
        match, sides = change.match, (change.baseline, change.followup)
        values: list[float | None] = []
        for name in names:
            values += [None if side is None else side.features.get(name) for side in sides]
            values += [None, None] if None in sides else change.change(name)
        said = [f"{part}: {text}" for part, side in zip(PARTS, sides, strict=False) if side for text in side.warnings]
        row: list[object] = [number, match.status, *(" ".join(map(str, x)) for x in (match.baseline, match.followup))]
        row += [_cell(match.overlap), _cell(match.distance_mm)]
        row += ["" if side is None else side.status for side in sides]
        writer.writerow([*row, " ".join(said), *map(_cell, values)])
    return buffer.getvalue()


def write_delta(table: DeltaTable, path: Path | str, *, overwrite: bool = False) -> dict[str, Path]:
    """Write changes as ``delta.csv`` and their settings as ``delta.settings.yaml``, together or not at all.

    Raises
    ------
    ParameterError
        The name does not end in ``.csv``.
    OutputExistsError
        A file is there and may not be replaced.
    OutputWriteError
        Writing failed; nothing half-written was left.

    """
    path = Path(path)
    check_delta_path(path, overwrite=overwrite)
    settings = path.with_name(path.stem + SETTINGS_SUFFIX)
    made_by = ", ".join(f"{name} {number}" for name, number in versions().items())
    text = f"# Made by {made_by}\n{to_yaml(table.settings)}"
    write_files({settings: text.encode(), path: delta_csv(table).encode()})
    return {target.name: target for target in (path, settings)}


def check_delta_path(path: Path | str, *, overwrite: bool = False) -> None:
    """Refuse an output file that cannot be written, before any work is done; errors as `write_delta` has them."""
    path = Path(path)
    if path.suffix != ".csv":
        raise ParameterError(
            f"The name of the output {path.name} does not end in .csv",
            attribute="output file",
            remedy="Name it delta.csv",
        )
    for target in (path, path.with_name(path.stem + SETTINGS_SUFFIX)):
        if target.is_dir() or (target.exists() and not overwrite):
            raise OutputExistsError(
                f"The output {target} exists", attribute="output file", remedy="Name another file, or pass --overwrite"
            )


def _part(tell: Progress, name: str, start: float) -> Progress:
    return lambda text, fraction: tell(f"{name}, {text}", start + 0.45 * fraction)


def _same(baseline: Images, followup: Images, allow_mismatch: bool) -> tuple[str, ...]:
    if isinstance(baseline, Study) and isinstance(followup, Study):
        return check_same_patient(baseline, followup, allow_mismatch=allow_mismatch)
    return ("Images without headers: nothing tells whether both studies are of one patient.",)


def _images(images: Images) -> dict[str, sitk.Image]:
    given = {"PET": images.pet, "CT": images.ct} if isinstance(images, Study) else images
    return {name: image for name, image in given.items() if image is not None}


def _both_ct(views: tuple[dict[str, sitk.Image], dict[str, sitk.Image]]) -> tuple[sitk.Image, sitk.Image]:
    if "CT" not in views[0] or "CT" not in views[1]:
        raise NoCtError("The studies are registered by their CTs", remedy="Give both CTs, or a transform")
    return views[0]["CT"], views[1]["CT"]


def _relabelled(labels: sitk.Image, sides: Sequence[tuple[int, ...]], several: str) -> sitk.Image:
    """Return labels that are the numbers of the matches, from 1."""
    array = np.rint(np.nan_to_num(sitk.GetArrayFromImage(labels))).astype(np.int64)
    numbers = np.zeros(array.max() + 1, np.uint32)
    voxels = np.bincount(array.ravel())
    for number, side in enumerate(sides, start=1):
        kept = side if several == "union" else sorted(side, key=lambda label: (-voxels[label], label))[:1]
        numbers[list(kept)] = number
    image = sitk.GetImageFromArray(numbers[array])
    image.CopyInformation(labels)
    return image


def _cell(value: float | None) -> str:
    return "" if value is None else repr(float(value))
