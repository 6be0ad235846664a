"""Write a phantom as a PET/CT study of classic DICOM images, with the truth beside it."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage, generate_uid

from fdglung import __version__
from fdglung.errors import OutputExistsError, OutputWriteError
from tests.simple_thorax.phantom import Phantom

WEIGHT_KG = 72.0
HEIGHT_M = 1.74
INJECTED_DOSE_BQ = 285.0e6
HALF_LIFE_S = 6586.2
"""Of fluorine-18."""

INJECTED = datetime(2026, 1, 15, 9, 0, 0)
STARTED = datetime(2026, 1, 15, 10, 2, 0)
"""Start of the PET; its values are decay corrected to this moment (DecayCorrection START)."""

BED_SECONDS = 120.0
BED_MM = 130.0
"""Length of the body that one bed position covers."""

_STUDIED = STARTED - timedelta(minutes=4)
_DECAY = math.log(2) / HALF_LIFE_S


def decayed_dose_bq() -> float:
    """Return what is left of the injected dose at the start of the PET, in Bq."""
    return INJECTED_DOSE_BQ * math.exp(-_DECAY * (STARTED - INJECTED).total_seconds())


def write_dicom(phantom: Phantom, folder: Path | str, *, overwrite: bool = False) -> Path:
    """Write a phantom's images as DICOM and its truth as JSON.

    ``folder/dicom/ct`` and ``folder/dicom/pet`` take one file a slice; ``folder/truth.json`` stands outside of the
    DICOM folder. PET is stored in Bq/ml with a slope of its own a slice. The same phantom gives the same bytes.

    Parameters
    ----------
    phantom
        What to write.
    folder
        Made where it is not there.
    overwrite
        Replace the ``dicom`` folder and ``truth.json`` of an earlier phantom.

    Returns
    -------
    Path
        The DICOM folder: the study.

    Raises
    ------
    OutputExistsError
        The folder is not empty, or holds what no phantom made.
    OutputWriteError
        Writing failed; what was written has been removed.

    """
    folder = Path(folder)
    study, truth = folder / "dicom", folder / "truth.json"
    _make_room(folder, study, truth, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, dataset in _files(phantom):
            target = study / path
            target.parent.mkdir(parents=True, exist_ok=True)
            dataset.save_as(target, enforce_file_format=True)
        truth.write_text(json.dumps(_truth(phantom), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        shutil.rmtree(study, ignore_errors=True)
        truth.unlink(missing_ok=True)
        raise OutputWriteError(
            f"the study could not be written ({error.strerror or type(error).__name__})",
            attribute="folder",
            remedy="Free space or choose another folder.",
        ) from error
    return study


def _make_room(folder: Path, study: Path, truth: Path, overwrite: bool) -> None:
    """Refuse a folder in use; remove an earlier phantom only where its truth says that it is one."""
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError("a file of that name is there", attribute="folder", remedy="Choose another name.")
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not present:
        return
    if not overwrite:
        raise OutputExistsError("the folder is not empty", attribute="folder", remedy="Choose another, or overwrite.")
    if not present <= {study.name, truth.name} or truth.name not in present:
        raise OutputExistsError(
            "the folder holds what no phantom made", attribute="folder", remedy="Choose an empty or a new folder."
        )
    shutil.rmtree(study, ignore_errors=True)
    truth.unlink()


def _files(phantom: Phantom) -> Iterator[tuple[str, Dataset]]:
    uid = _uid_maker(phantom)
    for image, add_series, name in ((phantom.ct, _add_ct, "ct"), (phantom.pet, _add_pet, "pet")):
        if image is None:
            continue
        template = _patient_and_study(uid)
        template.SeriesInstanceUID = uid(name)
        add_series(template, image)
        slices = sitk.GetArrayFromImage(image)
        add_slice = _add_ct_slice if name == "ct" else _add_pet_slice
        for index in range(len(slices)):
            dataset = _copy(template)
            dataset.SOPInstanceUID = uid(f"{name} {index}")
            dataset.InstanceNumber = index + 1
            position = image.TransformIndexToPhysicalPoint((0, 0, index))
            dataset.ImagePositionPatient = [round(value, 6) for value in position]
            dataset.SliceLocation = round(position[2], 6)
            add_slice(dataset, slices[index], index, image)
            dataset.file_meta = _file_meta(dataset)
            yield f"{name}/{name}_{index + 1:04d}.dcm", dataset


def _uid_maker(phantom: Phantom) -> Callable[[str], str]:
    """UIDs that follow from the version, the parameters and the lesions."""
    content = json.dumps([__version__, _truth(phantom)], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return lambda role: generate_uid(entropy_srcs=["fdglung phantom", digest, role])


def _truth(phantom: Phantom) -> dict[str, object]:
    lesions = [
        {
            "lesion": label,
            "name": lesion.name,
            "centre_mm": [float(c) for c in lesion.centre_mm],
            "radius_mm": float(lesion.radius_mm),
            "suv": float(lesion.suv),
            "volume_ml": lesion.volume_ml,
            "hu": float(lesion.hu),
        }
        for label, lesion in enumerate(phantom.lesions, start=1)
    ]
    return {
        "made_by": f"fdglung {__version__} simple_thorax",
        "coordinates": "patient (LPS), mm",
        "suv": "SUVbw in g/ml, before the scanner's blur and noise",
        "lesions": lesions,
        "parameters": phantom.parameters,
    }


def _copy(template: Dataset) -> Dataset:
    """Shallow: slices share the elements that they have in common."""
    dataset = Dataset()
    dataset.update(dict(template.items()))
    return dataset


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def _patient_and_study(uid: Callable[[str], str]) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "SYNTHETIC^PHANTOM"
    dataset.PatientID = "SYNTHETIC"
    dataset.PatientBirthDate = "19600101"
    dataset.PatientSex = "M"
    dataset.PatientAge = "066Y"
    dataset.PatientSize = HEIGHT_M
    dataset.PatientWeight = WEIGHT_KG
    dataset.StudyInstanceUID = uid("study")
    dataset.StudyDate = f"{_STUDIED:%Y%m%d}"
    dataset.StudyTime = f"{_STUDIED:%H%M%S}"
    dataset.StudyID = "1"
    dataset.StudyDescription = "Synthetic FDG PET/CT of the thorax"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.Manufacturer = "fdglung"
    dataset.ManufacturerModelName = "synthetic phantom"
    dataset.DeviceSerialNumber = "0"
    dataset.SoftwareVersions = __version__
    dataset.FrameOfReferenceUID = uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFS"
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.RescaleType = "HU"
    dataset.BurnedInAnnotation = "NO"
    return dataset


def _add_geometry(dataset: Dataset, image: sitk.Image) -> None:
    columns, rows, _ = image.GetSize()
    across, down, along = image.GetSpacing()
    dataset.Rows = rows
    dataset.Columns = columns
    dataset.PixelSpacing = [down, across]
    dataset.SliceThickness = along
    dataset.SpacingBetweenSlices = along


def _set_times(dataset: Dataset, moment: datetime) -> None:
    for kind in ("Series", "Acquisition", "Content"):
        setattr(dataset, f"{kind}Date", f"{moment:%Y%m%d}")
        setattr(dataset, f"{kind}Time", f"{moment:%H%M%S}")


def _add_ct(dataset: Dataset, image: sitk.Image) -> None:
    _add_geometry(dataset, image)
    _set_times(dataset, STARTED - timedelta(minutes=2))
    dataset.SOPClassUID = CTImageStorage
    dataset.Modality = "CT"
    dataset.SeriesNumber = 2
    dataset.SeriesDescription = "synthetic CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.BodyPartExamined = "CHEST"
    dataset.AcquisitionNumber = 1
    dataset.KVP = 120
    dataset.ConvolutionKernel = "SYNTHETIC"
    dataset.GantryDetectorTilt = 0
    dataset.ReconstructionDiameter = image.GetSize()[0] * image.GetSpacing()[0]
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept = -1024
    dataset.RescaleSlope = 1
    dataset.WindowCenter = 40
    dataset.WindowWidth = 400


def _add_ct_slice(dataset: Dataset, pixels: npt.NDArray[np.int16], index: int, image: sitk.Image) -> None:
    dataset.PixelData = (pixels.astype(np.int32) + 1024).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def _add_pet(dataset: Dataset, image: sitk.Image) -> None:
    _add_geometry(dataset, image)
    _set_times(dataset, STARTED)
    del dataset.RescaleType
    del dataset.PatientPosition  # the orientation and gantry codes say it; both together are not allowed
    dataset.SOPClassUID = PositronEmissionTomographyImageStorage
    dataset.Modality = "PT"
    dataset.SeriesNumber = 3
    dataset.SeriesDescription = "synthetic PET AC"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.BodyPartExamined = "CHEST"
    dataset.PixelRepresentation = 1
    dataset.RescaleIntercept = 0
    dataset.Units = "BQML"
    dataset.CountsSource = "EMISSION"
    dataset.SeriesType = ["STATIC", "IMAGE"]
    dataset.DecayCorrection = "START"
    dataset.CorrectedImage = ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"]
    dataset.AttenuationCorrectionMethod = "synthetic"
    dataset.ScatterCorrectionMethod = "synthetic"
    dataset.RandomsCorrectionMethod = "DLYD"
    dataset.ReconstructionMethod = "synthetic"
    dataset.ReconstructionDiameter = image.GetSize()[0] * image.GetSpacing()[0]
    dataset.CollimatorType = "NONE"
    dataset.ActualFrameDuration = round(1000 * BED_SECONDS)
    dataset.NumberOfSlices = image.GetSize()[2]
    dataset.PatientOrientationCodeSequence = [_item(Code("102538003", "SCT", "recumbent"))]
    dataset.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = [
        _item(Code("40199007", "SCT", "supine"))
    ]
    dataset.PatientGantryRelationshipCodeSequence = [_item(Code("102540008", "SCT", "headfirst"))]
    tracer = Dataset()
    tracer.Radiopharmaceutical = "Fluorodeoxyglucose F^18^"
    tracer.RadiopharmaceuticalCodeSequence = [_item(codes.SCT.FluorodeoxyglucoseF18)]
    tracer.RadionuclideCodeSequence = [_item(codes.cid4020._18Fluorine)]
    tracer.RadionuclideTotalDose = INJECTED_DOSE_BQ
    tracer.RadionuclideHalfLife = HALF_LIFE_S
    tracer.RadionuclidePositronFraction = 0.9686
    tracer.RadiopharmaceuticalStartTime = f"{INJECTED:%H%M%S}"
    tracer.RadiopharmaceuticalStartDateTime = f"{INJECTED:%Y%m%d%H%M%S}"
    dataset.RadiopharmaceuticalInformationSequence = [tracer]


def _add_pet_slice(dataset: Dataset, pixels: npt.NDArray[np.float32], index: int, image: sitk.Image) -> None:
    """Store a slice of SUVbw as Bq/ml; beds are scanned from the feet's end upwards."""
    bed = int(index * image.GetSpacing()[2] // BED_MM)
    offset = bed * BED_SECONDS
    decay = _DECAY * BED_SECONDS
    mean_time = math.log(decay / -math.expm1(-decay)) / _DECAY
    dataset.AcquisitionTime = f"{STARTED + timedelta(seconds=offset):%H%M%S}"
    dataset.FrameReferenceTime = round(1000 * (offset + mean_time), 3)
    dataset.DecayFactor = round(math.exp(_DECAY * (offset + mean_time)), 8)
    dataset.ImageIndex = image.GetSize()[2] - index
    activity = pixels.astype(np.float64) * decayed_dose_bq() / (1000 * WEIGHT_KG)
    # The slope as the header can hold it, rounded up so that the largest value still fits.
    slope = float(f"{activity.max() / 32767 * (1 + 1e-8):.9e}") if activity.max() > 0 else 1.0
    dataset.RescaleSlope = f"{slope:.9e}"
    stored = np.minimum(np.rint(activity / slope), 32767).astype("<i2")
    dataset.WindowWidth = round(32767 * slope, 3)
    dataset.WindowCenter = round(32767 * slope / 2, 3)
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"


def _item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item
