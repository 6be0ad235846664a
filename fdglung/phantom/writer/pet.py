"""The PET of a synthetic study as classic DICOM images in the vendor's units."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import PositronEmissionTomographyImageStorage

from fdglung.phantom.writer.image import code_item, decimal, instances, series_template, set_times, set_values
from fdglung.phantom.writer.quirks import Quirk
from fdglung.phantom.writer.scan import Scan
from fdglung.phantom.writer.timing import SliceTime
from fdglung.phantom.writer.vendors.philips import factors

LARGEST = 32767
"""Highest stored value."""

NAC_SCALE = 100.0
"""Proportional counts that stand for 1 of the image without attenuation correction (round figure)."""


def pet_images(scan: Scan, *, corrected: bool = True) -> Iterator[Dataset]:
    """Make the images of a PET, from the feet's end.

    Parameters
    ----------
    scan
        What the study's headers follow from.
    corrected
        False for the PET without attenuation correction.

    Yields
    ------
    Dataset
        With pixel data. Read by the rules of the vendor, SUVbw is the study's to within half a stored count.

    """
    image = scan.study.pet if corrected else scan.study.pet_nac
    if image is None:
        return
    role = "pet" if corrected else "pet nac"
    voxels = sitk.GetArrayViewFromImage(image)
    is_signed = scan.habits.is_signed or bool((voxels < 0).any())
    template = _template(scan, image, role, corrected=corrected, is_signed=is_signed)
    scale = _scale(scan, corrected=corrected)
    common = _slope(voxels, scale) if Quirk.ONE_SLOPE in scan.quirks else None
    for index, dataset in instances(scan, template, role, image):
        moment = scan.timing.slices[index]
        _set_moment(dataset, scan, moment)
        _set_index(dataset, scan, index, len(voxels))
        slope = common or _slope(voxels[index], scale)
        _set_pixels(dataset, voxels[index], scale, slope, is_signed=is_signed)
        if Quirk.NO_PRIVATE not in scan.quirks:
            scan.habits.add_private_by_slice(dataset, scan, moment)
        yield dataset


def _scale(scan: Scan, *, corrected: bool) -> float:
    """What the image is multiplied by for the values that the header's slope gives."""
    if not corrected:
        return NAC_SCALE
    if scan.habits.units == "CNTS":
        # as a reader will: by the factor that stands in the header
        return 1 / float(factors(scan)[0])
    return scan.bq_ml_per_suv


def _template(scan: Scan, image: sitk.Image, role: str, *, corrected: bool, is_signed: bool) -> Dataset:
    acquisition, habits = scan.study.acquisition, scan.habits
    factor = acquisition.dose_factor
    description = f"PET {'AC' if corrected else 'NAC'}{f' 1/{factor:g} counts' if factor != 1 else ''}"
    dataset = series_template(scan, role, 3 if corrected else 4, description, image)
    filled = {
        keyword: value.format(filter=scan.reconstruction.filter_fwhm_mm) if isinstance(value, str) else value
        for keyword, value in habits.values.items()
    }
    set_values(
        dataset,
        {
            "SOPClassUID": PositronEmissionTomographyImageStorage,
            "Modality": "PT",
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "SeriesType": ["STATIC", "IMAGE"],
            "NumberOfSlices": image.GetSize()[2],
            "CountsSource": "EMISSION",
            "Units": habits.units if corrected else habits.nac_units,
            "CorrectedImage": list(habits.corrected_image if corrected else habits.nac_corrected_image),
            "DecayCorrection": "ADMIN" if Quirk.DECAY_ADMIN in scan.quirks else "START",
            "ReconstructionMethod": scan.reconstruction.name,
            "ActualFrameDuration": round(1000 * acquisition.bed_seconds),
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": int(is_signed),
            "RescaleIntercept": 0,
            "RadiopharmaceuticalInformationSequence": [_injection(scan)],
            **_position(scan),
            **filled,
            **({} if corrected else habits.nac_values),
        },
    )
    if Quirk.NO_PRIVATE not in scan.quirks:
        habits.add_private(dataset, scan)
    return dataset


def _injection(scan: Scan) -> Dataset:
    injected, tracer = scan.timing.injected, scan.tracer
    item = Dataset()
    item.Radiopharmaceutical = scan.tracer_name
    item.RadiopharmaceuticalCodeSequence = [code_item(tracer.radiopharmaceutical)]
    item.RadionuclideCodeSequence = [code_item(tracer.radionuclide)]
    item.RadionuclideTotalDose = f"{scan.dose_bq:.0f}"
    item.RadionuclideHalfLife = scan.habits.half_lives[scan.nuclide]
    item.RadionuclidePositronFraction = decimal(tracer.positron_fraction)
    item.RadiopharmaceuticalStartTime = injected.strftime(scan.habits.time_format)
    if Quirk.NO_START_DATETIME not in scan.quirks:
        item.RadiopharmaceuticalStartDateTime = injected.strftime("%Y%m%d" + scan.habits.time_format)
    return item


def _position(scan: Scan) -> dict[str, Any]:
    """Supine, head first: in codes, which the standard wants instead of PatientPosition."""
    recumbent = code_item(codes.SCT.Recumbent)
    recumbent.PatientOrientationModifierCodeSequence = [code_item(codes.SCT.Supine)]
    return {
        "PatientPosition": "HFS" if scan.habits.writes_position else None,
        "PatientOrientationCodeSequence": [recumbent],
        "PatientGantryRelationshipCodeSequence": [code_item(codes.SCT.Headfirst)],
    }


def _set_moment(dataset: Dataset, scan: Scan, moment: SliceTime) -> None:
    duration = timedelta(seconds=scan.study.acquisition.bed_seconds)
    set_times(dataset, scan, scan.timing.series, moment.acquired, moment.started + duration)
    dataset.FrameReferenceTime = f"{moment.frame_reference_ms:.3f}"
    dataset.DecayFactor = f"{moment.decay_factor:.{scan.habits.decay_digits}g}"


def _set_index(dataset: Dataset, scan: Scan, index: int, count: int) -> None:
    from_feet = scan.habits.index_from_feet or not scan.habits.head_first
    dataset.ImageIndex = index + 1 if from_feet else count - index


def _slope(voxels: npt.NDArray[np.float32], scale: float) -> str:
    """RescaleSlope as the header can hold it, rounded up so that the largest value still fits."""
    largest = float(np.abs(voxels).max()) * scale
    return f"{largest / LARGEST * (1 + 1e-8):.9e}" if largest > 0 else "1"


def _set_pixels(
    dataset: Dataset, voxels: npt.NDArray[np.float32], scale: float, slope: str, *, is_signed: bool
) -> None:
    counts = np.clip(np.rint(voxels.astype(np.float64) * (scale / float(slope))), -LARGEST, LARGEST)
    stored = counts.astype("<i2" if is_signed else "<u2")
    dataset.RescaleSlope = slope
    dataset.SmallestImagePixelValue = int(stored.min())
    dataset.LargestImagePixelValue = int(stored.max())
    top = LARGEST * float(slope)
    dataset.WindowWidth = f"{top:.6g}"
    dataset.WindowCenter = f"{top / 2:.6g}"
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
