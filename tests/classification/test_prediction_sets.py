"""Prediction sets: shares by hand, and that they hold the true class as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from fdglung.classification.prediction_sets import class_shares, patient_weights, sets_of

CLASSES = ("benign", "lymphoma")


def test_shares_are_counted_within_a_class():
    reference, codes = np.array([0.1, 0.4, 0.6, 0.9, 0.2, 0.8]), np.array([0, 0, 0, 0, 1, 1])
    found = class_shares(np.array([[0.5, 0.5], [0.05, 0.95]]), reference, codes, np.ones(6))
    assert found == pytest.approx(np.array([[3 / 5, 2 / 3], [1 / 5, 3 / 3]]))


def test_a_probability_as_low_as_a_training_lesions_counts_that_lesion():
    found = class_shares(np.array([[0.4]]), np.array([0.4, 0.7]), np.array([0, 0]), np.ones(2))
    assert found[0, 0] == pytest.approx(2 / 3)


def test_a_patient_counts_once_however_many_lesions_it_has():
    codes, patients = np.array([0, 0, 0, 0, 1]), ("a", "a", "a", "b", "a")
    weights = patient_weights(codes, patients)
    assert weights == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1])
    found = class_shares(np.array([[0.5, 0.5]]), np.array([0.1, 0.2, 0.3, 0.9, 0.5]), codes, weights)
    assert found[0, 0] == pytest.approx((1 + 1) / (1 + 2))


def test_a_set_has_what_is_not_ruled_out_the_most_probable_first():
    probabilities = np.array([[0.3, 0.7], [0.9, 0.1], [0.5, 0.5]])
    shares = np.array([[0.2, 0.8], [0.5, 0.05], [0.05, 0.1]])
    found = sets_of(CLASSES, probabilities, shares, coverage=0.9)
    # Of the last neither class is usual: the most probable, here the first of two, is kept.
    assert found == (("lymphoma", "benign"), ("benign",), ("benign",))


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_each_class_is_held_as_often_as_is_said(coverage):
    """Patients of 1 to 6 lesions that are alike, classes of unequal size: held in each class, in 4,000 new patients.

    The bound on both sides is what the binomial law of 4,000 patients allows, beside what 500 patients of the reference
    leave open (a beta law: Vovk, doi:10.1007/s10994-013-5355-6).
    """
    random = np.random.default_rng(4)

    def drawn(patients, share):
        classes = (random.random(patients) < share).astype(np.intp)
        counts = random.integers(1, 7, patients)
        own = random.normal(size=patients)
        owner = np.repeat(np.arange(patients), counts)
        log_odds = (2 * classes - 1)[owner] + own[owner] + 0.3 * random.normal(size=len(owner))
        chance = 1 / (1 + np.exp(-log_odds))
        return classes[owner], np.column_stack([1 - chance, chance]), owner

    for code in (0, 1):
        codes, known, owner = drawn(2500, 0.2 if code else 0.8)
        reference = known[np.arange(len(codes)), codes]
        weights = patient_weights(codes, tuple(map(str, owner)))
        truth, said, whose = drawn(4000, float(code))
        shares = class_shares(said, reference, codes, weights)
        held = np.array([CLASSES[code] in one for one in sets_of(CLASSES, said, shares, coverage=coverage)])
        first = np.unique(whose, return_index=True)[1]
        expected = int(held[first].sum())
        slack = 4 * np.sqrt(coverage * (1 - coverage) / 500)
        assert binom.cdf(expected, 4000, coverage - slack) > 0.001
        # The most probable class is held beside what is asked; these classes overlap enough for it to add little.
        assert binom.sf(expected, 4000, coverage + slack) > 0.001
        assert set(truth.tolist()) == {code}
