from __future__ import annotations

import numpy as np
import pytest

from fdglung.radiomics.dependence import dependence_counts, ngldm_features, pyradiomics_gldm
from fdglung.radiomics.level_image import level_image
from tests.radiomics.level_cases import by_pyradiomics, noise_levels, roi_of


def counted_voxel_by_voxel(levels, reach, alpha):
    counts = np.zeros((levels.max(), (2 * reach + 1) ** 3))
    padded = np.pad(levels, reach)
    for at in np.argwhere(padded):
        around = padded[tuple(slice(i - reach, i + reach + 1) for i in at)]
        level = padded[tuple(at)]
        counts[level - 1, ((around > 0) & (abs(around - level) <= alpha)).sum() - 1] += 1
    return counts


@pytest.mark.parametrize(("distances", "reach"), [((1,), 1), ((1, 2), 2)])
@pytest.mark.parametrize("alpha", [0, 1, 3])
def test_counts_are_those_of_every_voxel_s_neighbourhood(distances, reach, alpha):
    levels = noise_levels((5, 6, 7), 6)
    counts = dependence_counts(level_image(roi_of(levels)), distances=distances, alpha=alpha)
    expected = counted_voxel_by_voxel(levels, reach, alpha)
    used = min(counts.shape[1], expected.shape[1])
    np.testing.assert_array_equal(counts[:, :used], expected[:, :used])
    assert counts.sum() == expected[:, :used].sum() == (levels > 0).sum()


@pytest.mark.parametrize("alpha", [0, 2])
def test_levels_that_do_not_occur_have_no_row(alpha):
    levels = noise_levels((4, 5, 6), 3) * 4
    counts = dependence_counts(level_image(roi_of(levels)), alpha=alpha)
    assert len(counts) == 3
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(levels.ravel())[4::4])


def test_a_coarseness_between_whole_numbers_is_the_lower_one():
    image = level_image(roi_of(noise_levels((4, 5, 6), 5)))
    np.testing.assert_array_equal(dependence_counts(image, alpha=1.7), dependence_counts(image, alpha=1))
    np.testing.assert_array_equal(dependence_counts(image, alpha=0.5), dependence_counts(image))


def test_a_coarseness_beyond_all_levels_counts_all_neighbours():
    counts = dependence_counts(level_image(roi_of(noise_levels((3, 3, 3), 4, filled=1.1))), alpha=1e30)
    np.testing.assert_array_equal(np.flatnonzero(counts.sum(axis=0)) + 1, [8, 12, 18, 27])


def test_a_closed_form_of_a_row():
    """1 1 2: the ones depend on each other, the two on nothing but itself."""
    counts = dependence_counts(level_image(roi_of([[[1, 1, 2]]])))
    features = {name: value[0] for name, value in ngldm_features(counts[None], np.array([1, 2])).items()}
    assert features["lde"] == pytest.approx((1 / 4 + 1 / 4 + 1) / 3)
    assert features["hdhge"] == pytest.approx((4 + 4 + 4) / 3)
    assert features["dc_perc"] == 1
    assert features["dc_energy"] == pytest.approx(5 / 9)
    assert features["dcnu"] == pytest.approx(5 / 3)


@pytest.mark.parametrize("alpha", [0, 1, 5])
def test_pyradiomics_gldm_is_pyradiomics(alpha):
    roi = roi_of(noise_levels((6, 7, 8), 9))
    expected = by_pyradiomics(roi, gldm_a=alpha)
    for name, value in pyradiomics_gldm(level_image(roi), alpha=alpha).items():
        assert value == pytest.approx(expected[f"gldm_{name}"], rel=1e-12)
