from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from fdglung.evaluation.class_measures import auc, confusion, measures, roc_points
from tests.evaluation.probabilities import CLASSES, made

ROWS = made()
RANDOM = np.random.default_rng(5)
WEIGHTS = np.vstack(
    [np.ones(len(ROWS.truth)), RANDOM.multinomial(len(ROWS.truth), [1 / len(ROWS.truth)] * len(ROWS.truth), 4)]
)


@pytest.mark.parametrize("draw", range(len(WEIGHTS)))
def test_every_figure_is_that_of_scikit_learn_for_rows_as_they_are_and_for_draws(draw):
    weights = WEIGHTS[draw]
    found = {key: value[draw] for key, value in measures(ROWS, WEIGHTS).items()}
    truth, called, chances = ROWS.truth, ROWS.predicted, ROWS.probabilities
    assert found["accuracy", "all"] == pytest.approx(metrics.accuracy_score(truth, called, sample_weight=weights))
    given = {"sample_weight": weights, "zero_division": 0}
    for average, keys in ((None, [f"class {name}" for name in CLASSES]), ("macro", ["macro"])):
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, called, average=average, **given)
        for place, key in enumerate(keys):
            assert found["precision", key] == pytest.approx(np.atleast_1d(precision)[place])
            assert found["recall", key] == pytest.approx(np.atleast_1d(recall)[place])
            assert found["f1", key] == pytest.approx(np.atleast_1d(f1)[place])
    for place, name in enumerate(CLASSES):
        is_class = truth == place
        theirs = metrics.roc_auc_score(is_class, chances[:, place], sample_weight=weights)
        assert found["auc", f"class {name}"] == pytest.approx(theirs)
        specificity = metrics.recall_score(~is_class, called != place, sample_weight=weights)
        assert found["specificity", f"class {name}"] == pytest.approx(specificity)
        brier = metrics.brier_score_loss(is_class, chances[:, place], sample_weight=weights)
        assert found["brier", f"class {name}"] == pytest.approx(brier)
    macro = metrics.roc_auc_score(truth, chances, multi_class="ovr", average="macro", sample_weight=weights)
    assert found["auc", "macro"] == pytest.approx(macro)
    squares = ((np.eye(4)[truth] - chances) ** 2).sum(axis=1)
    assert found["brier", "all"] == pytest.approx(np.average(squares, weights=weights))


def test_the_confusion_matrix_is_that_of_scikit_learn():
    found = confusion(ROWS, WEIGHTS)
    for draw, weights in enumerate(WEIGHTS):
        theirs = metrics.confusion_matrix(ROWS.truth, ROWS.predicted, sample_weight=weights)
        assert found[draw] == pytest.approx(theirs)


def test_ties_count_half():
    scores = np.array([0.2, 0.5, 0.5, 0.5, 0.9, 0.1])
    is_class = np.array([False, True, False, True, True, False])
    weights = np.array([[1.0] * 6, [2, 1, 3, 0, 1, 1]])
    found = auc(scores, is_class, weights)
    # Of nine pairs seven are won, and two are ties: (0.5, 0.5) twice.
    assert found[0] == pytest.approx(8 / 9)
    assert found[1] == pytest.approx(metrics.roc_auc_score(is_class, scores, sample_weight=weights[1]))


def test_the_area_is_that_of_hanley_and_mcneils_example():
    """Radiology 1982;143:29, table 1: 58 normal and 51 abnormal images rated 1 to 5 have an area of 0.893."""
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    scores = np.repeat([1.0, 2, 3, 4, 5] * 2, normal + abnormal)
    is_class = np.repeat([False, True], [58, 51])
    assert round(float(auc(scores, is_class, np.ones((1, 109)))[0]), 3) == 0.893


def test_a_class_that_no_row_is_of_has_no_figures_and_is_left_out_of_the_mean():
    kept = ROWS.take(np.flatnonzero(ROWS.truth != 2))
    found = {key: float(value[0]) for key, value in measures(kept, np.ones((1, len(kept.truth)))).items()}
    for measure in ("precision", "recall", "specificity", "f1", "auc"):
        assert np.isnan(found[measure, "class lymphoma"])
    given = {"labels": [0, 1, 3], "average": "macro", "zero_division": 0}
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(kept.truth, kept.predicted, **given)
    assert (found["precision", "macro"], found["recall", "macro"]) == pytest.approx((precision, recall))
    assert found["f1", "macro"] == pytest.approx(f1)


def test_a_class_that_no_row_is_called_has_a_precision_of_0():
    rows = made(skill=0)
    rows.probabilities[:, 1] = 0
    found = measures(rows, np.ones((1, len(rows.truth))))
    assert found["precision", "class lung cancer"] == found["f1", "class lung cancer"] == 0


def test_a_draw_without_a_class_has_no_mean_over_classes():
    weights = np.where(ROWS.truth == 0, 0.0, 1.0)[None]
    found = measures(ROWS, weights)
    assert np.isnan(found["auc", "macro"][0])
    assert np.isfinite(found["auc", "class lymphoma"][0])


def test_the_area_under_the_drawn_curve_is_the_area():
    found = measures(ROWS, WEIGHTS[:1])
    for place, name in enumerate(CLASSES):
        points = roc_points(ROWS, place)
        area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
        drawn = area(points["true_positive_rate"], points["false_positive_rate"])
        assert drawn == pytest.approx(found["auc", f"class {name}"][0])


def test_sets_are_measured_by_how_often_they_hold_the_truth_and_by_their_size_each_patient_once():
    rows = replace(ROWS.take(np.arange(6)), patients=("a", "a", "a", "b", "c", "c"), truth=np.array([0, 0, 1, 0, 1, 1]))
    sets = np.zeros((6, len(CLASSES)), np.bool_)
    sets[0, 0] = sets[3, 0] = sets[4, 1] = True
    sets[5, :] = True
    found = measures(replace(rows, prediction_sets=sets), np.array([[1, 1, 1, 1, 1, 1], [0, 0, 0, 2, 1, 1.0]]))
    # Class 0: half of a's two, and b. Class 1: none of a's one, both of c's. In the second draw b twice, and c.
    assert found["coverage", f"class {CLASSES[0]}"] == pytest.approx([(0.5 + 1) / 2, 1])
    assert found["coverage", f"class {CLASSES[1]}"] == pytest.approx([(0 + 1) / 2, 1])
    assert np.isnan(found["coverage", f"class {CLASSES[2]}"]).all()
    assert found["coverage", "all"] == pytest.approx([(0.5 + 1 + 0 + 1) / 4, 1])
    assert found["set_size", "all"] == pytest.approx([(0.5 + 0 + 1 + 2.5) / 4, (2 * 1 + 2.5) / 3])
    assert ("coverage", "all") not in measures(rows, np.ones((1, 6)))
