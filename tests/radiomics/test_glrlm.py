from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from fdglung.radiomics.glrlm import glrlm_features, pyradiomics_glrlm, run_counts, run_weights, with_single_voxels
from fdglung.radiomics.level_image import level_image
from tests.radiomics.level_cases import noise_levels, roi_of, smooth_levels


def runs_along_x(levels):
    counts = np.zeros((levels.max(), max(levels.shape)))
    for line in levels.reshape(-1, levels.shape[2]):
        for level, run in groupby(line):
            if level:
                counts[level - 1, len(list(run)) - 1] += 1
    return counts


def test_runs_along_each_axis_are_those_counted_line_by_line():
    levels = noise_levels((4, 6, 9), 3)
    counts, offsets = run_counts(level_image(roi_of(levels)))
    for axis in range(3):
        along = np.flatnonzero(np.abs(offsets[:, axis]) == np.abs(offsets).sum(axis=1))[0]
        np.testing.assert_array_equal(counts[along], runs_along_x(np.moveaxis(levels, axis, 2)))


def test_every_direction_counts_each_voxel_once():
    levels = smooth_levels(10, 6)
    counts, _ = run_counts(level_image(roi_of(levels)))
    np.testing.assert_array_equal(counts.sum(axis=1) @ np.arange(1, counts.shape[2] + 1), (levels > 0).sum())


def test_directions_without_a_pair_of_voxels_are_runs_of_one_voxel_for_ibsi_and_none_for_pyradiomics():
    image = level_image(roi_of([[[1, 1], [0, 0]], [[0, 0], [2, 0]]]))
    counts, offsets = run_counts(image)
    filled = with_single_voxels(counts, image)
    along_x = (np.abs(offsets) == (0, 0, 1)).all(axis=1)
    np.testing.assert_array_equal(counts[along_x][0], [[0, 1], [1, 0]])
    assert filled.any(axis=(1, 2)).all()
    assert counts.any(axis=(1, 2)).sum() == 3
    np.testing.assert_array_equal(filled[~counts.any(axis=(1, 2))][0], [[2, 0], [1, 0]])


def test_a_closed_form_of_four_runs():
    """Runs of level 1: lengths 1 and 3; of level 4: lengths 2 and 2."""
    counts = np.array([[[1, 0, 1], [0, 2, 0]]], float)
    features = {name: value[0] for name, value in glrlm_features(counts, np.array([1, 4])).items()}
    assert features["sre"] == pytest.approx((1 + 1 / 9 + 2 / 4) / 4)
    assert features["lrhge"] == pytest.approx((1 + 9 + 2 * 4 * 16) / 4)
    assert features["lrlge"] == pytest.approx((1 + 9 + 2 * 4 / 16) / 4)
    assert features["srhge"] == pytest.approx((1 + 1 / 9 + 2 * 16 / 4) / 4)
    assert features["glnu"] == pytest.approx(2)
    assert features["rlnu_norm"] == pytest.approx((1 + 4 + 1) / 16)
    assert features["r_perc"] == pytest.approx(4 / 8)
    assert features["rl_var"] == pytest.approx(0.5)
    assert features["gl_var"] == pytest.approx(2.25)
    assert features["rl_entr"] == pytest.approx(1.5)


def test_an_empty_matrix_has_no_value():
    features = glrlm_features(np.zeros((1, 2, 3)), np.array([1, 2]))
    assert np.isnan(np.concatenate(list(features.values()))).all()


def test_voxels_that_share_no_line_have_no_runs_in_pyradiomics_mode():
    knight = np.zeros((1, 2, 3), int)
    knight[0, 0, 0] = knight[0, 1, 2] = 1
    assert np.isnan(list(pyradiomics_glrlm(level_image(roi_of(knight))).values())).all()


def test_weights_are_lengths_in_mm():
    offsets = np.array([[0, 1, 1], [1, 0, 0]], np.int32)
    np.testing.assert_allclose(run_weights(offsets, (5.0, 4.0, 3.0), "euclidean"), [5, 5])
    np.testing.assert_allclose(run_weights(offsets, (5.0, 4.0, 3.0), "manhattan"), [7, 5])
    np.testing.assert_allclose(run_weights(offsets, (5.0, 4.0, 3.0), "infinity"), [4, 5])
