"""The CT of a synthetic study as classic DICOM images."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from fdglung.phantom.writer.image import instances, series_template, set_times, set_values
from fdglung.phantom.writer.scan import Scan

KILOVOLTS = 120
"""KVP of every CT."""

INTERCEPT = -1024
"""RescaleIntercept of every vendor."""

_HIGHEST_OF_12_BITS = 4095 + INTERCEPT


def ct_images(scan: Scan) -> Iterator[Dataset]:
    """Make the images of the CT, from the feet's end.

    Stored values have 12 bits of 16 where the vendor's are unsigned and no voxel is above 3071 HU (metal is), else
    all 16. What is below -1024 HU becomes -1024 HU.

    Yields
    ------
    Dataset
        With pixel data.

    """
    image, acquisition, habits = scan.study.ct, scan.study.acquisition, scan.habits.ct
    voxels = np.maximum(sitk.GetArrayViewFromImage(image), INTERCEPT)
    is_extended = habits.is_signed or int(voxels.max()) > _HIGHEST_OF_12_BITS
    sharp = acquisition.ct_kernel == "lung"
    template = series_template(scan, "ct", 2, f"CT {'lung' if sharp else 'soft tissue'}", image)
    moment = scan.timing.ct_started
    set_times(template, scan, moment, moment + timedelta(seconds=2), moment + timedelta(seconds=30))
    stored_bits = 16 if is_extended else 12
    set_values(
        template,
        {
            "SOPClassUID": CTImageStorage,
            "Modality": "CT",
            "AcquisitionNumber": 1,
            "KVP": KILOVOLTS,
            "ConvolutionKernel": habits.kernels[acquisition.ct_kernel],
            "ExposureTime": habits.rotation_ms,
            "XRayTubeCurrent": max(1, round(acquisition.ct_mas * 1000 / habits.rotation_ms)),
            "Exposure": max(1, round(acquisition.ct_mas)),
            "GantryDetectorTilt": 0,
            "DataCollectionDiameter": 500,
            "BitsStored": stored_bits,
            "HighBit": stored_bits - 1,
            "PixelRepresentation": int(habits.is_signed),
            "PixelPaddingValue": habits.padding,
            "RescaleIntercept": INTERCEPT,
            "RescaleSlope": 1,
            "RescaleType": "HU",
            "WindowCenter": -500 if sharp else 40,
            "WindowWidth": 1500 if sharp else 400,
            **_contrast(acquisition.ct_contrast),
            **habits.values,
        },
    )
    for index, dataset in instances(scan, template, "ct", image):
        stored = voxels[index].astype(np.int32) - INTERCEPT
        dataset.PixelData = stored.astype("<i2" if habits.is_signed else "<u2").tobytes()
        dataset["PixelData"].VR = "OW"
        yield dataset


def _contrast(phase: str) -> dict[str, str]:
    return {"ContrastBolusAgent": "iodine (synthetic)", "ContrastBolusRoute": "IV"} if phase != "none" else {}
