from __future__ import annotations

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.drawing import draw_class, draw_disease
from fdglung.phantom.lesions.overlap import ALL, PET, Descriptor, bayes_error, error_floor, posterior
from fdglung.phantom.lesions.profiles import DEFAULT_PRIORS
from fdglung.phantom.study import LesionClass

CLASSES = list(LesionClass)
EVEN = dict.fromkeys(LesionClass, 0.25)


def drawn(count, overlap, priors=DEFAULT_PRIORS, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_disease(rng, draw_class(rng, priors=priors), overlap=overlap) for _ in range(count)]


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.3])
def test_with_even_priors_the_floor_is_the_overlap_itself(overlap):
    assert error_floor(overlap, priors=EVEN) == pytest.approx(overlap)


@pytest.mark.parametrize("priors", [EVEN, DEFAULT_PRIORS])
@pytest.mark.parametrize("overlap", [0.1, 0.4, 0.85])
def test_the_floor_is_the_error_of_a_reader_who_knows_whose_looks_they_are(overlap, priors):
    counts = np.zeros((4, 4))
    for disease in drawn(2000, overlap, priors):
        counts[CLASSES.index(disease.lesion_class), CLASSES.index(disease.looks_like)] += 1
    error = 1 - counts.max(axis=0).sum() / counts.sum()
    assert error == pytest.approx(error_floor(overlap, priors=priors), abs=4 * 0.5 / np.sqrt(2000))


def test_without_overlap_the_published_distributions_still_cannot_be_told_apart():
    result = bayes_error(0.0, np.random.default_rng(1), 500)
    assert result.error > 0.05 + 4 * result.standard_error
    assert result.error < 0.15


@pytest.mark.parametrize("level", ["patient", "lesion"])
def test_the_posterior_is_calibrated(level):
    # the mean posterior chance of error equals the share of errors made
    result = bayes_error(0.1, np.random.default_rng(2), 800, level=level)
    shares = np.array([DEFAULT_PRIORS[one] for one in result.by_class])
    missed = float(shares @ np.array(list(result.by_class.values())))
    assert missed == pytest.approx(result.error, abs=4 * np.sqrt(0.25 / 800))


def test_posteriors_are_right_as_often_as_they_say():
    diseases = drawn(900, 0.1, seed=3)
    chances = posterior(diseases, overlap=0.1)
    truth = np.array([[disease.lesion_class == one for one in CLASSES] for disease in diseases])
    assert chances.sum(axis=1) == pytest.approx(1)
    for low, high in ((0, 0.05), (0.05, 0.3), (0.3, 0.7), (0.7, 1)):
        those = (chances >= low) & (chances < high)
        spread = np.sqrt((chances[those] * (1 - chances[those])).sum())
        assert abs(truth[those].sum() - chances[those].sum()) < 4 * spread


def test_no_reader_beats_the_floor_and_more_seen_is_less_error():
    errors = {
        name: bayes_error(0.2, np.random.default_rng(4), 350, descriptors=seen)
        for name, seen in (("all", ALL), ("pet", PET), ("suv", frozenset({Descriptor.UPTAKE})), ("size", frozenset()))
    }
    assert errors["all"].error > error_floor(0.2) - 4 * errors["all"].standard_error
    values = [errors[name].error for name in ("all", "pet", "suv", "size")]
    assert values == sorted(values)
    assert bayes_error(0.2, np.random.default_rng(4), 350, level="lesion").error > errors["all"].error


def test_error_rises_with_overlap():
    errors = [bayes_error(overlap, np.random.default_rng(5), 250).error for overlap in (0.0, 0.1, 0.3, 0.6)]
    assert errors == sorted(errors)
    assert errors[-1] - errors[0] > 0.3


def test_a_learner_does_not_beat_the_bayes_error():
    from sklearn.ensemble import RandomForestClassifier

    def table(diseases):
        rows = []
        for disease in diseases:
            lungs = [plan for plan in disease.plans if plan.kind == "lung"]
            first = lungs[0]
            suv = np.mean([plan.suv_max for plan in lungs])
            nodes = len(disease.plans) - len(lungs)
            rows.append([len(lungs), first.diameter_mm, suv, first.texture, first.lobe, nodes, len(first.signs)])
        return np.array(rows, float), [disease.lesion_class for disease in diseases]

    learner = RandomForestClassifier(100, min_samples_leaf=5, random_state=0, n_jobs=1)
    learner.fit(*table(drawn(1000, 0.1, seed=6)))
    accuracy = learner.score(*table(drawn(1000, 0.1, seed=7)))
    best = bayes_error(0.1, np.random.default_rng(8), 400)
    assert 1 - accuracy > best.error - 4 * np.sqrt(0.25 / 1000)
    # and it learns: guessing the commonest class errs in 60 %
    assert 1 - accuracy < 0.45


def test_bad_parameters_name_themselves():
    rng = np.random.default_rng(0)
    for call, name in (
        (lambda: bayes_error(1.0, rng, 10), "overlap"),
        (lambda: bayes_error(0.1, rng, 1), "n:"),
        (lambda: bayes_error(0.1, rng, 10, level="voxel"), "level"),
        (lambda: error_floor(0.1, priors={}), "priors"),
    ):
        with pytest.raises(ParameterError, match=name):
            call()
