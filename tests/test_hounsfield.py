from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.hounsfield import on_hounsfield_scale
from tests.ellipsoids import thorax


def image_of(array):
    return sitk.GetImageFromArray(array)


@pytest.mark.parametrize("kind", [sitk.sitkInt16, sitk.sitkUInt16, sitk.sitkFloat32])
def test_a_ct_stored_from_0_is_brought_back_and_that_is_said(kind):
    ct, _ = thorax()
    raised = sitk.Cast(sitk.Clamp(ct + 1024, lowerBound=0, upperBound=4095), kind)
    corrected, notes = on_hounsfield_scale(raised)
    assert (sitk.GetArrayFromImage(corrected) == sitk.GetArrayFromImage(ct)).all()
    assert corrected.GetSpacing() == ct.GetSpacing()
    assert len(notes) == 1
    assert "1024" in notes[0]
    assert on_hounsfield_scale(corrected) == (corrected, ())


def test_a_raised_ct_whose_field_of_view_is_padded_is_found_out_too():
    raised = sitk.GetArrayFromImage(thorax()[0]) + 1024
    raised[:, :10] = -2000
    assert on_hounsfield_scale(image_of(raised))[1]


@pytest.mark.parametrize(
    "case",
    ["thorax", "air alone", "soft tissue alone", "bone in soft tissue", "empty"],
)
def test_a_ct_on_hounsfields_scale_stays_as_it_is(case):
    rng = np.random.default_rng(0)
    hu = {
        "thorax": sitk.GetArrayFromImage(thorax()[0]),
        "air alone": rng.normal(-1000, 10, (20, 20, 20)),
        "soft tissue alone": rng.normal(40, 12, (20, 20, 20)),
        "bone in soft tissue": np.where(rng.random((20, 20, 20)) < 0.4, rng.uniform(150, 1500, (20, 20, 20)), 40),
        "empty": np.zeros((4, 4, 4)),
    }[case]
    ct = image_of(hu.astype(np.float32))
    assert on_hounsfield_scale(ct) == (ct, ())
