"""The true lesions and organs of a synthetic study as DICOM Segmentations on the PET's slices."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from fdglung import __version__
from fdglung.phantom.organ_codes import ORGAN_CODES, organ_color, organ_name
from fdglung.phantom.organs import Organ
from fdglung.phantom.study import TrueLesion
from fdglung.phantom.writer.image import MARK, code_item, contributing_equipment
from fdglung.phantom.writer.scan import Scan

if TYPE_CHECKING:
    import highdicom as hd

ALGORITHM = "fdglung phantom"
"""Name of what made the segments."""

LESION = codes.SCT.Lesion
"""Segmented property type of a lesion (PS3.16 CID 7159)."""

EMPTY_LABEL = "None"
"""Label of the one empty segment where there is nothing: a segmentation must have a segment (PS3.3 C.8.20.2)."""


@dataclass(frozen=True)
class _Segment:
    value: int
    label: str
    description: str
    category: Code
    kind: Code
    color: tuple[int, int, int]
    laterality: str | None = None
    region: Code | None = None
    tracking: tuple[str, str] | None = None


def lesion_segmentation(scan: Scan, pet: Sequence[Dataset]) -> hd.seg.Segmentation:
    """Encode the lesion mask, one binary segment a lesion with its tracking UID.

    Parameters
    ----------
    scan
        What the study's headers follow from.
    pet
        Headers of the PET, from the feet's end.

    Returns
    -------
    highdicom.seg.Segmentation
        Ready to be saved. A lesion that fills no voxel to the half has a segment without frames.

    """
    segments = [_lesion_segment(lesion, len(scan.study.lesions)) for lesion in scan.study.lesions]
    return _segmentation(scan, pet, scan.study.lesion_mask, segments, "lesions", 101)


def organ_segmentation(scan: Scan, pet: Sequence[Dataset]) -> hd.seg.Segmentation:
    """Encode the organs that are there, one binary segment an organ.

    Parameters and result are those of `lesion_segmentation`.
    """
    present = np.unique(sitk.GetArrayViewFromImage(scan.study.organs))
    segments = [_organ_segment(organ) for organ in Organ if organ.value in present]
    return _segmentation(scan, pet, scan.study.organs, segments, "organs", 102)


def _lesion_segment(lesion: TrueLesion, count: int) -> _Segment:
    # one turn of the colour wheel for all lesions, full and half saturation by turns
    rgb = colorsys.hsv_to_rgb((lesion.label - 1) / max(count, 1), 1.0 if lesion.label % 2 else 0.6, 1.0)
    words = lesion.place.lower().split()
    return _Segment(
        value=lesion.label,
        label=f"Lesion {lesion.label}",
        description=(
            f"{MARK} {lesion.lesion_class.value.replace('_', ' ')}, {lesion.subtype}, {lesion.place}; true volume "
            f"{lesion.volume_ml:.3f} ml, true SUVmax {lesion.suv_max:.3f} and SUVmean {lesion.suv_mean:.3f} g/ml"
        ),
        category=codes.SCT.MorphologicallyAbnormalStructure,
        kind=LESION,
        color=(round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])),
        laterality=next((side for side in ("left", "right") if side in words), None),
        region=codes.SCT.Lung if lesion.kind == "lung" else codes.SCT.LymphNode,
        tracking=(f"lesion {lesion.label}", lesion.tracking_uid),
    )


def _organ_segment(organ: Organ) -> _Segment:
    code = ORGAN_CODES[organ]
    return _Segment(
        value=organ.value,
        label=organ_name(organ),
        description=f"{MARK} {organ_name(organ)}, value {organ.value} of the label map",
        category=code.category,
        kind=code.kind,
        color=organ_color(organ),
        laterality=code.laterality,
    )


_NOTHING = _Segment(
    0, EMPTY_LABEL, "No voxel belongs to this segment", codes.SCT.MorphologicallyAbnormalStructure, LESION, (128,) * 3
)


def _segmentation(
    scan: Scan, pet: Sequence[Dataset], mask: sitk.Image, segments: Sequence[_Segment], name: str, number: int
) -> hd.seg.Segmentation:
    import highdicom as hd

    columns, rows, slices = mask.GetSpacing()
    seg = hd.seg.Segmentation(
        source_images=pet,
        pixel_array=_numbered(mask, segments),
        segmentation_type="BINARY",
        segment_descriptions=[_describe(index, one) for index, one in enumerate(segments or [_NOTHING], start=1)],
        series_instance_uid=scan.uid(f"{name} SEG series"),
        series_number=number,
        sop_instance_uid=scan.uid(f"{name} SEG"),
        instance_number=1,
        manufacturer="fdglung",
        manufacturer_model_name=ALGORITHM,
        software_versions=__version__,
        device_serial_number="0",
        pixel_measures=hd.PixelMeasuresSequence(
            pixel_spacing=(round(rows, 6), round(columns, 6)),
            slice_thickness=round(slices, 6),
            spacing_between_slices=round(slices, 6),
        ),
        omit_empty_frames=bool(segments),
        content_label=name.upper(),
        content_description=f"True {name} of a {MARK} study",
        series_description=f"true {name} {MARK}",
    )
    _settle(seg, scan, name)
    return seg


def _numbered(mask: sitk.Image, segments: Sequence[_Segment]) -> npt.NDArray[Any]:
    """Labels (z, y, x) by place in the list of segments, which must run from 1 without a gap."""
    voxels = sitk.GetArrayViewFromImage(mask)
    table = np.zeros(max(int(voxels.max()), *(one.value for one in segments), 0) + 1 if segments else 1, np.uint16)
    for index, one in enumerate(segments, start=1):
        table[one.value] = index
    numbered = table[voxels] if segments else np.zeros(voxels.shape, np.uint16)
    return numbered.astype(np.uint8) if len(segments) < 256 else numbered


def _describe(number: int, one: _Segment) -> hd.seg.SegmentDescription:
    import highdicom as hd

    segment = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=one.label,
        segmented_property_category=one.category,
        segmented_property_type=one.kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=ALGORITHM, family=codes.DCM.ArtificialIntelligence, version=__version__
        ),
        tracking_id=one.tracking[0] if one.tracking else None,
        tracking_uid=one.tracking[1] if one.tracking else None,
        anatomic_regions=[one.region] if one.region else None,
        display_color=hd.color.CIELabColor.from_rgb(*one.color),
    )
    segment.SegmentDescription = one.description[:1024]
    if one.laterality:
        side = code_item(codes.SCT.Left if one.laterality == "left" else codes.SCT.Right)
        if one.region:
            segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side]
        else:
            segment.SegmentedPropertyTypeModifierCodeSequence = [side]
    return segment


def _settle(seg: hd.seg.Segmentation, scan: Scan, name: str) -> None:
    """Replace dates of now and random UIDs, and say that it is synthetic."""
    moment = scan.timing.started
    for kind in ("Content", "InstanceCreation", "Series"):
        if f"{kind}Date" in seg or kind == "Content":
            setattr(seg, f"{kind}Date", f"{moment:%Y%m%d}")
            setattr(seg, f"{kind}Time", f"{moment:%H%M%S}")
    uid = scan.uid(f"{name} SEG dimensions")
    seg.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in seg.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid
    seg.ContributingEquipmentSequence = [contributing_equipment()]


SEGMENTATIONS: dict[str, Callable[[Scan, Sequence[Dataset]], hd.seg.Segmentation]] = {
    "seg_lesions.dcm": lesion_segmentation,
    "seg_organs.dcm": organ_segmentation,
}
"""What is written beside the images, by file name."""
