from __future__ import annotations

import numpy as np
import pytest

from fdglung.radiomics.peak import PEAK_RADIUS_MM, peak_features
from fdglung.radiomics.roi import Roi


def roi_of(values, mask, spacing):
    return Roi(values, mask, mask, spacing, mask.astype(np.int32), 1)


def slow_means(values, spacing):
    places = np.argwhere(np.isfinite(values)) * np.array(spacing)
    finite = values[np.isfinite(values)]
    means = np.empty(values.shape)
    for index in np.ndindex(values.shape):
        near = ((places - np.array(index) * spacing) ** 2).sum(axis=1) <= PEAK_RADIUS_MM**2
        means[index] = finite[near].mean() if near.any() else np.nan
    return means


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (3.0, 2.5, 1.1), (8.0, 7.0, 3.0)])
@pytest.mark.parametrize("holes", [False, True])
def test_peaks_are_means_over_every_voxel_centre_in_the_sphere(spacing, holes):
    rng = np.random.default_rng(5)
    values = rng.normal(3, 1, (14, 13, 15))
    if holes:
        values[0, 3, 4] = np.nan
    mask = np.zeros(values.shape, bool)
    mask[3:9, 2:8, 6:15] = True
    box = (slice(3, 9), slice(2, 8), slice(6, 15))
    found = peak_features(roi_of(values[box], mask[box], spacing), surroundings=values, offset=(3, 2, 6))
    means = slow_means(values, spacing)
    assert found["loc_peak_glob"] == pytest.approx(means[mask].max(), rel=1e-9)
    assert found["loc_peak_loc"] == pytest.approx(means[mask & (values == values[mask].max())][0], rel=1e-9)


def test_of_several_highest_voxels_the_highest_mean_counts():
    values = np.zeros((1, 1, 40))
    values[0, 0, [10, 30]] = 5
    values[0, 0, 31] = 4
    mask = np.ones(values.shape, bool)
    found = peak_features(roi_of(values, mask, (10.0, 10.0, 3.0)))
    assert found["loc_peak_loc"] == pytest.approx((5 + 4) / 5)


def test_a_voxel_larger_than_the_sphere_is_its_own_mean():
    found = peak_features(roi_of(np.array([[[2.0, 7.0]]]), np.ones((1, 1, 2), bool), (10.0, 10.0, 10.0)))
    assert found == {"loc_peak_loc": 7.0, "loc_peak_glob": 7.0}
