from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung.lungs import LungRegion, bounding_box_mm, holding_avid_tissue, segment
from fdglung.lungs.labels import LEFT, RIGHT
from tests.ellipsoids import SHAPE, grid, pet_of, thorax


def region_of(ct, drawn, margin_mm=15.0):
    labels = np.where(drawn["right"], RIGHT, np.where(drawn["left"], LEFT, 0)).astype(np.uint8)
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(ct)
    return LungRegion(mask, bounding_box_mm(mask, margin_mm), "drawn")


def grown(pet, seed, fraction):
    """Return the voxels' positions in mm of what grows from the voxel at `seed` (mm) to a fraction of its value."""
    suv = sitk.GetArrayFromImage(pet)
    index = pet.TransformPhysicalPointToIndex(seed)[::-1]
    labels, _ = ndimage.label(suv >= fraction * suv[index])
    voxels = np.argwhere(labels == labels[index])[:, ::-1]
    return np.array(pet.GetOrigin()) + voxels * np.array(pet.GetSpacing())


def holds(box, points):
    return bool((points >= box[0]).all() and (points <= box[1]).all())


@pytest.mark.parametrize(
    ("centre", "radius"),
    [((-130, 0, 0), 45), ((80, -100, 20), 40), ((78, 0, 125), 24), ((-78, 10, -120), 30)],
    ids=["chest wall", "breast bone's side", "apex", "diaphragm"],
)
def test_a_tumour_that_grows_out_of_the_lung_stays_inside(centre, radius):
    ct, drawn = thorax()
    pet = pet_of([(centre, radius, 12.0)], fwhm_mm=6.0)
    region = region_of(ct, drawn)
    points = grown(pet, centre, 0.4)
    assert not holds(region.box_mm, points)
    assert holds(holding_avid_tissue(region, pet).box_mm, points)


def test_a_node_between_the_lungs_is_inside_even_when_it_reaches_the_neck():
    ct, drawn = thorax()
    pet = pet_of([((0, -20, 60 + 15 * i), 11, 8.0) for i in range(6)])
    points = grown(pet, (0, -20, 60), 0.4)
    region = region_of(ct, drawn)
    box = holding_avid_tissue(region, pet).box_mm
    assert holds(box, points)


def test_avid_tissue_elsewhere_makes_the_box_no_larger():
    """A kidney's place, and an arm's."""
    ct, drawn = thorax()
    region = region_of(ct[:, :, 30:], {side: mask[30:] for side, mask in drawn.items()})
    pet = pet_of([((0, 60, -146), 20, 20.0), ((-168, 20, 0), 6, 20.0)])
    assert holding_avid_tissue(region, pet).box_mm == region.box_mm


def test_an_organ_that_runs_out_of_the_box_is_followed_only_where_it_is_hottest():
    """A liver of 3 under the lungs, with a tumour of 12 at the lung that grows into it."""
    ct, drawn = thorax()
    shorter = {side: mask & (grid()[1] > -60) for side, mask in drawn.items()}
    region = region_of(ct, shorter)
    pet = pet_of([((-78, 0, -75), 16, 12.0)], liver=3.0)
    suv = sitk.GetArrayFromImage(pet)
    suv[:22][suv[:22] == np.float32(0.8)] = 3.0
    runaway = sitk.GetImageFromArray(suv)
    runaway.CopyInformation(pet)
    box = holding_avid_tissue(region, runaway).box_mm
    assert holds(box, grown(runaway, (-78, 0, -75), 0.4))
    assert box[0][2] > -75 - 16 - 20
    assert box[1] == region.box_mm[1]


def over_a_liver(spheres):
    """Return a region and PET of lungs that end at -60 mm, with a noisy liver of 2.9 from there down to -125 mm."""
    ct, drawn = thorax()
    z = grid()[1]
    region = region_of(ct, {side: mask & (z > -60) for side, mask in drawn.items()})
    pet = pet_of(spheres)
    suv = sitk.GetArrayFromImage(pet)
    height, y, x = np.indices(suv.shape) * 4.0 + np.array(pet.GetOrigin())[::-1, None, None, None]
    organ = (height < -60) & (height > -125) & (x < 40) & ((x / 160) ** 2 + (y / 100) ** 2 <= 1) & (suv < 2)
    suv[organ] = np.random.default_rng(0).normal(2.9, 0.3, int(organ.sum()))
    noisy = sitk.GetImageFromArray(suv)
    noisy.CopyInformation(pet)
    return region, noisy


def test_a_liver_that_is_more_avid_than_usual_makes_the_box_no_larger():
    region, pet = over_a_liver([])
    assert holding_avid_tissue(region, pet).box_mm == region.box_mm


@pytest.mark.parametrize("suv", [4.6, 12.0])
def test_a_tumour_that_grows_from_the_lung_into_a_liver_is_inside(suv):
    region, pet = over_a_liver([((-78, 0, -75), 22, suv)])
    box = holding_avid_tissue(region, pet).box_mm
    tumour = positions(pet, suv)
    assert not holds(region.box_mm, tumour)
    assert holds(box, tumour)
    assert box[0][2] > -75 - 22 - 20


def positions(pet, value):
    """Return the positions in mm of the voxels that have a value."""
    voxels = np.argwhere(np.isclose(sitk.GetArrayFromImage(pet), value))[:, ::-1]
    return np.array(pet.GetOrigin()) + voxels * np.array(pet.GetSpacing())


def test_the_box_is_the_same_whatever_the_orientation_of_the_pet():
    ct, drawn = thorax()
    region = region_of(ct, drawn)
    pet = pet_of([((-130, 0, 0), 45, 12.0)])
    expected = holding_avid_tissue(region, pet).box_mm
    for orientation in ("RAI", "SPL"):
        assert np.allclose(holding_avid_tissue(region, sitk.DICOMOrient(pet, orientation)).box_mm, expected)


def test_a_pet_that_does_not_meet_the_lungs_changes_nothing():
    ct, drawn = thorax()
    region = region_of(ct, drawn)
    far = pet_of([((0, 0, 0), 20, 9.0)])
    far.SetOrigin((2000.0, 2000.0, 2000.0))
    assert holding_avid_tissue(region, far) == region


def test_the_half_of_the_chest_whose_lung_is_white_belongs_to_the_region():
    """A tumour that fills the left half: no lung of it is left, and its place is known from the right one's."""
    ct, drawn = thorax(lungs=("right",))
    region = segment(ct)
    white = np.argwhere(np.broadcast_to(drawn["left"], SHAPE))[:, ::-1] * ct.GetSpacing() + np.array(ct.GetOrigin())
    assert holds(region.box_mm, white)
    assert any("left lung is missing" in warning for warning in region.warnings)


def test_avid_tissue_in_the_white_half_is_followed_out_of_the_box():
    ct, _ = thorax(lungs=("right",))
    pet = pet_of([((110, 0, 0), 62, 9.0)])
    region = holding_avid_tissue(segment(ct), pet)
    assert holds(region.box_mm, grown(pet, (110, 0, 0), 0.4))
