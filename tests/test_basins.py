from __future__ import annotations

import numpy as np
import pytest

from fdglung.basins import basins_of_maxima


def two_gaussians(distance, sigma=4.0, amplitudes=(10.0, 10.0)):
    z, y, x = np.meshgrid(*[np.arange(60.0)] * 3, indexing="ij")
    image = np.zeros((60, 60, 60))
    for side, amplitude in zip((-1, 1), amplitudes, strict=True):
        centre = 30 + side * distance / 2
        image += amplitude * np.exp(-((z - 30) ** 2 + (y - 30) ** 2 + (x - centre) ** 2) / (2 * sigma**2))
    return image.astype(np.float32)


def saddle_share(distance, sigma=4.0):
    """Height half-way between two equal Gaussians over the height at one of them."""
    half = 2 * np.exp(-((distance / 2) ** 2) / (2 * sigma**2))
    peak = 1 + np.exp(-(distance**2) / (2 * sigma**2))
    return half / peak


@pytest.mark.parametrize("distance", [12.0, 14.0, 16.0])
def test_two_maxima_part_exactly_where_the_closed_form_saddle_crosses_the_fraction(distance):
    image, share = two_gaussians(distance), saddle_share(distance)
    parted = basins_of_maxima(image, seed=2.5, floor=1.0, saddle_fraction=share * 1.02)[1]
    joined = basins_of_maxima(image, seed=2.5, floor=1.0, saddle_fraction=share * 0.98)[1]
    assert (len(parted), len(joined)) == (2, 1)


def test_the_border_of_two_equal_maxima_is_the_plane_between_them():
    basins, peaks = basins_of_maxima(two_gaussians(16.0), seed=2.5, floor=1.0, saddle_fraction=0.9)
    assert {x for _, _, x in peaks} == {22, 38}
    left, right = basins[:, :, :30], basins[:, :, 31:]
    assert len(np.unique(left[left > 0])) == 1
    assert len(np.unique(right[right > 0])) == 1


def test_basins_are_numbered_by_falling_maximum_and_hold_everything_above_the_floor():
    image = two_gaussians(24.0, amplitudes=(6.0, 9.0))
    basins, peaks = basins_of_maxima(image, seed=2.5, floor=1.0, saddle_fraction=0.7)
    assert [round(float(image[peak])) for peak in peaks] == [9, 6]
    assert ((basins > 0) == (image >= 1.0)).all()


def test_a_plateau_is_one_maximum():
    image = np.zeros((10, 10, 10), np.float32)
    image[3:6, 3:6, 3:6] = 5.0
    assert len(basins_of_maxima(image, seed=2.5, floor=1.0, saddle_fraction=0.7)[1]) == 1


def test_uptake_below_the_seed_has_no_basin():
    basins, peaks = basins_of_maxima(two_gaussians(16.0), seed=30.0, floor=1.0, saddle_fraction=0.7)
    assert not peaks
    assert not basins.any()


def test_a_maximum_joined_to_a_joined_pair_belongs_to_the_highest():
    profile = np.array([0, 5, 9, 8, 10, 7.5, 8, 0, 0, 4, 0], np.float32)
    image = np.zeros((3, 3, profile.size), np.float32)
    image[1, 1] = profile
    basins, peaks = basins_of_maxima(image, seed=2.5, floor=1.0, saddle_fraction=0.7)
    assert [peak[2] for peak in peaks] == [4, 9]
    assert (basins[1, 1, 1:7] == 1).all()


def test_a_maximum_in_an_organ_and_one_outside_part_at_a_shallower_saddle():
    """Between the fractions 0.7 and 0.9 the organ's border decides, below and above them it does not."""
    image, share = two_gaussians(11.0), saddle_share(11.0)
    assert 0.7 < share < 0.9
    organ = np.zeros(image.shape, bool)
    organ[:, :, :30] = True
    assert len(basins_of_maxima(image, seed=2.5, floor=1.0, saddle_fraction=0.7, organ=organ)[1]) == 2
    assert len(basins_of_maxima(image, seed=2.5, floor=1.0, saddle_fraction=0.7, organ=organ | True)[1]) == 1
    close = two_gaussians(9.0)
    assert saddle_share(9.0) > 0.9
    assert len(basins_of_maxima(close, seed=2.5, floor=1.0, saddle_fraction=0.7, organ=organ)[1]) == 1
