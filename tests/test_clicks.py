from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import lungs as lungs_module
from fdglung.clicks import apply_clicks, lesion_at
from fdglung.errors import ClickError
from fdglung.segmentation import SegmentationSettings
from fdglung.segmentation_threshold import lesions_of_map
from fdglung.uptake_map import uptake_map
from tests.simple_thorax import simple_thorax

SETTINGS = SegmentationSettings()


def hot_balls(*balls, shape=(40, 50, 60), spacing=(4.0, 4.0, 3.0), background=0.4, direction=None):
    """PET with cones of uptake: (x, y, z index, SUVmax, radius in mm)."""
    suv = np.full(shape, background, np.float32)
    z, y, x = np.indices(shape)
    for cx, cy, cz, peak, radius in balls:
        distance = np.sqrt(((x - cx) * spacing[0]) ** 2 + ((y - cy) * spacing[1]) ** 2 + ((z - cz) * spacing[2]) ** 2)
        suv = np.maximum(suv, (peak * (1 - distance / (2 * radius))).astype(np.float32))
    image = sitk.GetImageFromArray(suv)
    image.SetSpacing(spacing)
    image.SetOrigin((-120.0, -100.0, 30.0))
    if direction is not None:
        image.SetDirection(direction)
    return image


@pytest.fixture(scope="module")
def thorax():
    phantom = simple_thorax(ct_matrix=128, seed=5)
    found = lungs_module.segment(phantom.ct)
    uptake = uptake_map(phantom.pet, phantom.ct, found, SETTINGS, lambda text, fraction: None)
    return phantom, uptake, lesions_of_map(phantom.pet, uptake, SETTINGS, lambda text, fraction: None)


def voxels_of(labels, label):
    return set(map(tuple, np.argwhere(sitk.GetArrayFromImage(labels) == label).tolist()))


def test_a_click_into_a_lesion_gives_the_voi_of_the_automatic_segmentation_to_the_voxel(thorax):
    phantom, uptake, found = thorax
    assert len(found.lesions) == 3
    for lesion in phantom.lesions:
        click = phantom.pet.TransformPhysicalPointToIndex(lesion.centre_mm)
        label = found.labels[click]
        grown = lesion_at(phantom.pet, click, SETTINGS, uptake=uptake)
        assert set(map(tuple, grown.voxels.tolist())) == voxels_of(found.labels, label)


@pytest.mark.parametrize("direction", [None, (-1, 0, 0, 0, -1, 0, 0, 0, 1), (0, 1, 0, 1, 0, 0, 0, 0, -1)])
def test_a_click_hits_the_same_lesion_whatever_the_orientation_of_the_grid(direction):
    pet = hot_balls((20, 25, 20, 8.0, 12.0), (45, 20, 12, 5.0, 10.0), direction=direction)
    settings = SegmentationSettings(region="all")
    uptake = uptake_map(pet, None, None, settings, lambda text, fraction: None)
    for click, peak in (((20, 25, 20), 8.0), ((45, 20, 12), 5.0)):
        grown = lesion_at(pet, click, settings, uptake=uptake)
        suv = sitk.GetArrayViewFromImage(pet)
        inside = np.zeros(suv.shape, bool)
        inside[tuple(grown.voxels.T)] = True
        assert grown.suv_max == pytest.approx(peak)
        assert (inside == (suv >= np.float32(0.4 * peak)) & near(inside.shape, click)).all()


def near(shape, click, voxels=12):
    z, y, x = np.indices(shape)
    return (abs(x - click[0]) < voxels) & (abs(y - click[1]) < voxels) & (abs(z - click[2]) < voxels)


def test_the_lesion_is_bounded_by_the_fraction_asked_for():
    pet = hot_balls((30, 25, 20, 8.0, 12.0))
    sizes = [
        len(lesion_at(pet, (30, 25, 20), SegmentationSettings(voi_fraction=fraction)).voxels)
        for fraction in (0.3, 0.5, 0.7)
    ]
    # A cone's radius at a fraction f of its height is proportional to 1 - f.
    assert sizes[0] / sizes[1] == pytest.approx((0.7 / 0.5) ** 3, rel=0.1)
    assert sizes[1] / sizes[2] == pytest.approx((0.5 / 0.3) ** 3, rel=0.2)


def test_two_touching_lesions_are_parted_at_their_saddle():
    pet = hot_balls((22, 25, 20, 8.0, 14.0), (30, 25, 20, 7.0, 14.0))
    left = lesion_at(pet, (22, 25, 20), SETTINGS)
    right = lesion_at(pet, (30, 25, 20), SETTINGS)
    assert (left.suv_max, right.suv_max) == (pytest.approx(8.0), pytest.approx(7.0))
    assert not set(map(tuple, left.voxels.tolist())) & set(map(tuple, right.voxels.tolist()))


def test_a_click_beside_the_peak_by_a_voxel_gives_the_same_lesion():
    pet = hot_balls((30, 25, 20, 8.0, 12.0))
    middle, beside = (lesion_at(pet, click, SETTINGS) for click in ((30, 25, 20), (31, 26, 20)))
    assert (middle.voxels == beside.voxels).all()


def test_uptake_below_the_seeds_is_grown_too(thorax):
    assert thorax[1].seed_suv >= 2.5
    pet = hot_balls((30, 25, 20, 1.8, 10.0), background=0.2)
    assert lesion_at(pet, (30, 25, 20), SETTINGS).suv_max == pytest.approx(1.8)


def test_a_click_on_even_background_grows_nothing_and_says_so():
    pet = hot_balls((30, 25, 20, 8.0, 12.0))
    result = apply_clicks(pet, None, inside=[(5, 5, 5)], outside=[], settings=SETTINGS)
    assert result.added == 0
    assert not sitk.GetArrayFromImage(result.labels).any()
    assert "hit no uptake" in result.warnings[0]


def test_a_click_out_takes_that_lesion_away_and_no_other():
    pet = hot_balls((15, 25, 20, 8.0, 12.0), (45, 25, 20, 5.0, 10.0))
    both = apply_clicks(pet, None, inside=[(15, 25, 20), (45, 25, 20)], outside=[], settings=SETTINGS)
    one = apply_clicks(pet, both.labels, inside=[], outside=[(15, 25, 20)], settings=SETTINGS)
    assert (both.added, one.removed) == (2, 1)
    assert voxels_of(one.labels, 1) == voxels_of(both.labels, 2)
    assert not voxels_of(one.labels, 2)


def test_with_a_memory_no_click_is_grown_twice_and_all_do_the_same(monkeypatch):
    pet, grown, memory = hot_balls((15, 25, 20, 8.0, 12.0), (45, 25, 20, 5.0, 10.0)), [], {}
    monkeypatch.setattr(
        "fdglung.clicks.lesion_at",
        lambda pet, click, *rest, **more: grown.append(click) or lesion_at(pet, click, *rest),
    )
    nothing = (5, 5, 5)
    clicks = [(15, 25, 20), nothing, (45, 25, 20)]
    for inside in (clicks[:2], clicks):
        with_memory = apply_clicks(pet, None, inside=inside, outside=[], settings=SETTINGS, memory=memory)
    assert grown == clicks
    without = apply_clicks(pet, None, inside=clicks, outside=[], settings=SETTINGS)
    assert (sitk.GetArrayFromImage(with_memory.labels) == sitk.GetArrayFromImage(without.labels)).all()
    apply_clicks(pet, None, inside=clicks, outside=[], settings=SegmentationSettings(voi_fraction=0.7), memory=memory)
    assert grown == [*clicks, *clicks, *clicks]


def test_clicking_into_a_lesion_that_is_there_already_replaces_it():
    pet = hot_balls((30, 25, 20, 8.0, 12.0))
    first = apply_clicks(pet, None, inside=[(30, 25, 20)], outside=[], settings=SETTINGS)
    tighter = SegmentationSettings(voi_fraction=0.7)
    second = apply_clicks(pet, first.labels, inside=[(30, 25, 20)], outside=[], settings=tighter)
    assert 0 < len(voxels_of(second.labels, 1)) < len(voxels_of(first.labels, 1))
    assert not voxels_of(second.labels, 2)


@pytest.mark.parametrize("click", [(60, 0, 0), (-1, 0, 0), (1, 2), ("a", 1, 2), (float("nan"), 1, 2)])
def test_a_point_that_is_no_voxel_is_refused_with_the_remedy(click):
    with pytest.raises(ClickError, match=r"indices \(x, y, z\)"):
        lesion_at(hot_balls(), click, SETTINGS)
