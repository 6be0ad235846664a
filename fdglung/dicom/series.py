"""Series: what became of each, and files sorted into the stacks of slices that may form one volume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID

from fdglung.dicom.attributes import label, number, text, texts, vector, whole
from fdglung.dicom.files import IMAGE_CLASSES, DicomFile
from fdglung.dicom.multiframe import flatten, is_multiframe
from fdglung.dicom.naming import describe
from fdglung.errors import InconsistentSeriesError, MissingAttributeError, TruncatedFileError

EXCLUDED_IMAGE_TYPES = {
    "LOCALIZER": "a localizer",
    "SCOUT": "a localizer",
    "TOPOGRAM": "a localizer",
    "PROJECTION": "a projection",
    "PROJECTION IMAGE": "a projection",
    "REPROJECTION": "a projection",
    "MIP": "a maximum intensity projection",
    "MAX_IP": "a maximum intensity projection",
    "MIN_IP": "a minimum intensity projection",
    "VOLUME_RENDER": "a rendering",
    "SURFACE_RENDER": "a rendering",
    "MPR": "a reformat of another series",
    "CSA MPR": "a reformat of another series",
    "REFORMATTED": "a reformat of another series",
    "SCREEN SAVE": "a screen shot",
    "FUSED": "a fused picture",
    "FUSION": "a fused picture",
    "DOSE_INFO": "a dose record",
}
"""Terms of ImageType, FrameType and SeriesType that tell an image which is no volume of its own."""

_NO_HOUNSFIELD_UNITS = {"OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"}
_ANOTHER_ORIENTATION = 0.8


@dataclass(frozen=True)
class SeriesVerdict:
    """What became of one series of the input.

    Attributes
    ----------
    uid
        SeriesInstanceUID.
    modality
        Modality (0008,0060).
    number
        SeriesNumber (0020,0011), or None.
    images
        Number of images (frames of a multi-frame object).
    taken
        Whether the study uses it.
    reason
        Why it was taken or left, in one sentence.

    """

    uid: str
    modality: str
    number: int | None
    images: int
    taken: bool
    reason: str


@dataclass(frozen=True, eq=False)
class Slice:
    """One image: a classic file, or a frame of a multi-frame one.

    Attributes
    ----------
    header
        With the keywords of the classic objects, without pixel data.
    file
        Where its pixels are.
    frame
        Index of the frame, or None for a file with one.

    """

    header: Dataset = field(repr=False)
    file: DicomFile
    frame: int | None = None


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one series that may form one volume.

    Attributes
    ----------
    modality
        ``PT`` or ``CT``, by SOP class.
    slices
        In the order of the files.
    warnings
        What a physician must know, in full sentences.

    """

    modality: str
    slices: tuple[Slice, ...]
    warnings: tuple[str, ...] = ()

    @property
    def headers(self) -> tuple[Dataset, ...]:
        """One a slice."""
        return tuple(one.header for one in self.slices)

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return text(self.slices[0].header, "SeriesInstanceUID")

    @property
    def name(self) -> str:
        """As errors and warnings call the series."""
        return describe(self.slices[0].header)


def group(files: Iterable[DicomFile]) -> tuple[tuple[Stack, ...], tuple[SeriesVerdict, ...]]:
    """Sort files into stacks of PET or CT slices; everything else gets its verdict here.

    A series is split by orientation (where normals or rows differ by more than 37 degrees), because some scanners put
    localizers and volumes into one, and by AcquisitionNumber where CT positions repeat. Copies of a slice (equal
    SOPInstanceUID, position, rescale, times and size) count once.

    Parameters
    ----------
    files
        As `fdglung.dicom.files.opened` finds them.

    Returns
    -------
    stacks, verdicts
        What may become a volume, and the verdicts on what may not.

    Raises
    ------
    TruncatedFileError
        A file is cut so short that nothing tells to which series it belongs.

    """
    by_series: dict[str, list[DicomFile]] = defaultdict(list)
    for file in files:
        uid = text(file.header, "SeriesInstanceUID")
        if file.truncated and not uid and text(file.header, "Modality").upper() in ("", "PT", "CT"):
            raise TruncatedFileError(
                f"File {file.position} of the input, in sorted order, ends before it tells its series",
                attribute="SeriesInstanceUID (0020,000E)",
                remedy="Copy or download the study again; remove the file if it is not part of the study",
            )
        by_series[uid].append(file)
    stacks: list[Stack] = []
    verdicts: list[SeriesVerdict] = []
    for uid in sorted(by_series, key=lambda uid: (_series_number(by_series[uid]), uid)):
        for modality, members in sorted(_by_modality(by_series[uid]).items()):
            if modality not in ("PT", "CT"):
                verdicts.append(verdict_on([file.header for file in members], taken=False, reason=modality))
                continue
            slices, warnings = _without_copies(_slices(members, verdicts))
            volumes = _without_excluded(slices, verdicts)
            stacks += [Stack(modality, tuple(part), tuple(warnings)) for part in _split(modality, volumes)]
    return tuple(stacks), tuple(verdicts)


def verdict_on(headers: Sequence[Dataset], *, taken: bool, reason: str, images: int | None = None) -> SeriesVerdict:
    """Say what became of a series, or of the part of it that these headers are."""
    header = headers[0]
    return SeriesVerdict(
        uid=text(header, "SeriesInstanceUID"),
        modality=text(header, "Modality"),
        number=whole(header, "SeriesNumber"),
        images=len(headers) if images is None else images,
        taken=taken,
        reason=reason,
    )


def check_whole(stack: Stack) -> None:
    """Refuse a stack with a file that is cut short.

    Raises
    ------
    TruncatedFileError
        Naming the first such file by its place in the input.

    """
    cut = [one.file.position for one in stack.slices if one.file.truncated]
    if cut:
        raise TruncatedFileError(
            f"{len(set(cut))} of its {len(stack.slices)} images end before their data do "
            f"(the first is file {cut[0]} of the input, in sorted order)",
            series=stack.name,
            attribute="PixelData (7FE0,0010)",
            remedy="Copy or download the series again",
        )


def check_one_source(stack: Stack) -> None:
    """Refuse a stack whose slices belong to several patients, studies or frames of reference.

    Raises
    ------
    InconsistentSeriesError
        Naming the attribute, not its values.

    """
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        if len({text(header, keyword) for header in stack.headers}) > 1:
            raise InconsistentSeriesError(
                f"Slices of one series differ in {keyword}",
                series=stack.name,
                attribute=label(keyword),
                remedy="Export the series again from its source",
            )


def _series_number(files: Sequence[DicomFile]) -> float:
    value = number(files[0].header, "SeriesNumber")
    return float("inf") if value is None else value


def _by_modality(files: Sequence[DicomFile]) -> dict[str, list[DicomFile]]:
    """Files of one series by ``PT``, ``CT``, or the reason why they are neither."""
    parts: dict[str, list[DicomFile]] = defaultdict(list)
    for file in files:
        sop_class = text(file.header, "SOPClassUID")
        modality = text(file.header, "Modality").upper()
        if sop_class in IMAGE_CLASSES:
            parts[IMAGE_CLASSES[sop_class]].append(file)
        elif not sop_class and modality in ("PT", "CT"):
            parts[modality].append(file)
        else:
            kind = UID(sop_class).name if sop_class else "object without SOPClassUID (0008,0016)"
            parts[f"{kind} is no PET or CT image."].append(file)
    return parts


def _slices(files: Sequence[DicomFile], verdicts: list[SeriesVerdict]) -> list[Slice]:
    slices: list[Slice] = []
    for file in files:
        if not is_multiframe(file.header):
            slices.append(Slice(file.header, file))
            continue
        try:
            frames = flatten(file.header)
        except (AttributeError, IndexError, TypeError, ValueError, KeyError):
            frames = ()
        if not frames:
            reason = "Its functional groups (5200,9229) and (5200,9230) cannot be read."
            verdicts.append(verdict_on([file.header], taken=False, reason=reason))
            continue
        slices += [Slice(frame, file, index) for index, frame in enumerate(frames)]
    return slices


def _without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], list[str]]:
    uids = [text(one.header, "SOPInstanceUID") for one in slices]
    if all(uids) and len({(uid, one.frame) for uid, one in zip(uids, slices, strict=True)}) == len(slices):
        return list(slices), []
    kept: dict[tuple[object, ...], Slice] = {}
    for index, (one, uid) in enumerate(zip(slices, uids, strict=True)):
        # Without a UID nothing tells a copy from another slice.
        key: tuple[object, ...] = (index,) if not uid else (uid, one.frame, one.file.size, *_fingerprint(one.header))
        kept.setdefault(key, one)
    dropped = len(slices) - len(kept)
    if not dropped:
        return list(slices), []
    plural = "copy of a slice was" if dropped == 1 else "copies of slices were"
    return list(kept.values()), [f"{describe(slices[0].header)}: {dropped} {plural} left out."]


def _fingerprint(header: Dataset) -> tuple[str, ...]:
    keywords = (
        "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept",
        "AcquisitionDate", "AcquisitionTime", "FrameReferenceTime", "Rows", "Columns",
    )  # fmt: skip
    return tuple(text(header, keyword) for keyword in keywords)


def _without_excluded(slices: Sequence[Slice], verdicts: list[SeriesVerdict]) -> list[Slice]:
    kept: list[Slice] = []
    left: dict[str, list[Dataset]] = defaultdict(list)
    for one in slices:
        if reason := _exclusion(one.header):
            left[reason].append(one.header)
        else:
            kept.append(one)
    verdicts += [verdict_on(headers, taken=False, reason=reason) for reason, headers in left.items()]
    return kept


def _exclusion(header: Dataset) -> str:
    for keyword in ("ImageType", "FrameType", "SeriesType"):
        terms = texts(header, keyword)
        for term in terms:
            kind = EXCLUDED_IMAGE_TYPES.get(term) or next(
                (kind for key, kind in EXCLUDED_IMAGE_TYPES.items() if term.startswith(key + " ")), None
            )
            if kind is not None:
                return f"{keyword} says {term}: {kind} is no volume to measure in."
    rescale_type = text(header, "RescaleType").upper()
    if text(header, "Modality").upper() == "CT" and rescale_type in _NO_HOUNSFIELD_UNITS:
        return f"RescaleType (0028,1054) says {rescale_type}: these are no Hounsfield units."
    samples = number(header, "SamplesPerPixel")
    if samples is not None and samples != 1:
        return "SamplesPerPixel (0028,0002) says that it is a colour picture."
    return ""


def _split(modality: str, slices: Sequence[Slice]) -> list[list[Slice]]:
    parts: list[tuple[NDArray[np.float64] | None, list[Slice]]] = []
    for one in slices:
        axes = _axes(one.header)
        for known, members in parts:
            # Slices without orientation stay with the first part, where they are refused by name.
            if axes is None or known is None or bool((np.einsum("ij,ij->i", axes, known) > _ANOTHER_ORIENTATION).all()):
                members.append(one)
                break
        else:
            parts.append((axes, [one]))
    stacks = [members for _, members in parts]
    return [part for stack in stacks for part in (_by_acquisition(stack) if modality == "CT" else [stack])]


def _axes(header: Dataset) -> NDArray[np.float64] | None:
    """Row, column and normal as unit rows of a 3 x 3 array; None where the header tells none."""
    try:
        cosines = vector(header, "ImageOrientationPatient", 6).reshape(2, 3)
    except MissingAttributeError:
        return None
    axes = np.vstack([cosines, np.cross(cosines[0], cosines[1])])
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    return axes / lengths if lengths.all() else None


def _by_acquisition(slices: list[Slice]) -> list[list[Slice]]:
    """Split repeated positions by AcquisitionNumber, where that leaves none repeated."""

    def place(one: Slice) -> str:
        return text(one.header, "ImagePositionPatient")

    if len({place(one) for one in slices}) == len(slices):
        return [slices]
    parts: dict[str, list[Slice]] = defaultdict(list)
    for one in slices:
        parts[text(one.header, "AcquisitionNumber")].append(one)
    if any(len({place(one) for one in part}) < len(part) for part in parts.values()):
        return [slices]
    return list(parts.values())
