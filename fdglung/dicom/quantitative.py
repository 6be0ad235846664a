"""Whether a PET series is one whole, static volume that can be quantitative."""

from __future__ import annotations

import numpy as np

from fdglung.dicom.attributes import label, text, texts, vector, whole
from fdglung.dicom.series import Stack
from fdglung.errors import (
    DynamicSeriesError,
    GatedSeriesError,
    MissingAttributeError,
    MissingSliceError,
    NotAttenuationCorrectedError,
)


def check(stack: Stack) -> tuple[str, ...]:
    """Refuse a PET that is no single quantitative volume.

    Parameters
    ----------
    stack
        Slices of one PET series.

    Returns
    -------
    tuple of str
        Warnings in full sentences.

    Raises
    ------
    DynamicSeriesError, GatedSeriesError
        SeriesType (0054,1000) says so, or positions repeat over time or phase. NumberOfTimeSlices alone says nothing:
        GE writes the number of beds there.
    NotAttenuationCorrectedError
        Units (0054,1001) are PROPCNTS and neither AttenuationCorrectionMethod (0054,1101) nor a scatter correction is
        named: GE writes ATTN into CorrectedImage (0028,0051) even then. What the header admits by itself is for
        `fdglung.dicom.suv.convert` to refuse.
    MissingSliceError
        NumberOfSlices (0054,0081) and ImageIndex (0054,1330) agree that slices are missing.

    """
    _check_static(stack)
    _check_believable(stack)
    return _check_complete(stack)


def _check_static(stack: Stack) -> None:
    kinds = {kind for header in stack.headers for kind in texts(header, "SeriesType")[:1]}
    dynamic = "Reconstruct or export one static series of the whole acquisition"
    gated = "Reconstruct or export the ungated series"
    if "GATED" in kinds:
        raise GatedSeriesError("The series is gated", series=stack.name, attribute=label("SeriesType"), remedy=gated)
    if "DYNAMIC" in kinds:
        raise DynamicSeriesError(
            "The series is dynamic", series=stack.name, attribute=label("SeriesType"), remedy=dynamic
        )
    repeats = _repeats(stack)
    if repeats < 2:
        return
    for keyword in ("TriggerTime", "NominalCardiacTriggerDelayTime", "TimeSlotVector", "RespiratoryCyclePosition"):
        if len({text(header, keyword) for header in stack.headers}) > 1:
            raise GatedSeriesError(
                f"Each position holds {repeats} slices that differ in {keyword}",
                series=stack.name,
                attribute=label(keyword),
                remedy=gated,
            )
    for keyword in ("TemporalPositionIndex", "FrameReferenceTime", "AcquisitionTime", "AcquisitionDate"):
        if len({text(header, keyword) for header in stack.headers}) >= repeats:
            raise DynamicSeriesError(
                f"Each position holds {repeats} slices that differ in {keyword}",
                series=stack.name,
                attribute=label(keyword),
                remedy=dynamic,
            )


def _repeats(stack: Stack) -> int:
    """Slices a position, where that is the same for all; else 1, and the geometry tells what is wrong."""
    try:
        positions = np.array([vector(header, "ImagePositionPatient", 3) for header in stack.headers])
    except MissingAttributeError:
        return 1
    _, counts = np.unique(positions.round(2), axis=0, return_counts=True)
    return int(counts[0]) if len(counts) > 1 and np.ptp(counts) == 0 else 1


def _check_believable(stack: Stack) -> None:
    for header in stack.headers:
        corrections = texts(header, "CorrectedImage")
        method = text(header, "AttenuationCorrectionMethod")
        if text(header, "Units").upper() == "PROPCNTS" and not method and "SCAT" not in corrections:
            listed = "CorrectedImage lacks SCAT, so that its ATTN is not believed"
            raise NotAttenuationCorrectedError(
                "The PET is not quantitative: Units are PROPCNTS (proportional to counts), no "
                "AttenuationCorrectionMethod is named and "
                + (listed if "ATTN" in corrections else "CorrectedImage lacks ATTN")
                + "; scanners write series without attenuation correction so",
                series=stack.name,
                attribute=label("Units"),
                remedy="Add the attenuation-corrected series of the same scan to the folder",
            )


def _check_complete(stack: Stack) -> tuple[str, ...]:
    if stack.slices[0].frame is not None:
        return ()
    expected = {whole(header, "NumberOfSlices") for header in stack.headers}
    present = len(stack.slices)
    (total,) = expected if len(expected) == 1 else (None,)
    # One slice is no volume whatever the count says: the check of the geometry tells so.
    if total is None or total <= present or present == 1:
        return ()
    indices = [whole(header, "ImageIndex") for header in stack.headers]
    known = {index for index in indices if index is not None}
    if len(known) == present and min(known) >= 1 and max(known) <= total:
        raise MissingSliceError(
            f"{total - present} of {total} slices are missing: NumberOfSlices is {total}, and ImageIndex runs from "
            f"{min(known)} to {max(known)} over {present} files",
            series=stack.name,
            attribute=label("NumberOfSlices"),
            remedy="Export or send the whole series again",
        )
    # Some scanners count the slices of all beds or frames here, so that this alone is no proof.
    return (
        f"{stack.name}: NumberOfSlices (0054,0081) is {total}, but {present} slices are there; "
        "check that the series is whole.",
    )
