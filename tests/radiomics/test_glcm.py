from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import graycomatrix

from fdglung.radiomics.glcm import glcm_features, pair_counts, pair_weights
from fdglung.radiomics.level_image import level_image
from fdglung.radiomics.pyradiomics_glcm import pyradiomics_glcm
from tests.radiomics.level_cases import noise_levels, roi_of, smooth_levels


def test_counts_of_a_rectangle_are_those_of_scikit_image():
    levels = np.random.default_rng(3).integers(1, 7, (1, 11, 13))
    counts, offsets = pair_counts(level_image(roi_of(levels)), distances=(1,))
    angles = {(0, 1): 0.0, (1, 0): np.pi / 2, (1, 1): np.pi / 4, (1, -1): 3 * np.pi / 4}
    expected = graycomatrix((levels[0] - 1).astype(np.uint8), [1], list(angles.values()), levels=6, symmetric=True)
    by_offset = {
        tuple(offset[1:] * np.sign(offset[1] or offset[2])): one for offset, one in zip(offsets, counts, strict=True)
    }
    assert set(by_offset) == set(angles)
    for index, offset in enumerate(angles):
        np.testing.assert_array_equal(by_offset[offset], expected[:, :, 0, index])


def test_a_checkerboard_is_wholly_anticorrelated_along_its_axes():
    board = np.indices((1, 6, 6)).sum(axis=0) % 2 + 1
    counts, offsets = pair_counts(level_image(roi_of(board)))
    features = glcm_features(counts, np.array([1, 2]), 2)
    along = np.abs(offsets).sum(axis=1) == 1
    np.testing.assert_allclose(features["corr"][along], -1)
    np.testing.assert_allclose(features["corr"][~along], 1)
    np.testing.assert_allclose(features["contrast"], along)
    np.testing.assert_allclose(features["info_corr1"], -1)
    np.testing.assert_allclose(features["info_corr2"][along], np.sqrt(1 - np.exp(-2)))


def test_independent_levels_share_no_information():
    marginal = np.array([0.2, 0.5, 0.3])
    features = glcm_features(np.outer(marginal, marginal)[None], np.array([1, 2, 5]), 5)
    assert features["info_corr1"][0] == pytest.approx(0, abs=1e-12)
    assert features["info_corr2"][0] == pytest.approx(0, abs=1e-6)
    assert features["joint_entr"][0] == pytest.approx(-2 * (marginal * np.log2(marginal)).sum())
    assert features["sum_avg"][0] == pytest.approx(2 * (marginal @ [1, 2, 5]))


def test_moments_of_sum_and_difference_are_those_of_the_joint_distribution():
    levels = noise_levels((6, 7, 8), 12)
    counts, _ = pair_counts(level_image(roi_of(levels)), symmetric=False)
    features = glcm_features(counts, np.unique(levels)[1:], 12)
    i, j = np.meshgrid(*[np.unique(levels)[1:]] * 2, indexing="ij")
    for index, one in enumerate(counts / counts.sum(axis=(1, 2), keepdims=True)):
        mean = (one * (i + j)).sum()
        assert features["clust_shade"][index] == pytest.approx((one * (i + j - mean) ** 3).sum())
        assert features["clust_prom"][index] == pytest.approx((one * (i + j - mean) ** 4).sum())
        assert features["diff_avg"][index] == pytest.approx((one * abs(i - j)).sum())
        assert features["inv_var"][index] == pytest.approx((one[i != j] / (i - j)[i != j] ** 2).sum())
        assert features["auto_corr"][index] == pytest.approx((one * i * j).sum())
        assert features["inv_diff_mom_norm"][index] == pytest.approx((one / (1 + (i - j) ** 2 / 144)).sum())


def test_empty_matrices_are_left_out():
    counts = np.zeros((3, 2, 2))
    counts[1] = [[2, 1], [1, 2]]
    assert {len(value) for value in glcm_features(counts, np.array([1, 2]), 2).values()} == {1}
    assert {len(value) for value in glcm_features(counts[:1], np.array([1, 2]), 2).values()} == {0}


def test_the_maximal_correlation_of_two_levels_is_their_correlation():
    """With two levels Q has the eigenvalues 1 and the squared correlation."""
    levels = smooth_levels(11, 2)
    image = level_image(roi_of(levels))
    counts, _ = pair_counts(image)
    correlations = glcm_features(counts, image.values, 2)["corr"]
    assert pyradiomics_glcm(image)["MCC"] == pytest.approx(np.abs(correlations).mean(), rel=1e-9)


def test_weights_fall_with_the_square_of_the_distance_in_mm():
    offsets = np.array([[0, 0, 1], [1, -1, 0], [1, 1, 1]], np.int32)
    spacing = (1.0, 0.5, 0.25)
    np.testing.assert_allclose(
        pair_weights(offsets, spacing, "euclidean"), np.exp([-0.0625, -1.25, -1.3125]), rtol=1e-12
    )
    np.testing.assert_allclose(pair_weights(offsets, spacing, "manhattan"), np.exp([-0.0625, -2.25, -3.0625]))
    np.testing.assert_allclose(pair_weights(offsets, spacing, "infinity"), np.exp([-0.0625, -1, -1]))
    assert pair_weights(offsets, spacing, "no_weighting") is None
