from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import NoReferenceUptakeError, ParameterError
from fdglung.segmentation import SegmentationSettings
from fdglung.suv_threshold import liver_threshold, threshold_uptake
from fdglung.uptake_map import uptake_map
from tests.test_clicks import hot_balls

ALL = SegmentationSettings(region="all")


def mapped(pet):
    return uptake_map(pet, None, None, ALL, lambda text, fraction: None)


def test_a_fixed_threshold_labels_all_that_reaches_it_hottest_first():
    pet = hot_balls((15, 25, 20, 5.0, 10.0), (45, 25, 20, 8.0, 12.0))
    found = threshold_uptake(pet, mapped(pet), "fixed", 3.0)
    labels = sitk.GetArrayFromImage(found.labels)
    assert ((labels > 0) == (sitk.GetArrayFromImage(pet) >= 3.0)).all()
    assert (labels[20, 25, 45], labels[20, 25, 15], found.parts, found.threshold_suv) == (1, 2, 2, 3.0)


def test_percent_is_of_each_regions_own_maximum():
    pet = hot_balls((15, 25, 20, 5.0, 10.0), (45, 25, 20, 8.0, 12.0))
    suv = sitk.GetArrayFromImage(pet)
    labels = sitk.GetArrayFromImage(threshold_uptake(pet, mapped(pet), "percent", 50).labels)
    right = np.arange(suv.shape[2]) > 30
    assert (labels[:, :, right] > 0).sum() == (suv[:, :, right] >= 4.0).sum()
    assert (labels[:, :, ~right] > 0).sum() == (suv[:, :, ~right] >= 2.5).sum()


def test_small_parts_are_left_out():
    pet = hot_balls((15, 25, 20, 5.0, 10.0), (45, 25, 20, 8.0, 12.0))
    assert threshold_uptake(pet, mapped(pet), "fixed", 4.5, min_volume_ml=1.0).parts == 1


def test_a_threshold_tied_to_the_liver_needs_a_liver():
    pet = hot_balls((15, 25, 20, 5.0, 10.0))
    with pytest.raises(NoReferenceUptakeError, match="kind fixed or percent"):
        liver_threshold(mapped(pet))


@pytest.mark.parametrize(
    ("kind", "value"), [("fixed", -1.0), ("percent", 200.0), ("liver", float("nan")), ("odd", 1.0)]
)
def test_impossible_thresholds_are_refused(kind, value):
    pet = hot_balls((15, 25, 20, 5.0, 10.0))
    with pytest.raises(ParameterError):
        threshold_uptake(pet, mapped(pet), kind, value)
