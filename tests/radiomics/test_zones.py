from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from fdglung.radiomics.level_image import level_image
from fdglung.radiomics.zones import border_distances, distance_features, find_zones, size_features
from tests.radiomics.level_cases import noise_levels, roi_of, smooth_levels

FULL = np.ones((3, 3, 3))
IN_PLANE = FULL * np.array([0, 1, 0])[:, None, None]


@pytest.mark.parametrize(("flat_axis", "structure"), [(None, FULL), (0, IN_PLANE), (2, IN_PLANE.T)])
def test_zones_are_the_connected_components_of_each_level(flat_axis, structure):
    levels = smooth_levels(11, 5)
    expected = Counter()
    for level in range(1, 6):
        labels, _ = ndimage.label(levels == level, structure)
        expected.update((level, size) for size in np.bincount(labels.ravel())[1:])
    zones = find_zones(level_image(roi_of(levels)), flat_axis=flat_axis)
    assert Counter(zip(zones.values[zones.rank], zones.size, strict=True)) == expected


def test_zones_know_their_slice_and_its_voxels():
    levels = np.zeros((4, 3, 3), int)
    levels[0, 0, 0], levels[3, 1:, :] = 2, 1
    zones = find_zones(level_image(roi_of(levels)), flat_axis=0)
    assert sorted(zip(zones.plane, zones.size, strict=True)) == [(0, 1), (1, 6)]
    assert zones.voxels.tolist() == [1, 6]


@pytest.mark.parametrize("flat_axis", [None, 0, 1])
def test_border_distances_are_steps_to_the_nearest_voxel_outside(flat_axis):
    mask = noise_levels((5, 6, 7), 1, filled=0.95) > 0
    around = np.pad(mask, 1)
    inside, outside = np.argwhere(around), np.argwhere(~around)
    steps = cdist(inside, outside, "cityblock")
    if flat_axis is not None:
        steps[inside[:, [flat_axis]] != outside[:, flat_axis]] = np.inf
    distances = border_distances(mask, flat_axis=flat_axis)
    np.testing.assert_array_equal(distances[mask], steps.min(axis=1))
    assert not distances[~mask].any()


def test_a_zone_is_as_near_to_the_border_as_its_nearest_voxel():
    """A block of 5 has shells of distance 1, 2 and 3; the inner 27 voxels are a zone of distance 2."""
    levels = np.ones((5, 5, 5), int)
    levels[1:4, 1:4, 1:4] = 2
    zones = find_zones(level_image(roi_of(levels)))
    features = distance_features(zones, border_distances(levels > 0))
    assert features["lde"][0] == pytest.approx((1 + 4) / 2)
    assert features["ldhge"][0] == pytest.approx((1 + 4 * 4) / 2)
    assert features["z_perc"][0] == pytest.approx(2 / 125)


def test_distances_go_by_the_morphological_mask_where_intensities_leave_voxels_out():
    levels = np.ones((5, 5, 5), int)
    levels[2, 2, 2] = 2
    whole = levels > 0
    levels[2, 2, 1] = 0
    zones = find_zones(level_image(roi_of(levels, mask=whole)))
    assert distance_features(zones, border_distances(whole))["lde"][0] == pytest.approx((1 + 9) / 2)
    eroded = border_distances(levels > 0)
    assert distance_features(zones, eroded)["lde"][0] == pytest.approx(1)


def test_a_closed_form_of_three_zones():
    levels = np.array([[[1, 1, 3, 3, 3, 0, 1]]])
    features = {name: value[0] for name, value in size_features(find_zones(level_image(roi_of(levels)))).items()}
    assert features["sze"] == pytest.approx((1 / 4 + 1 / 9 + 1) / 3)
    assert features["lzhge"] == pytest.approx((4 + 9 * 9 + 1) / 3)
    assert features["glnu"] == pytest.approx((4 + 1) / 3)
    assert features["zsnu"] == pytest.approx(1)
    assert features["z_perc"] == pytest.approx(3 / 6)
    assert features["zs_entr"] == pytest.approx(np.log2(3))


def test_a_large_flat_lesion_among_many_levels_needs_no_matrix_of_sizes():
    """PyRadiomics' matrix of 600 levels and a zone of 100,000 voxels would take half a gigabyte."""
    levels = np.ones((10, 100, 101), int)
    levels[0, 0, :] = 0
    levels[0, 0, 1:91:2] = np.arange(2, 47)
    features = size_features(find_zones(level_image(roi_of(levels))))
    assert features["lze"][0] == pytest.approx((45 + 100_899.0**2) / 46)
