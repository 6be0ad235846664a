from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from fdglung.suv_peak import PEAK_RADIUS_MM, suv_peak


def gaussian(shape, spacing, centre_mm, sigma_mm, amplitude):
    axes = np.meshgrid(*[np.arange(n) * step for n, step in zip(shape, spacing, strict=True)], indexing="ij")
    distance2 = sum((axis - c) ** 2 for axis, c in zip(axes, centre_mm, strict=True))
    return (amplitude * np.exp(-distance2 / (2 * sigma_mm**2))).astype(np.float32)


def mean_of_gaussian_over_ball(sigma, radius, amplitude):
    """Integral of a 3D Gaussian over a concentric ball, divided by the ball's volume."""
    t = radius / sigma
    integral = (2 * np.pi * sigma**2) ** 1.5 * (erf(t / np.sqrt(2)) - np.sqrt(2 / np.pi) * t * np.exp(-(t**2) / 2))
    return amplitude * integral / (4 / 3 * np.pi * radius**3)


def test_the_sphere_has_one_cubic_centimetre():
    assert 4 / 3 * np.pi * PEAK_RADIUS_MM**3 == pytest.approx(1000, rel=1e-12)


@pytest.mark.parametrize("spacing", [(3.27, 4.6875, 4.6875), (4.0, 4.0, 4.0), (2.0, 1.65, 1.65), (5.0, 2.0, 3.0)])
def test_uniform_uptake_has_its_own_value_as_peak(spacing):
    suv = np.full((20, 20, 20), 3.5, np.float32)
    mask = np.zeros(suv.shape, bool)
    mask[8:12, 8:12, 8:12] = True
    assert suv_peak(suv, mask, spacing)[0] == pytest.approx(3.5, rel=1e-6)


def test_uptake_at_the_edge_of_the_image_is_averaged_over_what_is_inside():
    suv = np.full((8, 8, 8), 2.0, np.float32)
    mask = np.zeros(suv.shape, bool)
    mask[0, 0, 0] = True
    assert suv_peak(suv, mask, (4.0, 4.0, 4.0))[0] == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize("sigma", [4.0, 6.0, 10.0])
def test_peak_of_a_gaussian_equals_its_closed_form(sigma):
    spacing = (1.0, 1.0, 1.0)
    suv = gaussian((61, 61, 61), spacing, (30.0, 30.0, 30.0), sigma, 10.0)
    value, centre = suv_peak(suv, suv > 4.0, spacing)
    assert value == pytest.approx(mean_of_gaussian_over_ball(sigma, PEAK_RADIUS_MM, 10.0), rel=0.005)
    assert centre == (30.0, 30.0, 30.0)


def mean_over_ball_by_monte_carlo(suv, spacing, centre):
    """Mean of the voxel under each of two million random points in a ball of 1 cm3 around a continuous index."""
    points = np.random.default_rng(1).uniform(-PEAK_RADIUS_MM, PEAK_RADIUS_MM, (4_000_000, 3))
    points = points[(points**2).sum(axis=1) <= PEAK_RADIUS_MM**2]
    indices = np.floor(points / np.array(spacing) + np.array(centre) + 0.5).astype(int)
    return float(suv[tuple(indices.T)].mean(dtype=float))


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 4.0), (3.27, 4.6875, 4.6875)])
def test_a_maximum_between_voxels_is_found_half_way(spacing):
    suv = gaussian((20, 20, 20), spacing, [9.5 * step for step in spacing], 6.0, 10.0)
    value, centre = suv_peak(suv, suv > 4.0, spacing)
    assert centre == (9.5, 9.5, 9.5)
    assert value == pytest.approx(mean_over_ball_by_monte_carlo(suv, spacing, centre), rel=0.002)
    assert value > mean_over_ball_by_monte_carlo(suv, spacing, (9, 9, 9))


def test_a_single_hot_voxel_is_weighted_by_its_volume():
    suv = np.zeros((11, 11, 11), np.float32)
    suv[5, 5, 5] = 10.0
    value, _ = suv_peak(suv, suv > 0, (4.0, 4.0, 4.0))
    assert value == pytest.approx(10 * 4.0**3 / 1000, rel=0.01)
