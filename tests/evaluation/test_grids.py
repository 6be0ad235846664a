from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import DisjointGridsError
from fdglung.evaluation.grids import onto_grid, same_grid
from tests.evaluation.shapes import box, image

MASK = box((4, 5, 6), (4, 4, 4), (16, 16, 16))


def moved(prediction, reference):
    return onto_grid(prediction, reference, what="prediction", file="case.nii.gz", labels=True)


def test_grids_that_differ_by_rounding_are_one_grid():
    reference = image(MASK, spacing=(1.5, 1.5, 3))
    near = image(MASK, spacing=(1.5, 1.5, 3), origin=(1e-4, 0, 0))
    assert same_grid(reference, near)
    found, warnings = moved(near, reference)
    assert found is near
    assert warnings == ()


def test_the_same_numbers_along_other_axes_are_another_grid():
    turned = image(MASK)
    turned.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    turned.SetOrigin((15, 15, 0))
    reference = image(MASK)
    assert not same_grid(turned, reference)
    found, warnings = moved(turned, reference)
    assert (sitk.GetArrayFromImage(found).astype(bool) == MASK[:, ::-1, ::-1]).all()
    assert "another grid" in warnings[0]


def test_labels_on_a_finer_grid_come_back_whole():
    fine = np.kron(MASK, np.ones((3, 3, 3))).astype(bool)
    prediction = image(fine, spacing=(1 / 3,) * 3, origin=(-1 / 3,) * 3)
    found, warnings = moved(prediction, image(MASK))
    assert (sitk.GetArrayFromImage(found).astype(bool) == MASK).all()
    assert len(warnings) == 1


def test_what_lies_outside_the_reference_is_told_in_ml():
    reference = image(MASK[:, :, :8], spacing=(2, 2, 2))
    found, warnings = moved(image(MASK, spacing=(2, 2, 2)), reference)
    assert sitk.GetArrayFromImage(found).sum() == 32
    assert any("0.26 ml of the prediction lie outside" in text for text in warnings)


def test_a_prediction_that_covers_half_says_so():
    _, warnings = moved(image(MASK[:8]), image(MASK))
    assert any("covers 50.0 %" in text for text in warnings)


def test_grids_apart_are_refused():
    with pytest.raises(DisjointGridsError, match=r"case\.nii\.gz"):
        moved(image(MASK, origin=(100, 0, 0)), image(MASK))


def test_labels_between_voxels_stay_labels_and_values_are_interpolated():
    labels = np.where(MASK, 9, 0).astype(np.int32)
    shifted = image(labels, origin=(0.4, 0.4, 0.4))
    found, _ = moved(shifted, image(MASK))
    assert np.unique(sitk.GetArrayFromImage(found)).tolist() == [0, 9]
    ramp = image(np.broadcast_to(np.arange(16, dtype=np.float32), (16, 16, 16)).copy(), origin=(0.25, 0, 0))
    values, _ = onto_grid(ramp, image(MASK), what="PET", file="pet.nii.gz", labels=False)
    assert sitk.GetArrayFromImage(values)[5, 5, 5] == pytest.approx(4.75)
