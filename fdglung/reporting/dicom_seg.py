"""The lesions as a DICOM Segmentation on the PET grid, one segment a lesion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import highdicom as hd
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from fdglung import __version__
from fdglung.errors import ParameterError
from fdglung.findings import Findings, rounded
from fdglung.lesions import Lesion
from fdglung.lungs.placement import Side
from fdglung.pipeline import Analysis
from fdglung.reporting.dicom_common import (
    MANUFACTURER,
    MODEL_NAME,
    SERIAL_NUMBER,
    adopt_identity,
    ascii_text,
    image_rows,
    pet_headers,
    plane_headers,
    series_number,
    stable_uid,
)
from fdglung.reporting.palette import display_colors

SegmentationType = Literal["BINARY", "LABELMAP"]
"""Binary segments are read by every viewer; a label map is smaller with many lesions and newer."""

ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
"""Segmented property category (PS3.16 CID 7150)."""

LESION = Code("52988006", "SCT", "Lesion")
"""Segmented property type (PS3.16 CID 7151): says neither tumour nor benign."""

NO_LESION_LABEL = "No avid lung lesion found"
"""Label of the one empty segment of a study without lesions: Segment Sequence is type 1 (PS3.3 C.8.20.2)."""


@dataclass(frozen=True)
class Annotation:
    """Who made a segmentation that is not automatic alone.

    Attributes
    ----------
    annotator
        Name; of signs beyond ASCII their plain spelling is written.
    version
        From 1.

    """

    annotator: str
    version: int


def segmentation(
    analysis: Analysis, *, segmentation_type: SegmentationType = "BINARY", annotation: Annotation | None = None
) -> hd.seg.Segmentation:
    """Encode the lesions as DICOM SEG (PS3.3 A.51) in the positions of the PET's own slices.

    Parameters
    ----------
    analysis
        A study with its findings; lesion labels run from 1 without a gap.
    segmentation_type
        ``BINARY`` (one bit a voxel and segment) or ``LABELMAP`` (DICOM 2024c and later).
    annotation
        Makes it semi-automatic, by this annotator; None for an automatic one.

    Returns
    -------
    highdicom.seg.Segmentation
        Ready to be saved. UIDs depend on what was found alone; the dates are those of now.

    Raises
    ------
    NoPetError
        The study has no PET.
    ParameterError
        Another type, or lesions and label image that do not agree.
    InconsistentSeriesError
        The label image does not lie on the PET's slices.

    """
    if segmentation_type not in ("BINARY", "LABELMAP"):
        raise ParameterError(
            f"The segmentation type {segmentation_type!r} is unknown",
            attribute="segmentation_type",
            remedy="Use BINARY or LABELMAP",
        )
    planes = plane_headers(analysis)
    labels = sitk.GetArrayFromImage(analysis.lesions)
    _check_labels(analysis, labels)
    rows = image_rows(analysis)
    kind = (
        segmentation_type if annotation is None else f"{segmentation_type} {annotation.annotator} {annotation.version}"
    )
    seg = hd.seg.Segmentation(
        source_images=planes,
        pixel_array=np.ascontiguousarray(labels[rows]),
        segmentation_type=segmentation_type,
        segment_descriptions=_segments(analysis, annotation),
        series_instance_uid=stable_uid(analysis, f"{kind} SEG series"),
        series_number=series_number(analysis, 1 if annotation is None else 5),
        sop_instance_uid=stable_uid(analysis, f"{kind} SEG instance"),
        instance_number=1 if annotation is None else annotation.version,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=__version__,
        device_serial_number=SERIAL_NUMBER,
        pixel_measures=_pixel_measures(analysis),
        omit_empty_frames=bool(analysis.findings.lesions),
        content_label="LESIONS",
        content_description="FDG-avid lung lesions, research use only",
        series_description=f"fdglung {'lesions' if annotation is None else 'annotation'}, research use only",
        content_creator_name=None if annotation is None else _person_name(annotation.annotator),
    )
    _fix_uids(seg, analysis, kind)
    adopt_identity(seg, pet_headers(analysis)[0])
    return seg


def _check_labels(analysis: Analysis, labels: NDArray[Any]) -> None:
    """Compare the label array (z, y, x) with the list of lesions."""
    in_image = np.unique(labels[labels > 0]).tolist()
    in_list = [lesion.label for lesion in analysis.findings.lesions]
    if in_image != in_list or in_list != list(range(1, len(in_list) + 1)):
        raise ParameterError(
            "The label image and the list of lesions do not hold the same numbers",
            attribute="lesions",
            remedy="Number the lesions from 1 without a gap, alike in both",
        )


def _person_name(name: str) -> str:
    """Spell a name as a person's family name: ASCII, without the signs that part a name's components."""
    return ascii_text(name.replace("^", " ").replace("=", " "), limit=63) + "^"


def _segments(analysis: Analysis, annotation: Annotation | None) -> list[hd.seg.SegmentDescription]:
    lesions = analysis.findings.lesions
    kind = "AUTOMATIC" if annotation is None else "SEMIAUTOMATIC"
    if not lesions:
        return [_segment(1, NO_LESION_LABEL, "No voxel belongs to this segment", (0.5, 0.5, 0.5), kind)]
    colors = display_colors(len(lesions))
    return [
        _segment(
            lesion.label, f"Lesion {lesion.label}", _describe(analysis.findings, lesion), color, kind, lesion=lesion
        )
        for lesion, color in zip(lesions, colors, strict=True)
    ]


def _segment(
    number: int,
    label: str,
    description: str,
    color: tuple[float, float, float],
    kind: str,
    *,
    lesion: Lesion | None = None,
) -> hd.seg.SegmentDescription:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=MODEL_NAME, family=codes.DCM.ArtificialIntelligence, version=__version__
    )
    segment = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=ABNORMAL,
        segmented_property_type=LESION,
        algorithm_type=kind,
        algorithm_identification=algorithm,
        tracking_uid=lesion.tracking_uid if lesion else None,
        tracking_id=ascii_text(lesion.tracking_id, limit=64) if lesion else None,
        anatomic_regions=[anatomic_site(lesion)],
        display_color=hd.color.CIELabColor.from_rgb(*(round(255 * part) for part in color)),
    )
    segment.SegmentDescription = ascii_text(description, limit=1024)
    if lesion and lesion.side in LATERALITY:
        modifier = hd.sr.CodedConcept.from_code(LATERALITY[lesion.side])
        segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [modifier]
    return segment


LATERALITY = {Side.LEFT: codes.SCT.Left, Side.RIGHT: codes.SCT.Right}
"""Laterality (PS3.16 CID 244); lesions of the mediastinum or an unknown side have none."""


LOBE_SITES = {
    "left upper lobe": codes.SCT.UpperLobeOfLung,
    "left lower lobe": codes.SCT.LowerLobeOfLung,
    "right upper lobe": codes.SCT.UpperLobeOfLung,
    "right middle lobe": codes.SCT.MiddleLobeOfRightLung,
    "right lower lobe": codes.SCT.LowerLobeOfLung,
}
"""Lobes in SNOMED CT; the side stands in the laterality."""


def anatomic_site(lesion: Lesion | None) -> Code:
    """Code the place of a lesion.

    Parameters
    ----------
    lesion
        A lesion, or None for a study without one.

    Returns
    -------
    Code
        Mediastinum for a lesion there, otherwise its lobe, or lung where that is not known (SNOMED CT).

    """
    if lesion and lesion.side is Side.MEDIASTINUM:
        return codes.SCT.Mediastinum
    return LOBE_SITES.get(lesion.lobe or "", codes.SCT.Lung) if lesion else codes.SCT.Lung


def _describe(findings: Findings, lesion: Lesion) -> str:
    return (
        f"SUVmax {rounded(lesion.suv_max):g} g/ml, MTV {rounded(lesion.mtv_ml):g} ml, TLG {rounded(lesion.tlg_g):g} g, "
        f"{findings.voi_of(lesion)}; research use only"
    )


def _pixel_measures(analysis: Analysis) -> hd.PixelMeasuresSequence:
    columns, rows, slices = analysis.lesions.GetSpacing()
    headers = pet_headers(analysis)
    thickness = headers[0].get("SliceThickness")
    return hd.PixelMeasuresSequence(
        pixel_spacing=(round(rows, 9), round(columns, 9)),
        slice_thickness=float(thickness) if thickness else round(slices, 9),
        spacing_between_slices=round(slices, 9),
    )


def _fix_uids(seg: hd.seg.Segmentation, analysis: Analysis, kind: str) -> None:
    """Replace the random UID of the dimensions by a stable one."""
    uid = stable_uid(analysis, f"{kind} SEG dimensions")
    seg.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in seg.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid
