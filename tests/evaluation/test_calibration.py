from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from fdglung.evaluation.calibration import TOP, bin_of, brier, calibration_error, reliability
from tests.evaluation.probabilities import CLASSES, made

ROWS = made(patients=200)
ONES = np.ones((1, len(ROWS.truth)))


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_bins_are_those_of_scikit_learn(bins):
    found = reliability(ROWS, ONES, bins=bins)
    for place, name in enumerate(CLASSES):
        shares, means = calibration_curve(ROWS.truth == place, ROWS.probabilities[:, place], n_bins=bins)
        ours = {
            what: [found[f"class {name}", str(n), what][0] for n in range(bins)]
            for what in ("observed", "mean_probability")
        }
        filled = [n for n in range(bins) if np.isfinite(ours["observed"][n])]
        assert np.array(ours["observed"])[filled] == pytest.approx(shares)
        assert np.array(ours["mean_probability"])[filled] == pytest.approx(means)
    assert sum(found[TOP, str(n), "n"][0] for n in range(bins)) == len(ROWS.truth)


def test_the_error_is_the_mean_distance_of_the_bins_by_their_rows():
    found = reliability(ROWS, ONES, bins=10)
    cells = np.array(
        [[found[TOP, str(n), what][0] for n in range(10)] for what in ("n", "observed", "mean_probability")]
    )
    counts, observed, means = cells[:, cells[0] > 0]
    by_hand = (counts * np.abs(observed - means)).sum() / counts.sum()
    top = ROWS.probabilities.max(axis=1)
    ours = calibration_error(top, ROWS.predicted == ROWS.truth, ONES, bins=10)
    assert ours[0] == pytest.approx(by_hand)


def test_a_worked_example_by_hand():
    """Two rows at 0.85, one of which is right, and two at 0.65, both right: |0.5 - 0.85| / 2 + |1 - 0.65| / 2."""
    chances, right = np.array([0.85, 0.85, 0.65, 0.65]), np.array([True, False, True, True])
    assert calibration_error(chances, right, np.ones((1, 4)), bins=10)[0] == pytest.approx(0.35)
    assert brier(chances, right, np.ones((1, 4)))[0] == pytest.approx((0.0225 + 0.7225 + 2 * 0.1225) / 4)


def test_weights_count_rows_as_often():
    chances, right = np.array([0.15, 0.35, 0.75]), np.array([False, True, True])
    weighted = calibration_error(chances, right, np.array([[2.0, 1, 3]]), bins=10)
    repeated = calibration_error(np.repeat(chances, [2, 1, 3]), np.repeat(right, [2, 1, 3]), np.ones((1, 6)), bins=10)
    assert weighted == pytest.approx(repeated)


def test_probabilities_that_mean_what_they_say_have_a_small_error_and_bold_ones_a_large():
    random = np.random.default_rng(0)
    chances = random.random(20000)
    happened = random.random(20000) < chances
    ones = np.ones((1, 20000))
    assert calibration_error(chances, happened, ones, bins=10)[0] < 0.015
    # Of probabilities pushed to 0 or 1 the error is the mean distance pushed: 1/4.
    assert calibration_error(np.round(chances), happened, ones, bins=10)[0] == pytest.approx(0.25, abs=0.01)


def test_edges_belong_to_the_bin_below_and_0_to_the_first():
    assert bin_of(np.array([0, 0.1, 0.1000001, 0.5, 1]), 10).tolist() == [0, 0, 1, 4, 9]
