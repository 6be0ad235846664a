from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.phantom.scanner.attenuation import mu_map
from fdglung.phantom.scanner.mismatch import mismatched_activity

RADIUS_MM = 100.0


def cylinder(hu, *, slices=20):
    y, x = np.mgrid[-160:160:4, -160:160:4] + 2.0
    values = np.where(np.hypot(x, y) < RADIUS_MM, hu, -1000).astype(np.float32)
    image = sitk.GetImageFromArray(np.repeat(values[None], slices, axis=0))
    image.SetSpacing((4.0, 4.0, 4.0))
    image.SetOrigin((-158.0, -158.0, 0.0))
    return image


@pytest.fixture
def activity():
    return sitk.Cast(cylinder(0.0) > -500, sitk.sitkFloat32)


def middle(image):
    values = sitk.GetArrayFromImage(image)
    return float(values[8:12, 38:42, 38:42].mean())


def test_a_ct_that_is_right_changes_nothing(activity):
    result = mismatched_activity(activity, cylinder(0.0), cylinder(0.0))
    np.testing.assert_allclose(sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(activity), atol=1e-4)


@pytest.mark.parametrize("hu", [-80.0, 60.0])
def test_the_middle_of_a_cylinder_is_wrong_by_the_exponential_of_its_diameter(activity, hu):
    wrong = float(mu_map(np.array([hu], np.float32))[0] - mu_map(np.array([0.0], np.float32))[0])
    expected = math.exp(wrong * 2 * RADIUS_MM / 10)
    result = mismatched_activity(activity, cylinder(0.0), cylinder(hu))
    assert middle(result) == pytest.approx(expected, rel=0.02)


def test_what_lies_beyond_the_ends_of_the_ct_is_left_alone(activity):
    result = mismatched_activity(activity, cylinder(0.0), cylinder(200.0, slices=8))
    changed = sitk.GetArrayFromImage(result)[:, 40, 40]
    assert changed[2] > 1.1
    np.testing.assert_allclose(changed[14:], 1.0, atol=1e-4)
