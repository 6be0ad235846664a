from __future__ import annotations

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.drawing import draw_class, draw_disease
from fdglung.phantom.lesions.overlap import ALL, PET, Descriptor, bayes_error, error_floor, posterior
from fdglung.phantom.lesions.plans import Form, Sign, Station, Zone
from fdglung.phantom.lesions.profiles import DEFAULT_PRIORS
from fdglung.phantom.organs import LOBES
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


def test_everything_that_is_seen_tells_something():
    # what the posterior left out would not be missed
    diseases = drawn(1200, 0.0, seed=9)
    best = posterior(diseases, overlap=0.0).max(axis=1)
    for seen in Descriptor:
        without = posterior(diseases, overlap=0.0, descriptors=ALL - {seen}).max(axis=1)
        loss = best - without
        assert loss.mean() > 2 * loss.std() / np.sqrt(len(loss)), seen


def test_error_rises_with_overlap():
    errors = [bayes_error(overlap, np.random.default_rng(5), 250).error for overlap in (0.0, 0.1, 0.3, 0.6)]
    assert errors == sorted(errors)
    assert errors[-1] - errors[0] > 0.3


def described(diseases):
    """What a table of radiomics might tell of each patient."""
    rows = []
    for disease in diseases:
        lungs = [plan for plan in disease.plans if plan.kind == "lung"]
        nodes = [plan for plan in disease.plans if plan.kind == "node"]
        figures = np.array([[plan.diameter_mm, plan.suv_max, plan.hu, plan.texture] for plan in lungs])
        row = [len(lungs), len(nodes), *figures.mean(axis=0), *figures.min(axis=0), *figures.max(axis=0)]
        for name, values in (("form", Form), ("zone", Zone), ("lobe", LOBES)):
            row += [np.mean([getattr(plan, name) == value for plan in lungs]) for value in values]
        row += [np.mean([sign in plan.signs for plan in lungs]) for sign in Sign]
        row += [station in {node.station for node in nodes} for station in Station]
        row += [max((getattr(node, name) for node in nodes), default=0) for name in ("diameter_mm", "suv_max")]
        rows.append(row)
    return np.array(rows, float)


@pytest.mark.parametrize("overlap", [0.0, pytest.param(0.1, marks=pytest.mark.slow)])
def test_a_learner_does_not_beat_the_bayes_error_even_if_it_is_told_the_posterior(overlap):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    diseases = drawn(5000, overlap, seed=6)
    truth = np.array([CLASSES.index(disease.lesion_class) for disease in diseases])
    chances = posterior(diseases, overlap=overlap)
    seen = np.c_[described(diseases), np.log(np.maximum(chances, 1e-9))]
    wrong = {"best": chances[2500:].argmax(axis=1) != truth[2500:]}
    for name, columns in (("alone", slice(0, -4)), ("told", slice(None))):
        learner = HistGradientBoostingClassifier(learning_rate=0.05, early_stopping=True, random_state=0)
        # threads that wait for one another take minutes on a busy machine
        with threadpool_limits(1):
            learner.fit(seen[:2500, columns], truth[:2500])
            wrong[name] = learner.predict(seen[2500:, columns]) != truth[2500:]
    for name in ("alone", "told"):
        # both read the same patients: the spread is that of those on whom they differ
        gap = wrong[name].astype(float) - wrong["best"]
        assert gap.mean() > -4 * gap.std() / np.sqrt(len(gap))
    # and it learns: guessing the commonest class errs in 60 %
    assert wrong["alone"].mean() < wrong["best"].mean() + 0.08


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
