"""The measurements as a DICOM Structured Report by template TID 1500."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import highdicom as hd
import SimpleITK as sitk
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.findings import by_reason, rounded
from fdglung.lesion_classes import UNDETERMINED, LesionClass
from fdglung.lesions import Lesion
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
    referenced_headers,
    series_number,
    stable_uid,
)
from fdglung.reporting.dicom_seg import ABNORMAL, LATERALITY, LESION, anatomic_site

SUVBW = Code("126401", "DCM", "SUVbw")
"""Standardised uptake value by body weight (PS3.16 CID 7469)."""

SUVBW_METHOD = Code("126410", "DCM", "SUV body weight calculation method")
"""How SUVbw is calculated (PS3.16 CID 85)."""

SUVBW_UNIT = Code("g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight")
"""Unit of SUVbw (PS3.16 CID 84)."""

MAXIMUM = Code("56851009", "SCT", "Maximum")
MEAN = Code("373098007", "SCT", "Mean")
PEAK = Code("126031", "DCM", "Peak Value Within ROI")
TOTAL = Code("255619001", "SCT", "Total")
"""Derivations (PS3.16 CID 7464)."""

METABOLIC_VOLUME = Code("126032", "DCM", "Metabolic Volume")
GLYCOLYSIS = Code("126033", "DCM", "Total Lesion Glycolysis")
DIAMETER = Code("81827009", "SCT", "Diameter")
DISTANCE = Code("121206", "DCM", "Distance")
LESION_COUNT = Code("246206008", "SCT", "Number of lesions")
"""Measured quantities (PS3.16 CID 7466, 7469, 7470; SNOMED CT)."""

OWN_SCHEME = "99FDGLUNG"
"""Coding scheme of the concepts that no public scheme has."""

LUNG_DISTANCE = Code("LUNGDIST", OWN_SCHEME, "Distance from VOI to lung border, negative inside")
HILUM_DISTANCE = Code("HILUMDIST", OWN_SCHEME, "Distance from VOI to middle of hilum")
MEDIASTINUM_DISTANCE = Code("MEDIASTDIST", OWN_SCHEME, "Distance from VOI to mediastinum")

IMPRESSION = Code("111023", "DCM", "Differential Diagnosis/Impression")
"""Name of a lesion's class."""

CLASSES = {
    "lymphoma": Code("1163043007", "SCT", "Lymphoma"),
    "lung cancer": Code("93880001", "SCT", "Primary malignant neoplasm of lung"),
    "metastasis": Code("128462008", "SCT", "Metastasis"),
    "benign": Code("30807003", "SCT", "Benign"),
    UNDETERMINED: Code("82334004", "SCT", "Indeterminate"),
}
"""Codes of the study's classes; a classifier's other classes get codes of `OWN_SCHEME`."""

PERCENT = Code("%", "UCUM", "Percent")
CM3 = Code("cm3", "UCUM", "cubic centimeter")
GRAM = Code("g", "UCUM", "gram")
MILLIMETER = Code("mm", "UCUM", "millimeter")
LESIONS_UNIT = Code("{lesions}", "UCUM", "lesions")

PROCEDURE_PET_CT = Code("443271005", "SCT", "PET/CT FDG imaging of whole body")
PROCEDURE_PET = Code("702767007", "SCT", "Positron emission tomography of whole body")
"""Procedure reported (PS3.16 CID 100), with and without CT."""

QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
"""Container of TID 1500 for what is said in words."""

COMMENT = Code("121106", "DCM", "Comment")


def measurement_report(analysis: Analysis, segmentation: Dataset) -> hd.sr.Comprehensive3DSR:
    """Encode measurements, totals and warnings by TID 1500 (PS3.16), referring to segments and PET.

    Each lesion is a measurement group of TID 1411; the study's totals are one of TID 1501 that refers to the whole
    PET; the research notice, the warnings and the excluded uptake are texts of its qualitative evaluations.

    Parameters
    ----------
    analysis
        A study with its findings.
    segmentation
        The DICOM SEG of the same analysis.

    Returns
    -------
    highdicom.sr.Comprehensive3DSR
        Ready to be saved; values with the six digits of the CSV. UIDs depend on what was found alone.

    Raises
    ------
    NoPetError
        The study has no PET.
    InconsistentSeriesError
        The label image does not lie on the PET's slices.

    """
    planes = plane_headers(analysis)
    kind = f"SR of {segmentation.SOPInstanceUID}"
    groups = [*_lesion_groups(analysis, planes, segmentation), _study_group(analysis, planes, kind)]
    report = hd.sr.MeasurementReport(
        observation_context=_observer(analysis, kind),
        procedure_reported=PROCEDURE_PET if analysis.study.ct is None else PROCEDURE_PET_CT,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    report[0].ContentSequence.append(_remarks(analysis))
    seg_reference = _reference_only(segmentation)
    sr = hd.sr.Comprehensive3DSR(
        evidence=[*planes, seg_reference] if analysis.findings.lesions else planes,
        content=report,
        series_instance_uid=stable_uid(analysis, f"{kind}: series"),
        series_number=series_number(analysis, 2),
        sop_instance_uid=stable_uid(analysis, f"{kind}: instance"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=__version__,
        device_serial_number=SERIAL_NUMBER,
        series_description="fdglung measurements, research use only",
        is_complete=True,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                designator=OWN_SCHEME, name="fdglung concepts", version=__version__, responsible_organization="fdglung"
            )
        ],
    )
    adopt_identity(sr, pet_headers(analysis)[0])
    return sr


def _lesion_groups(
    analysis: Analysis, planes: Sequence[Dataset], segmentation: Dataset
) -> list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]:
    labels = sitk.GetArrayViewFromImage(analysis.lesions)
    rows = image_rows(analysis)
    groups = []
    classification = analysis.findings.classification
    for lesion in analysis.findings.lesions:
        said = classification.of(lesion.label) if classification else None
        groups.append(
            hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=hd.sr.TrackingIdentifier(
                    uid=lesion.tracking_uid, identifier=ascii_text(lesion.tracking_id, limit=64)
                ),
                referenced_segment=_referenced_segment(planes, rows, labels == lesion.label, segmentation, lesion),
                finding_category=ABNORMAL,
                finding_type=LESION,
                finding_sites=[
                    hd.sr.FindingSite(anatomic_location=anatomic_site(lesion), laterality=LATERALITY.get(lesion.side))
                ],
                algorithm_id=_algorithm(analysis.findings.voi_of(lesion)),
                measurements=[*_measurements(lesion), *_probabilities(said)],
                qualitative_evaluations=[_impression(said)] if said else None,
            )
        )
    return groups


def _referenced_segment(
    planes: Sequence[Dataset], rows: Sequence[int], mask: NDArray[Any], segmentation: Dataset, lesion: Lesion
) -> hd.sr.ReferencedSegment:
    """Refer to a segment and its source slices; the mask is (z, y, x)."""
    # highdicom's from_segmentation needs a segment number in every frame, which one segment and label maps lack.
    if len(planes) == len(rows):
        source = [
            hd.sr.SourceImageForSegmentation(str(plane.SOPClassUID), str(plane.SOPInstanceUID))
            for plane in referenced_headers(planes, rows, mask)
        ]
    else:
        touched = mask.any(axis=(1, 2))
        frames = [number for number, row in enumerate(rows, 1) if touched[row]]
        source = [
            hd.sr.SourceImageForSegmentation(
                str(planes[0].SOPClassUID), str(planes[0].SOPInstanceUID), referenced_frame_numbers=frames
            )
        ]
    return hd.sr.ReferencedSegment(
        sop_class_uid=str(segmentation.SOPClassUID),
        sop_instance_uid=str(segmentation.SOPInstanceUID),
        segment_number=lesion.label,
        source_images=source,
    )


def _measurements(lesion: Lesion) -> list[hd.sr.Measurement]:
    def suv(value: float, derivation: Code) -> hd.sr.Measurement:
        return hd.sr.Measurement(
            name=SUVBW, value=rounded(value), unit=SUVBW_UNIT, derivation=derivation, method=SUVBW_METHOD
        )

    measurements = [
        suv(lesion.suv_max, MAXIMUM),
        suv(lesion.suv_mean, MEAN),
        suv(lesion.suv_peak, PEAK),
        hd.sr.Measurement(name=METABOLIC_VOLUME, value=rounded(lesion.mtv_ml), unit=CM3),
        hd.sr.Measurement(name=GLYCOLYSIS, value=rounded(lesion.tlg_g), unit=GRAM),
        hd.sr.Measurement(
            name=DIAMETER, value=rounded(lesion.longest_diameter_mm), unit=MILLIMETER, derivation=MAXIMUM
        ),
    ]
    distances = (
        (LUNG_DISTANCE, lesion.lung_distance_mm),
        (HILUM_DISTANCE, lesion.hilum_distance_mm),
        (MEDIASTINUM_DISTANCE, lesion.mediastinum_distance_mm),
    )
    measurements += [
        hd.sr.Measurement(name=name, value=rounded(distance), unit=MILLIMETER)
        for name, distance in distances
        if distance is not None
    ]
    return measurements


def _impression(said: LesionClass) -> hd.sr.QualitativeEvaluation:
    name = said.name.replace("_", " ").lower()
    return hd.sr.QualitativeEvaluation(name=IMPRESSION, value=CLASSES.get(name) or _own_code("CLASS", said.name))


def _probabilities(said: LesionClass | None) -> list[hd.sr.Measurement]:
    return [
        hd.sr.Measurement(
            name=_own_code("PROB", name, f"Probability of {name}"), value=rounded(100 * value), unit=PERCENT
        )
        for name, value in (said.probabilities.items() if said else ())
    ]


def _own_code(kind: str, name: str, meaning: str | None = None) -> Code:
    """Return a code whose value depends on the name alone, so that it means the same in every report."""
    value = f"{kind}{hashlib.sha256(name.encode()).hexdigest()[:10].upper()}"
    return Code(value, OWN_SCHEME, ascii_text(meaning or name, limit=64))


def _study_group(
    analysis: Analysis, planes: Sequence[Dataset], kind: str
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    findings = analysis.findings
    measurements = [
        hd.sr.Measurement(name=LESION_COUNT, value=len(findings.lesions), unit=LESIONS_UNIT),
        hd.sr.Measurement(name=METABOLIC_VOLUME, value=rounded(findings.total_mtv_ml), unit=CM3, derivation=TOTAL),
        hd.sr.Measurement(name=GLYCOLYSIS, value=rounded(findings.total_tlg_g), unit=GRAM, derivation=TOTAL),
    ]
    if findings.dmax_mm is not None:
        measurements.append(
            hd.sr.Measurement(name=DISTANCE, value=rounded(findings.dmax_mm), unit=MILLIMETER, derivation=MAXIMUM)
        )
    presence = codes.SCT.Present if findings.lesions else codes.SCT.Absent
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=stable_uid(analysis, f"{kind}: all lesions"), identifier="All FDG-avid lung lesions of the study"
        ),
        finding_category=ABNORMAL,
        finding_type=LESION,
        finding_sites=[hd.sr.FindingSite(anatomic_location=codes.SCT.Lung)],
        algorithm_id=_algorithm("sum over all lesions"),
        measurements=measurements,
        qualitative_evaluations=[hd.sr.QualitativeEvaluation(name=LESION, value=presence)],
        source_images=[
            hd.sr.SourceImageForMeasurementGroup(str(plane.SOPClassUID), str(plane.SOPInstanceUID)) for plane in planes
        ],
    )


def _algorithm(parameters: str) -> hd.sr.AlgorithmIdentification:
    return hd.sr.AlgorithmIdentification(name=MODEL_NAME, version=__version__, parameters=[parameters])


def _observer(analysis: Analysis, kind: str) -> hd.sr.ObservationContext:
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=stable_uid(analysis, f"{kind}: device"),
        name=MODEL_NAME,
        manufacturer_name=MANUFACTURER,
        model_name=f"{MANUFACTURER} {__version__}",
    )
    return hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _remarks(analysis: Analysis) -> hd.sr.ContainerContentItem:
    """Put notice, outcome and warnings into the container of TID 1500 for words."""
    findings = analysis.findings
    count = len(findings.lesions)
    remarks = [RESEARCH_NOTICE]
    remarks.append(
        f"{count} FDG-avid lung lesion{'s' if count != 1 else ''} found." if count else "No avid lung lesion found."
    )
    if findings.classification is not None:
        remarks.append(findings.classification.notice)
    remarks += [f"Warning: {warning}" for warning in findings.warnings]
    remarks += [
        f"Not reported as a lung lesion ({reason}): {len(group)} {'foci' if len(group) > 1 else 'focus'}, "
        f"SUVmax {rounded(group[0].suv_max):g} g/ml."
        for reason, group in by_reason(findings.excluded).items()
    ]
    container = hd.sr.ContainerContentItem(
        name=QUALITATIVE_EVALUATIONS, relationship_type=hd.sr.RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = hd.sr.ContentSequence(
        [
            hd.sr.TextContentItem(
                name=COMMENT, value=ascii_text(remark), relationship_type=hd.sr.RelationshipTypeValues.CONTAINS
            )
            for remark in remarks
        ]
    )
    return container


def _reference_only(segmentation: Dataset) -> Dataset:
    reference = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(reference, keyword, segmentation[keyword].value)
    return reference
