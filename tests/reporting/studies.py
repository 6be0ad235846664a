"""Synthetic analyses: PET headers in any orientation, classic or enhanced, with any number of lesions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from fdglung.dicom.series import SeriesVerdict
from fdglung.dicom.suv import AttributeUsed, SuvRecord
from fdglung.findings import Findings
from fdglung.lesion_classes import UNDETERMINED, Classification, LesionClass
from fdglung.lesions import Lesion
from fdglung.lungs import LungRegion
from fdglung.lungs.placement import Side
from fdglung.pipeline import Analysis
from fdglung.segmentation import ExcludedUptake
from fdglung.study import Study

SIZE = (40, 36, 24)
SPACING = (4.0, 4.5, 3.0)
COS, SIN = np.cos(0.3), np.sin(0.3)
ORIENTATIONS = {
    "head first": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "slices downwards": ((1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "feet first prone": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "feet first supine": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    "oblique": ((COS, SIN, 0), (-SIN * COS, COS * COS, -SIN), (-SIN * SIN, COS * SIN, COS)),
}
"""Directions of columns, rows and slices in patient coordinates."""

PET = "1.2.840.10008.5.1.4.1.1.128"
ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"
CT = "1.2.840.10008.5.1.4.1.1.2"

WARNINGS = (
    "The body weight is missing in one header and was taken from another.",
    "The lungs were segmented by the classical method.",
)


def uid(*parts: object) -> str:
    return str(generate_uid(entropy_srcs=[str(part) for part in parts]))


def analysis(
    lesions: int = 3, *, orientation: str = "head first", ct: bool = True, enhanced: bool = False, **header: str
) -> Analysis:
    """Make an analysis whose lesion mask is asymmetric in every axis; `header` overrides attributes of the PET."""
    directions = np.array(ORIENTATIONS[orientation], float)
    labels = _labels(lesions)
    lesion_image = _image(labels, directions)
    rng = np.random.default_rng(1)
    suv = rng.uniform(0.3, 1.2, labels.shape) + np.where(labels > 0, 12.0 - 0.1 * labels, 0.0)
    pet = _image(suv.astype(np.float32), directions)
    pet_headers = _headers(pet, PET, header)
    if enhanced:
        pet_headers = (_enhanced(pet_headers),)
    ct_image = _ct(pet) if ct else None
    ct_headers = _headers(ct_image, CT, header) if ct_image is not None else ()
    found = tuple(_lesion(label, labels, suv, pet) for label in range(1, lesions + 1))
    study = Study(pet, ct_image, pet_headers, ct_headers, _suv(), _series(pet_headers, ct_headers), WARNINGS[:1])
    lungs = None
    if ct_image is not None:
        mask = sitk.Cast(ct_image < -500, sitk.sitkUInt8)
        lungs = LungRegion(mask, ((-80.0, -80.0, 0.0), (80.0, 80.0, 60.0)), "classical", WARNINGS[1:])
    findings = Findings(
        study_instance_uid=pet_headers[0].StudyInstanceUID,
        pet_series_uid=pet_headers[0].SeriesInstanceUID,
        ct_series_uid=ct_headers[0].SeriesInstanceUID if ct_headers else None,
        frame_of_reference_uid=pet_headers[0].FrameOfReferenceUID,
        lesions=found,
        excluded=(ExcludedUptake("heart", 7.9, 88.25, (40.0, -60.0, -100.0)),),
        total_mtv_ml=sum(lesion.mtv_ml for lesion in found),
        total_tlg_g=sum(lesion.tlg_g for lesion in found),
        dmax_mm=61.25 if lesions > 1 else None,
        reference_uptake={"liver": 2.31},
        provenance={"version": "0.1.0", "parameters": {"method": "threshold", "voi_fraction": 0.4}, "model": None},
        warnings=(
            *WARNINGS[: 2 if ct else 1],
            *(f"Lesion {lesion.label}: {text}" for lesion in found for text in lesion.warnings),
        ),
    )
    return Analysis(study, lungs, lesion_image, findings)


def classified(made: Analysis) -> Analysis:
    """Give classes to the lesions of an analysis, of which the second is undetermined."""
    mixes = [(0.8, 0.125, 0.075), (0.4, 0.3, 0.3), (0.1, 0.05, 0.85)]
    names = ("lymphoma", "lung_cancer", "metastasis")
    said = tuple(
        LesionClass(
            label=lesion.label,
            name=UNDETERMINED if lesion.label == 2 else names[int(np.argmax(mix))],
            probabilities=dict(zip(names, mix, strict=True)),
            as_far=0.01 if lesion.label == 2 else 0.4,
            prediction_set=(names[int(np.argmax(mix))], "lung_cancer"),
            nearest={"lymphoma": 7, "lung_cancer": 0, "metastasis": 3},
            imputed=0,
        )
        for lesion, mix in zip(made.findings.lesions, mixes * len(made.findings.lesions), strict=False)
    )
    result = Classification(said, names, "model.skops", "ab" * 32, "12 synthetic lesions", 0.9)
    return dataclasses.replace(made, findings=dataclasses.replace(made.findings, classification=result))


def save_pet(made: Analysis, folder: Path) -> list[Path]:
    """Write the PET's headers as files with empty pixels, for validators that compare files."""
    paths = []
    for number, header in enumerate(made.study.pet_headers):
        image = Dataset()
        image.update(header)
        image.SamplesPerPixel = 1
        image.PhotometricInterpretation = "MONOCHROME2"
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit = 15
        image.PixelRepresentation = 1
        image.PixelData = bytes(2 * header.Rows * header.Columns * int(header.get("NumberOfFrames", 1)))
        image["PixelData"].VR = "OW"
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        paths.append(folder / f"pet{number:03d}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def _labels(count: int) -> np.ndarray:
    """Label array (z, y, x): one hooked lesion, a bar and a block, or a lattice of small ones beyond three."""
    labels = np.zeros(SIZE[::-1], np.uint16)
    if count > 3:
        places = [(z, y, x) for z in (3, 8, 13, 18) for y in range(4, 32, 7) for x in range(4, 36, 7)]
        for label, (z, y, x) in enumerate(places[:count], 1):
            labels[z : z + 2, y : y + 2 + label % 2, x : x + 2] = label
        return labels
    hook, bar, block = labels[5:9, 6:12, 8:16], labels[12:20, 20:22, 25:27], labels[20:22, 4:6, 30:34]
    if count >= 1:
        hook[:, :2, :] = 1
        hook[:2, :, :2] = 1
    if count >= 2:
        bar[:] = 2
    if count >= 3:
        block[:] = 3
    return labels


def _image(array: np.ndarray, directions: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetDirection(directions.T.ravel().tolist())
    half = directions.T @ (np.array(SPACING) * (np.array(SIZE) - 1) / 2)
    image.SetOrigin((np.array([5.0, -12.0, 31.0]) - half).tolist())
    return image


def _headers(image: sitk.Image, sop_class: str, changes: dict[str, str]) -> tuple[Dataset, ...]:
    modality = "CT" if sop_class == CT else "PT"
    directions = np.array(image.GetDirection()).reshape(3, 3).T
    headers = []
    for z in range(image.GetDepth()):
        header = Dataset()
        header.SOPClassUID = sop_class
        header.SOPInstanceUID = uid(modality, z)
        header.StudyInstanceUID = uid("study")
        header.SeriesInstanceUID = uid("series", modality)
        header.FrameOfReferenceUID = uid("frame of reference")
        header.Modality = modality
        header.PatientName = "Tester^Anna"
        header.PatientID = "T-0042"
        header.PatientSex = "F"
        header.PatientBirthDate = "19500102"
        header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = "20240305"
        header.StudyTime = header.SeriesTime = header.AcquisitionTime = header.ContentTime = "101500"
        header.StudyDescription = "Whole body"
        header.PatientWeight = "71.5"
        header.PatientSize = "1.68"
        header.SeriesNumber = 4
        header.InstanceNumber = z + 1
        header.Manufacturer = "Maker"
        header.ImageType = ["ORIGINAL", "PRIMARY"]
        header.PositionReferenceIndicator = ""
        header.Rows, header.Columns = image.GetHeight(), image.GetWidth()
        header.PixelSpacing = [image.GetSpacing()[1], image.GetSpacing()[0]]
        header.SliceThickness = image.GetSpacing()[2]
        header.ImageOrientationPatient = [round(float(v), 12) for v in directions[:2].ravel()]
        point = image.TransformIndexToPhysicalPoint((0, 0, z))
        header.ImagePositionPatient = [round(v, 9) for v in point]
        for keyword, value in changes.items():
            setattr(header, keyword, value)
        headers.append(header)
    return tuple(headers)


def _enhanced(headers: tuple[Dataset, ...]) -> Dataset:
    """Fold classic headers into an enhanced one whose frames run against the image's z axis, the first one last."""
    whole = Dataset()
    whole.update(headers[0])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        del whole[keyword]
    whole.SOPClassUID, whole.SOPInstanceUID = ENHANCED_PET, uid("enhanced")
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = headers[0].ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = headers[0].PixelSpacing, headers[0].SliceThickness
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    whole.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for header in headers[1::-1] + headers[:1:-1]:
        frame, position, content = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = header.ImagePositionPatient
        content.DimensionIndexValues = [int(header.InstanceNumber)]
        frame.PlanePositionSequence, frame.FrameContentSequence = [position], [content]
        frames.append(frame)
    whole.PerFrameFunctionalGroupsSequence = frames
    whole.NumberOfFrames = len(frames)
    return whole


def _ct(pet: sitk.Image) -> sitk.Image:
    """Make a CT of twice the resolution in plane: air in a soft tissue box."""
    size = (2 * SIZE[0], 2 * SIZE[1], SIZE[2])
    spacing = (SPACING[0] / 2, SPACING[1] / 2, SPACING[2])
    hu = np.full(size[::-1], 40, np.int16)
    hu[4:-4, 10:-10, 10:-10] = -800
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(spacing)
    image.SetDirection(pet.GetDirection())
    image.SetOrigin(pet.GetOrigin())
    return image


def _lesion(label: int, labels: np.ndarray, suv: np.ndarray, pet: sitk.Image) -> Lesion:
    inside = labels == label
    values = suv[inside]
    volume = float(inside.sum() * np.prod(SPACING) / 1000)
    indices = np.argwhere(inside)[:, ::-1]
    hottest = np.argwhere(inside & (suv == values.max()))[0][::-1]
    centroid = pet.TransformContinuousIndexToPhysicalPoint(indices.mean(axis=0).tolist())
    position = pet.TransformIndexToPhysicalPoint([int(v) for v in hottest])
    extent = (np.ptp(indices, axis=0) + 1) * np.array(SPACING)
    return Lesion(
        label=label,
        tracking_uid=uid("lesion", label),
        tracking_id=f"fdglung lesion {label}",
        suv_max=float(values.max()),
        suv_mean=float(values.mean()),
        suv_peak=float(values.max()) * 0.93,
        mtv_ml=volume,
        tlg_g=volume * float(values.mean()),
        longest_diameter_mm=float(np.linalg.norm(extent)),
        centroid_mm=tuple(centroid),
        suv_max_position_mm=tuple(position),
        suv_peak_position_mm=tuple(position),
        side=(Side.RIGHT, Side.MEDIASTINUM, Side.LEFT, Side.UNKNOWN)[(label - 1) % 4],
        lung_distance_mm=(-12.3, None, 4.5)[(label - 1) % 3],
        voi_fraction=0.4,
        lobe=("right upper lobe", None, None)[(label - 1) % 3],
        hilum_distance_mm=(20.5, None)[(label - 1) % 2],
        mediastinum_distance_mm=(33.25, 0.0)[(label - 1) % 2],
        warnings=("The lesion touches the edge of the PET; its volume is a lower bound.",) if label == 2 else (),
    )


def _suv() -> SuvRecord:
    names = {field.name: None for field in dataclasses.fields(SuvRecord)}
    names |= {
        "slice_factors": (4.2e-4,) * SIZE[2],
        "conversions": {"suvlbm_janma": 0.71, "suvbsa": None},
        "rule": "BQML, START, SeriesTime",
        "units": "BQML",
        "weight_kg": 71.5,
        "attributes": (AttributeUsed("PatientWeight", "(0010,1030)", "71.5", "body weight in kg"),),
        "warnings": (),
    }
    return SuvRecord(**names)


def _series(pet: tuple[Dataset, ...], ct: tuple[Dataset, ...]) -> tuple[SeriesVerdict, ...]:
    verdicts = [SeriesVerdict(pet[0].SeriesInstanceUID, "PT", 4, SIZE[2], True, "The only quantitative PET.")]
    verdicts += [SeriesVerdict(ct[0].SeriesInstanceUID, "CT", 5, SIZE[2], True, "It covers the PET.")] if ct else []
    return (*verdicts, SeriesVerdict("1.2.3", "PT", 6, SIZE[2], False, "Not attenuation corrected."))
