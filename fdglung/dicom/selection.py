"""Which PET and which CT a study is made of, and why the other series were left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fdglung.dicom.attributes import label
from fdglung.dicom.candidates import Candidate, examine, is_sharp
from fdglung.dicom.geometry import coverage
from fdglung.dicom.series import SeriesVerdict, Stack, verdict_on
from fdglung.errors import (
    AmbiguousSeriesError,
    FrameOfReferenceMismatchError,
    InputError,
    NoImageError,
    NoOverlapError,
    PatientMismatchError,
)

_DAMAGED = "was left although it may be wanted"


@dataclass(frozen=True, eq=False)
class Selection:
    """The PET and CT taken; either may be None.

    Attributes
    ----------
    pet, ct
        The volumes taken.
    verdicts
        One a series (or part of a series) that could have been a volume.
    warnings
        What a physician must know, in full sentences.

    """

    pet: Candidate | None
    ct: Candidate | None
    verdicts: tuple[SeriesVerdict, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Fit:
    """A CT that goes with a PET."""

    ct: Candidate
    coverage: float


def choose(
    stacks: Sequence[Stack],
    *,
    pet_series_uid: str | None = None,
    ct_series_uid: str | None = None,
    refused: Sequence[SeriesVerdict] = (),
) -> Selection:
    """Choose a PET and the CT that goes with it, or the one of them that is there.

    A PET must be usable (`fdglung.dicom.candidates.examine`). Of several, the first by this order is taken: one with a
    CT; ORIGINAL before DERIVED; the longer one; the one that its CT covers better; smaller voxels; the lower
    SeriesNumber; the lower UID. A CT goes with a PET if neither PatientID contradicts, their frames of reference are
    the same and they overlap; of several: the one that covers more of the PET, ORIGINAL before DERIVED, a soft kernel,
    thinner slices, the lower SeriesNumber, the lower UID. A CT alone is chosen by the same order, the longer first.

    Parameters
    ----------
    stacks
        What `fdglung.dicom.series.group` found.
    pet_series_uid, ct_series_uid
        Take this series and no other.
    refused
        Verdicts on what was no volume at all, to be named where nothing else is there.

    Returns
    -------
    Selection
        What was taken and why.

    Raises
    ------
    NoImageError
        There is no PET or CT volume, or not the one asked for.
    AmbiguousSeriesError
        Two studies serve equally well.
    PatientMismatchError, FrameOfReferenceMismatchError, NoOverlapError
        A PET and a CT are there, and none of them go together.
    InputError
        Any other error of `examine`, where no PET (or, without PET, no CT) is usable.

    """
    found: list[tuple[Stack, Candidate | InputError]] = [(stack, examine(stack)) for stack in stacks]
    pets = _of(found, "PT", pet_series_uid, "--pet-series", refused)
    cts = _of(found, "CT", ct_series_uid, "--ct-series", refused)
    if not pets and not cts:
        reasons = sorted({verdict.reason for verdict in refused})
        raise NoImageError(
            "No PET or CT image was found" + (f" ({' '.join(reasons[:4]).rstrip('.')})" if reasons else ""),
            attribute=label("SOPClassUID"),
            remedy="Name the folder that holds the PET and CT series",
        )
    warnings: list[str] = []
    pet = ct = None
    fits: dict[Candidate, _Fit] = {}
    if pets:
        usable = _usable(pets)
        for candidate in usable:
            if fit := _best_ct(candidate, cts, alone=len(usable) == 1):
                fits[candidate] = fit
        pet = _one_study(usable, lambda one: one in fits, "--pet-series", warnings, _pet_rank(fits))
        fit_taken = fits.get(pet) or _best_ct(pet, cts, alone=True)
        ct = fit_taken.ct if fit_taken else None
        if fit_taken and fit_taken.coverage < 0.5:
            warnings.append(
                f"{fit_taken.ct.stack.name} covers only {100 * fit_taken.coverage:.0f} % of {pet.stack.name}."
            )
    else:
        ct = _one_study(_usable(cts), lambda one: True, "--ct-series", warnings, _ct_rank)
    warnings += [
        f"{error.series or stack.name} {_DAMAGED}: {error.problem}."
        for stack, error in found
        if isinstance(error, InputError) and _may_be_wanted(stack, error, pet, ct)
    ]
    verdicts = tuple(_verdict(stack, result, pet, ct, fits) for stack, result in found)
    for taken in (pet, ct):
        warnings += taken.warnings if taken else ()
    return Selection(pet, ct, verdicts, tuple(warnings))


def _of(
    found: Sequence[tuple[Stack, Candidate | InputError]],
    modality: str,
    uid: str | None,
    option: str,
    refused: Sequence[SeriesVerdict],
) -> list[tuple[Stack, Candidate | InputError]]:
    kept = [pair for pair in found if pair[0].modality == modality and uid in (None, pair[0].uid)]
    if uid is not None and not kept:
        known = sorted({stack.name for stack, _ in found if stack.modality == modality})
        why = next((f": {verdict.reason.rstrip('.')}" for verdict in refused if verdict.uid == uid), "")
        raise NoImageError(
            f"No {modality} volume has the SeriesInstanceUID {uid}{why}",
            attribute=f"{option}, {label('SeriesInstanceUID')}",
            remedy=f"Name one of: {', '.join(known)}" if known else f"Leave out {option}",
        )
    return kept


def _usable(found: Sequence[tuple[Stack, Candidate | InputError]]) -> list[Candidate]:
    """All that are volumes; where none is, the error of the largest is raised."""
    usable = [result for _, result in found if isinstance(result, Candidate)]
    if not usable:
        _, error = max(
            ((stack, result) for stack, result in found if isinstance(result, InputError)),
            key=lambda pair: len(pair[0].slices),
        )
        raise error
    return usable


def _best_ct(pet: Candidate, cts: Sequence[tuple[Stack, Candidate | InputError]], *, alone: bool) -> _Fit | None:
    """The CT that goes best with a PET; None where there is none.

    Where this PET is the only one, a CT that does not go with it is an error: that of the CT that came nearest.
    """
    fits: list[_Fit] = []
    errors: list[tuple[int, InputError]] = []
    for stack, result in cts:
        if isinstance(result, InputError):
            errors.append((3 if _same_frame(pet, stack) else -1, result))
            continue
        try:
            fits.append(_Fit(result, _check_pair(pet, result)))
        except PatientMismatchError as error:
            errors.append((0, error))
        except FrameOfReferenceMismatchError as error:
            errors.append((1, error))
        except NoOverlapError as error:
            errors.append((2, error))
    if fits:
        return min(fits, key=lambda fit: (-round(fit.coverage, 2), *_ct_rank(fit.ct)[1:]))
    if errors and alone:
        raise max(errors, key=lambda pair: pair[0])[1]
    return None


def _same_frame(pet: Candidate, ct: Stack) -> bool:
    frame = str(ct.headers[0].get("FrameOfReferenceUID") or "").strip()
    return bool(frame) and frame == pet.frame_of_reference


def _check_pair(pet: Candidate, ct: Candidate) -> float:
    """Fraction of the PET that the CT covers, where they go together."""
    both = f"{pet.stack.name} and {ct.stack.name}"
    alone = "or give the folder of the PET alone to go on without CT"
    if pet.patient and ct.patient and pet.patient != ct.patient:
        raise PatientMismatchError(
            "PET and CT belong to two patients",
            series=both,
            attribute=label("PatientID"),
            remedy=f"Give the CT of the same patient, {alone}",
        )
    if not pet.frame_of_reference or pet.frame_of_reference != ct.frame_of_reference:
        missing = not pet.frame_of_reference or not ct.frame_of_reference
        raise FrameOfReferenceMismatchError(
            "PET and CT do not share a frame of reference"
            + (", because it is missing in one of them" if missing else "; they were not acquired together"),
            series=both,
            attribute=label("FrameOfReferenceUID"),
            remedy=f"Give the CT of the same PET/CT acquisition, {alone}",
        )
    covered = coverage(pet.grid, ct.grid)
    if covered == 0:
        raise NoOverlapError(
            "PET and CT share no space",
            series=both,
            attribute=label("ImagePositionPatient"),
            remedy=f"Give the CT of the same part of the body, {alone}",
        )
    return covered


def _one_study(
    usable: Sequence[Candidate],
    is_preferred: Callable[[Candidate], bool],
    option: str,
    warnings: list[str],
    rank: Callable[[Candidate], tuple[object, ...]],
) -> Candidate:
    """The best volume of the one study that has a preferred one, or of the only study."""
    preferred = [one for one in usable if is_preferred(one)] or list(usable)
    if len({(one.patient, one.study) for one in preferred}) > 1:
        names = ", ".join(one.stack.name for one in preferred)
        raise AmbiguousSeriesError(
            f"Series of several studies serve equally well: {names}",
            attribute=label("StudyInstanceUID"),
            remedy=f"Name one with {option} UID, or give the folder of one study",
        )
    ranked = sorted(preferred, key=rank)
    best = ranked[0]
    # All but SeriesNumber and UID, which say nothing about an image.
    equal = [one.stack.name for one in ranked[1:] if rank(one)[:-2] == rank(best)[:-2]]
    if equal:
        warnings.append(
            f"{best.stack.name} was taken for its lower number; {', '.join(equal)} would serve equally well "
            f"(choose with {option})."
        )
    return best


def _pet_rank(fits: dict[Candidate, _Fit]) -> Callable[[Candidate], tuple[object, ...]]:
    def rank(pet: Candidate) -> tuple[object, ...]:
        x, y, z = pet.grid.spacing
        fit = fits.get(pet)
        return (
            not pet.is_original,
            -round(pet.grid.length_mm),
            -round(fit.coverage, 2) if fit else 0.0,
            round(x * y * z, 3),
            pet.series_number,
            pet.stack.uid,
        )

    return rank


def _ct_rank(ct: Candidate) -> tuple[object, ...]:
    return (
        -round(ct.grid.length_mm, -1),
        not ct.is_original,
        is_sharp(ct),
        round(ct.grid.spacing[2], 2),
        ct.series_number,
        ct.stack.uid,
    )


def _may_be_wanted(stack: Stack, error: InputError, pet: Candidate | None, ct: Candidate | None) -> bool:
    """Whether a physician must know that a series was left: it is damaged, and of the study that was taken."""
    taken = [one.study for one in (pet, ct) if one]
    study = str(stack.headers[0].get("StudyInstanceUID") or "").strip()
    return study in taken and error.kind in ("TruncatedFileError", "MissingSliceError", "InconsistentSeriesError")


def _verdict(
    stack: Stack,
    result: Candidate | InputError,
    pet: Candidate | None,
    ct: Candidate | None,
    fits: dict[Candidate, _Fit],
) -> SeriesVerdict:
    if isinstance(result, InputError):
        attribute = f"{result.attribute}: " if result.attribute else ""
        return verdict_on(stack.headers, taken=False, reason=f"{attribute}{result.problem}.")
    if result is pet:
        units = result.suv.units if result.suv else "unknown"
        reason = f"The attenuation-corrected quantitative PET (Units {units}) that ranks first."
        return verdict_on(stack.headers, taken=True, reason=reason)
    if result is ct:
        reason = "The CT that ranks first; there is no PET."
        if pet is not None:
            covered = fits[pet].coverage if pet in fits else coverage(pet.grid, result.grid)
            reason = f"Shares the PET's frame of reference and covers {100 * covered:.0f} % of its field of view."
        return verdict_on(stack.headers, taken=True, reason=reason)
    return verdict_on(stack.headers, taken=False, reason=_why_left(result, pet, ct))


def _why_left(left: Candidate, pet: Candidate | None, ct: Candidate | None) -> str:
    if left.stack.modality == "PT" or pet is None:
        taken = pet if left.stack.modality == "PT" else ct
        if taken is None:
            return "Another series was asked for."
        if left.study != taken.study:
            return f"{taken.stack.name} of another study was taken."
        return f"Usable, but {taken.stack.name} ranks before it or was asked for."
    try:
        covered = _check_pair(pet, left)
    except InputError as error:
        return f"{error.attribute}: {error.problem}."
    if ct is None:
        return "Another series was asked for."
    return f"Covers {100 * covered:.0f} % of the PET, but {ct.stack.name} ranks before it or was asked for."
