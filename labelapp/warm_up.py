"""Everything slow that a first request would wait for, done before the server answers."""

from __future__ import annotations

import dataclasses
import importlib

import numpy as np
import SimpleITK as sitk

from fdglung import clicks, clicks_network
from fdglung.annotation import measured
from fdglung.network.backends import Predictor
from fdglung.pipeline import Settings
from fdglung.segmentation_network import open_predictors, predict
from fdglung.study import Study
from fdglung.uptake_map import uptake_map
from labelapp.open_studies import OpenStudies


def open_networks(settings: Settings) -> tuple[Predictor, ...]:
    """Open the networks that the settings name; none where they name none."""
    return open_predictors(settings.segmentation) if settings.segmentation.method == "network" else ()


def warm_up(opened: OpenStudies) -> None:
    """Import what the tools import late, and run networks and thresholds once on a small made-up study."""
    study = _ball()
    if opened.predictors:
        predict(study.pet, study.ct, opened.predictors)
        clicks_network.apply_guided_clicks(
            study.pet, study.ct, None, opened.predictors[0], inside=[(12, 12, 12)], outside=[]
        )
    thresholds = dataclasses.replace(opened.settings.segmentation, method="threshold", region="all")
    uptake = uptake_map(study.pet, None, None, thresholds, lambda text, fraction: None)
    found = clicks.apply_clicks(study.pet, None, inside=[(12, 12, 12)], outside=[], settings=thresholds, uptake=uptake)
    measured.measured_lesions(study, found.labels)
    importlib.import_module("fdglung.reporting.dicom_seg")


def _ball() -> Study:
    axis = np.arange(24) - 12
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    pet = sitk.GetImageFromArray((0.3 + 8 * np.exp(-((distance / 4) ** 2))).astype(np.float32))
    pet.SetSpacing((4.0, 4.0, 4.0))
    ct = sitk.GetImageFromArray(np.full((24, 24, 24), -700, np.float32))
    ct.CopyInformation(pet)
    return Study(pet, ct)
