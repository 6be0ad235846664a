from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats

from fdglung.evaluation.bootstrap import Bootstrap
from fdglung.evaluation.class_measures import auc, measures
from fdglung.evaluation.resampled import difference, resample
from tests.evaluation.probabilities import made

KEY = ("accuracy", "all")


def accuracies(right):
    return lambda weights: {KEY: weights @ right / weights.sum(axis=1)}


def delong(scores, is_class):
    """Return area, and its parts by row: DeLong et al., Biometrics 1988;44:837."""
    wins = (scores[is_class][:, None] > scores[~is_class]) + 0.5 * (scores[is_class][:, None] == scores[~is_class])
    return wins.mean(), wins.mean(axis=1), wins.mean(axis=0)


def test_intervals_are_those_of_the_bootstrap_one_draw_at_a_time():
    rows = made()
    right = (rows.predicted == rows.truth).astype(float)
    (many,) = resample([accuracies(right)], rows.patients, Bootstrap(4000))
    single = Bootstrap(4000).mean(right, rows.patients)
    found = many.estimate(KEY)
    assert (found.value, found.low, found.high) == pytest.approx((single.value, single.low, single.high))
    assert (found.n, found.patients) == (single.n, single.patients)


def test_the_interval_of_an_area_is_as_wide_as_delongs():
    """Of 300 patients with a lesion each, the standard error is that of DeLong et al. within a tenth."""
    random = np.random.default_rng(2)
    is_class = np.arange(300) % 3 == 0
    scores = random.normal(size=300) + 1.2 * is_class
    owners = [str(n) for n in range(300)]
    (found,) = resample([lambda w: {KEY: auc(scores, is_class, w)}], owners, Bootstrap(4000))
    area, inside, outside = delong(scores, is_class)
    error = np.sqrt(inside.var(ddof=1) / inside.size + outside.var(ddof=1) / outside.size)
    assert found.values[KEY] == pytest.approx(area)
    assert found.drawn[KEY].std() == pytest.approx(error, rel=0.1)


def test_the_difference_of_two_models_is_as_sure_as_delongs_for_pairs():
    random = np.random.default_rng(3)
    is_class = np.arange(240) % 2 == 0
    shared = random.normal(size=240) + 0.8 * is_class
    both = [shared + 0.6 * random.normal(size=240) for _ in range(2)]
    both[0] += 0.5 * is_class
    owners = [str(n) for n in range(240)]
    pair = resample([lambda w, s=s: {KEY: auc(s, is_class, w)} for s in both], owners, Bootstrap(4000))
    found = difference(*pair, KEY)
    parts = [delong(scores, is_class) for scores in both]
    gaps = [parts[0][n] - parts[1][n] for n in (1, 2)]
    error = np.sqrt(sum(gap.var(ddof=1) / gap.size for gap in gaps))
    z = (parts[0][0] - parts[1][0]) / error
    assert found.difference.value == pytest.approx(parts[0][0] - parts[1][0])
    assert (found.difference.high - found.difference.low) / (2 * 1.96) == pytest.approx(error, rel=0.1)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.02)
    # Draws of their own would make it less sure, since the models see the same lesions.
    alone = np.sqrt(sum(one.drawn[KEY].var() for one in pair))
    assert error < 0.8 * alone


def test_one_of_twenty_models_that_are_alike_differs():
    random = np.random.default_rng(4)
    owners = [str(n // 2) for n in range(120)]
    low = 0
    for seed in range(400):
        skill = np.repeat(random.normal(0, 0.8, 60), 2)
        right = [(skill + random.normal(size=120) > -0.5).astype(float) for _ in range(2)]
        found = difference(*resample(map(accuracies, right), owners, Bootstrap(300, seed=seed)), KEY)
        low += found.p < 0.05
    assert 0.025 <= low / 400 <= 0.085


def test_p_and_interval_tell_the_same():
    for noise in range(1, 12):
        first, second = made(patients=60, skill=1.2, noise=0), made(patients=60, skill=1.0, noise=noise)
        pair = resample([partial(measures, one) for one in (first, second)], first.patients, Bootstrap(1000))
        for key in (KEY, ("auc", "macro"), ("f1", "macro")):
            found = difference(*pair, key)
            outside = not found.difference.low <= 0 <= found.difference.high
            assert outside == (found.p < 0.05) or abs(found.p - 0.05) < 0.005


def test_a_model_does_not_differ_from_itself():
    rows = made()
    pair = resample([partial(measures, rows)] * 2, rows.patients, Bootstrap(200))
    found = difference(*pair, ("auc", "macro"))
    assert (found.difference.value, found.difference.low, found.difference.high, found.p) == (0, 0, 0, 1)


def test_the_order_of_the_models_turns_the_sign_and_not_p():
    first, second = made(noise=1), made(noise=2, skill=0.8)
    a, b = resample([partial(measures, one) for one in (first, second)], first.patients, Bootstrap(500))
    there, back = difference(a, b, KEY), difference(b, a, KEY)
    assert there.difference.value == -back.difference.value > 0
    assert there.p == back.p
    assert there.difference.low == pytest.approx(-back.difference.high)


def test_one_patient_has_neither_interval_nor_p():
    pair = resample([accuracies(np.array([1.0, 0])), accuracies(np.array([0.0, 0]))], ["a", "a"], Bootstrap(200))
    found = difference(*pair, KEY)
    assert found.difference.value == 0.5
    assert np.isnan([found.difference.low, found.p]).all()
