from __future__ import annotations

import numpy as np
import pytest

from fdglung.radiomics.level_image import level_image
from fdglung.radiomics.ngtdm import ngtdm_features, pyradiomics_ngtdm, tone_differences
from tests.radiomics.level_cases import noise_levels, roi_of

FOUR_BY_FOUR = np.array([[[1, 2, 5, 2], [3, 5, 1, 3], [1, 3, 5, 5], [3, 1, 1, 1]]])


def summed_voxel_by_voxel(levels, reach):
    differences = np.zeros((levels.max(), 2))
    padded = np.pad(levels, reach)
    for at in np.argwhere(padded):
        around = padded[tuple(slice(i - reach, i + reach + 1) for i in at)]
        level = padded[tuple(at)]
        neighbours = (around > 0).sum() - 1
        if neighbours:
            differences[level - 1] += 1, abs(level - (around.sum() - level) / neighbours)
    return differences


@pytest.mark.parametrize(("distances", "reach"), [((1,), 1), ((1, 2), 2)])
def test_differences_are_those_of_every_voxel_s_neighbourhood(distances, reach):
    levels = noise_levels((5, 6, 7), 6, filled=0.3)
    differences = tone_differences(level_image(roi_of(levels)), distances=distances)
    np.testing.assert_allclose(differences, summed_voxel_by_voxel(levels, reach), rtol=1e-12)


def test_the_matrix_of_a_four_by_four_image_is_that_worked_out_by_hand():
    sums = [
        abs(1 - 10 / 3) + abs(1 - 30 / 8) + abs(1 - 15 / 5) + abs(1 - 13 / 5) + abs(1 - 15 / 5) + abs(1 - 11 / 3),
        abs(2 - 15 / 5) + abs(2 - 9 / 3),
        abs(3 - 12 / 5) + abs(3 - 18 / 5) + abs(3 - 20 / 8) + abs(3 - 5 / 3),
        abs(5 - 13 / 5) + abs(5 - 21 / 8) + abs(5 - 20 / 8) + abs(5 - 11 / 5),
    ]
    differences = tone_differences(level_image(roi_of(FOUR_BY_FOUR)))
    np.testing.assert_array_equal(differences[:, 0], [6, 2, 4, 4])
    np.testing.assert_allclose(differences[:, 1], sums, rtol=1e-12)


def test_a_voxel_without_neighbours_counts_for_pyradiomics_and_not_for_ibsi():
    levels = np.zeros((1, 1, 6), int)
    levels[0, 0] = [1, 2, 2, 0, 0, 2]
    image = level_image(roi_of(levels))
    np.testing.assert_allclose(tone_differences(image), [[1, 1], [2, 0.5]])
    np.testing.assert_allclose(tone_differences(image, lone=True), [[1, 1], [3, 0.5]])


def test_features_of_two_levels_have_their_closed_form():
    """n = 1 and 3, s = 2 and 1, so p = 1/4 and 3/4; the levels are 1 and 3."""
    features = ngtdm_features(np.array([[[1, 2], [3, 1]]], float), np.array([1, 3]))
    assert features["coarseness"][0] == pytest.approx(1 / (2 / 4 + 3 / 4))
    assert features["contrast"][0] == pytest.approx(2 * (3 / 16) * 4 / 2 * 3 / 4)
    assert features["busyness"][0] == pytest.approx(1.25 / (2 * abs(1 / 4 - 9 / 4)))
    assert features["complexity"][0] == pytest.approx(2 * 2 * 1.25 / 4)
    assert features["strength"][0] == pytest.approx(2 * 4 / 3)


@pytest.mark.parametrize("numbers", [[2, 1], [18, 9], [6, 3, 2]])
def test_busyness_is_not_defined_where_every_level_times_its_number_is_the_same(numbers):
    """The denominator, the sum of |i p(i) - j p(j)|, is 0: not infinite, and not a rounding error's reciprocal."""
    levels = np.arange(1, len(numbers) + 1)
    differences = np.stack([numbers, np.ones(len(numbers))], axis=1)
    features = ngtdm_features(differences[None].astype(float), levels)
    assert np.isnan(features["busyness"][0])
    assert features["coarseness"][0] == pytest.approx(1.0)


def test_a_flat_lesion_is_as_coarse_as_can_be_and_the_rest_is_undefined_but_0_in_pyradiomics_mode():
    image = level_image(roi_of(np.ones((3, 3, 3), int)))
    features = ngtdm_features(tone_differences(image)[None], image.values)
    assert features["coarseness"][0] == 1e6
    assert np.isnan([features[name][0] for name in ("contrast", "busyness", "strength")]).all()
    expected = {"Busyness": 0, "Coarseness": 1e6, "Complexity": 0, "Contrast": 0, "Strength": 0}
    assert pyradiomics_ngtdm(image) == expected
