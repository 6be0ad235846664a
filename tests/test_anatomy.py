from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.anatomy import hu_on, lies_in_fat

FAT, LUNG, SOFT = -100.0, -800.0, 40.0


def line(*values):
    return np.array(values, np.float32).reshape(1, 1, -1)


@pytest.mark.parametrize(
    ("hu", "in_fat"),
    [
        ([FAT] * 8, True),
        ([FAT] * 6 + [SOFT] * 2, True),
        ([FAT] * 5 + [SOFT] * 3, False),
        ([-190.0] * 4 + [-10.0] * 4, True),
        ([-191.0] * 4 + [-9.0] * 4, False),
        ([LUNG] * 4 + [SOFT] * 4, False),
    ],
)
def test_three_quarters_of_a_voi_within_190_to_10_below_0_are_fat(hu, in_fat):
    suv = np.full((1, 1, 8), 5.0, np.float32)
    assert lies_in_fat(line(*hu), suv, np.ones((1, 1, 8), bool)) is in_fat


def test_only_what_has_two_fifths_of_the_maximum_counts():
    hu, suv = line(FAT, FAT, SOFT, SOFT, SOFT), line(10.0, 4.0, 3.9, 3.9, 3.9)
    whole = np.ones(hu.shape, bool)
    assert lies_in_fat(hu, suv, whole)
    assert not lies_in_fat(hu, np.full_like(suv, 5.0), whole)
    assert not lies_in_fat(hu, suv, whole & (suv < 4))


def test_a_finer_ct_is_averaged_over_the_pets_voxels_and_nothing_lies_outside_it():
    """Slices of 1 mm that alternate between 0 and 100 HU have 50 HU in voxels of 4 mm."""
    ct = sitk.GetImageFromArray(np.tile(np.array([0, 100], np.int16)[:, None, None], (20, 40, 40)))
    pet = sitk.Image([8, 8, 12], sitk.sitkFloat32)
    pet.SetSpacing((4.0, 4.0, 4.0))
    pet.SetOrigin((1.5, 1.5, 1.5))
    hu = hu_on(pet, ct)
    assert hu[:10] == pytest.approx(np.full((10, 8, 8), 50.0))
    assert (hu[10:] == -1024).all()
