"""Enhanced multi-frame PET and CT as one flat header a frame, with the keywords of the classic objects."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword

from fdglung.dicom.attributes import number, text, texts

_UNASSIGNED = {"UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence"}
_NOT_HOISTED = {
    "ConversionSourceAttributesSequence",
    "DerivationImageSequence",
    "FrameAnatomySequence",
    "FrameVOILUTSequence",
    "RealWorldValueMappingSequence",
    "ReferencedImageSequence",
}
_FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_CORRECTIONS = {
    "DecayCorrected": "DECY",
    "AttenuationCorrected": "ATTN",
    "ScatterCorrected": "SCAT",
    "DeadTimeCorrected": "DTIM",
    "RandomsCorrected": "RAN",
    "NonUniformRadialSamplingCorrected": "RADL",
    "SensitivityCalibrated": "DCAL",
    "DetectorNormalizationCorrection": "NORM",
    "GantryMotionCorrected": "MOTN",
    "PatientMotionCorrected": "MOTN",
}
_UCUM_UNITS = {
    "BQ/ML": ("BQML", None),
    "{SUVBW}G/ML": ("GML", "BW"),
    "G/ML{SUVBW}": ("GML", "BW"),
    "{SUVLBM}G/ML": ("GML", "LBM"),
    "G/ML{SUVLBM}": ("GML", "LBM"),
    "{SUVBSA}CM2/ML": ("CM2ML", "BSA"),
    "CM2/ML{SUVBSA}": ("CM2ML", "BSA"),
    "{COUNTS}": ("CNTS", None),
}
_PET_UNITS = {"BQML", "GML", "CM2ML", "CNTS", "PROPCNTS", "CPS", "PROPCPS", "NONE"}


def is_multiframe(header: Dataset) -> bool:
    """Whether a header is that of an enhanced object, which keeps its geometry in functional groups."""
    return "PerFrameFunctionalGroupsSequence" in header


def flatten(header: Dataset) -> tuple[Dataset, ...]:
    """Write an enhanced object as classic headers.

    A frame's own functional groups go before the shared ones, and both before the top level (PS3.3 C.7.6.16).
    Attributes of a legacy converted object that found no place in a functional group are taken from its unassigned
    groups. For PET, Units come from the Rescale Type of the pixel value transformation, or with slope and intercept
    from the real world value mapping; DecayCorrection, CorrectedImage, SeriesType, ActualFrameDuration and the
    acquisition's date and time from their enhanced counterparts (PS3.3 C.8.22). DecayCorrectionDateTime stays.

    Parameters
    ----------
    header
        Header of an Enhanced or Legacy Converted Enhanced PET or CT image, without pixel data.

    Returns
    -------
    tuple of Dataset
        One a frame, in the order of the frames. Elements are shared between them, so they must not be changed.

    """
    top = Dataset()
    for element in header:
        if element.keyword not in _FUNCTIONAL_GROUPS and element.keyword != "NumberOfFrames":
            top.add(element)
    shared = header.get("SharedFunctionalGroupsSequence")
    shared_groups = shared[0] if shared else Dataset()
    frames = []
    for own_groups in header.PerFrameFunctionalGroupsSequence:
        flat = Dataset()
        flat.update(top)
        for groups in (shared_groups, own_groups):
            for element, unassigned in _hoisted(groups):
                if not unassigned or element.tag not in top:
                    flat.add(element)
        if text(flat, "Modality").upper() == "PT":
            _add_classic_pet(flat, shared_groups, own_groups)
        _add_classic_times(flat)
        frames.append(flat)
    return tuple(frames)


def _hoisted(groups: Dataset) -> Iterator[tuple[DataElement, bool]]:
    for group in groups:
        if group.VR == "SQ" and group.keyword not in _NOT_HOISTED and len(group.value) == 1:
            for element in group.value[0]:
                yield element, group.keyword in _UNASSIGNED


def _add_classic_pet(flat: Dataset, shared_groups: Dataset, own_groups: Dataset) -> None:
    if not text(flat, "Units"):
        rescale_type = text(flat, "RescaleType").upper()
        if rescale_type in _PET_UNITS:
            _put(flat, "Units", rescale_type)
        else:
            _add_real_world_units(flat, own_groups, shared_groups)
    if "CorrectedImage" not in flat:
        done = [term for keyword, term in _CORRECTIONS.items() if text(flat, keyword).upper() == "YES"]
        _put(flat, "CorrectedImage", list(dict.fromkeys(done)))
    if not text(flat, "DecayCorrection") and (corrected := text(flat, "DecayCorrected").upper()):
        _put(flat, "DecayCorrection", _decay_correction(flat) if corrected == "YES" else "NONE")
    if "SeriesType" not in flat:
        kinds = (texts(flat, "FrameType") or texts(flat, "ImageType"))[2:3]
        _put(flat, "SeriesType", [*kinds, "IMAGE"])
    if "ActualFrameDuration" not in flat and (duration := number(flat, "FrameAcquisitionDuration")) is not None:
        _put(flat, "ActualFrameDuration", round(duration))


def _add_real_world_units(flat: Dataset, *groups: Dataset) -> None:
    mappings = [mapping for group in groups for mapping in group.get("RealWorldValueMappingSequence") or ()]
    best: tuple[int, Dataset, str, str | None] | None = None
    for mapping in mappings:
        for code in mapping.get("MeasurementUnitsCodeSequence") or ():
            symbol = text(code, "CodeValue").upper()
            if symbol in _UCUM_UNITS:
                rank = list(_UCUM_UNITS).index(symbol)
                if best is None or rank < best[0]:
                    best = (rank, mapping, *_UCUM_UNITS[symbol])
    if best is None:
        return
    _, mapping, units, suv_type = best
    slope, intercept = number(mapping, "RealWorldValueSlope"), number(mapping, "RealWorldValueIntercept")
    if slope is None or intercept is None:
        return
    _put(flat, "Units", units)
    _put(flat, "RescaleSlope", slope)
    _put(flat, "RescaleIntercept", intercept)
    if suv_type is not None:
        _put(flat, "SUVType", suv_type)


def _decay_correction(flat: Dataset) -> str:
    """ADMIN where the image is corrected to the administration, else START; the time itself stays in the header."""
    corrected_to = text(flat, "DecayCorrectionDateTime")[:14]
    items = flat.get("RadiopharmaceuticalInformationSequence") or ()
    injected = text(items[0], "RadiopharmaceuticalStartDateTime")[:14] if items else ""
    return "ADMIN" if corrected_to and corrected_to == injected else "START"


def _add_classic_times(flat: Dataset) -> None:
    acquired = text(flat, "FrameAcquisitionDateTime") or text(flat, "AcquisitionDateTime")
    moment, zone = acquired, ""
    for sign in "+-":
        if sign in acquired:
            moment, _, offset = acquired.partition(sign)
            zone = sign + offset
    if len(moment) >= 14:
        if "AcquisitionDate" not in flat:
            _put(flat, "AcquisitionDate", moment[:8])
        if "AcquisitionTime" not in flat:
            _put(flat, "AcquisitionTime", moment[8:])
    if zone and "TimezoneOffsetFromUTC" not in flat:
        _put(flat, "TimezoneOffsetFromUTC", zone)


def _put(flat: Dataset, keyword: str, value: object) -> None:
    """Set a new element: to change one in place would change the object's own header and all frames that share it."""
    flat.add(DataElement(tag_for_keyword(keyword) or 0, dictionary_VR(keyword), value))
