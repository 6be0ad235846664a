from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fdglung.classification import from_mapping
from fdglung.classification.cautions import CautionKind
from fdglung.classification.models import UNDETERMINED
from fdglung.classification.prediction import classify
from fdglung.classification.training import train
from fdglung.errors import MissingFeaturesError, SettingsMismatchError
from tests.classification.made import CLASSES, lesions

CONFIG = from_mapping({"model": {"grid": {"C": [1.0]}}, "validation": {"outer_folds": 4, "inner_folds": 3}})
EIGHT = 8


@pytest.fixture(scope="module")
def model():
    return train(replace(lesions(300, EIGHT, gap=3.0), settings="f00d"), CONFIG).model


def new(count=600, *, seed=9, **changes):
    return replace(lesions(count, EIGHT, gap=3.0, seed=seed, each=1), **changes)


def kinds(found):
    return {one.kind: one.text for one in found.cautions}


def test_new_lesions_like_the_training_are_told_apart_and_seldom_left_open(model):
    given = new()
    found = classify(model, given)
    told = np.array(found.classes) != UNDETERMINED
    assert (np.array(found.classes)[told] == np.array(given.labels)[told]).mean() > 0.9
    # 0.05 is asked for; 300 training lesions (of two a patient) and 600 cases leave a standard error of 0.016.
    assert abs((~told).mean() - 0.05) < 3 * 0.016


@pytest.mark.parametrize("shift", [8.0, -8.0])
def test_lesions_far_from_all_that_was_trained_on_are_undetermined(model, shift):
    given = new(20)
    found = classify(model, replace(given, values=given.values + shift))
    assert set(found.classes) == {UNDETERMINED}
    assert (found.as_far == 1 / 301).all()


def test_the_nearest_training_lesions_are_those_of_the_class(model):
    means = np.zeros((3, EIGHT))
    means[[0, 1, 2], [0, 1, 2]] = 3.0
    given = new(3)
    found = classify(model, replace(given, values=means))
    assert found.nearest.sum(axis=1).tolist() == [10, 10, 10]
    assert found.nearest.argmax(axis=1).tolist() == [0, 1, 2]
    assert found.classes == CLASSES


def test_a_lesion_that_lacks_a_few_features_is_imputed_and_one_that_lacks_many_is_undetermined(model):
    values = np.nan_to_num(new(2).values) * 0 + np.array([3.0, *[0.0] * (EIGHT - 1)])
    values[0, EIGHT - 1] = np.nan
    values[1, 2:] = np.nan
    found = classify(model, new(2, values=values))
    assert found.imputed.tolist() == [1, 6]
    assert found.classes == ("benign", UNDETERMINED)
    assert "rows 1, 2 lack up to 6 of 8" in kinds(found)[CautionKind.IMPUTED_VALUES]
    # The median of a feature stands in for it.
    assert found.prepared[0, -1] == pytest.approx((model.medians[-1] - model.centre[-1]) / model.scale[-1])


def test_an_unseen_centre_is_told_with_its_rows(model):
    found = classify(model, new(3, centres=("Ulm", "Jena", "")))
    assert "row 2: no training lesion is of Jena (known: Bonn, Ulm)" in kinds(found)[CautionKind.UNSEEN_CENTRE]
    assert CautionKind.UNSEEN_CENTRE not in kinds(classify(model, new(3, centres=("Ulm", "Bonn", ""))))


def test_a_lesion_of_the_training_is_told(model):
    trained, other = lesions(300, EIGHT, gap=3.0), new(2)
    values = np.vstack([other.values[0], trained.values[17]])
    text = kinds(classify(model, replace(other, values=values)))[CautionKind.SEEN_LESION]
    assert text.startswith("row 2 have the values")
    assert CautionKind.SEEN_LESION not in kinds(classify(model, other))


def test_features_of_other_settings_are_refused(model):
    with pytest.raises(SettingsMismatchError, match="settings beef, the model's with f00d"):
        classify(model, new(3, settings="beef"))
    classify(model, new(3, settings="f00d"))


def test_missing_columns_are_named_and_others_do_not_matter(model):
    given = new(3)
    kept = [name in model.selected for name in given.names]
    bare = replace(given, values=given.values[:, kept], names=tuple(np.array(given.names)[kept].tolist()))
    order = np.arange(len(bare.names))[::-1]
    turned = replace(bare, values=bare.values[:, order], names=tuple(np.array(bare.names)[order].tolist()))
    assert np.array_equal(classify(model, turned).probabilities, classify(model, given).probabilities)
    with pytest.raises(MissingFeaturesError, match="PET_00"):
        classify(model, replace(bare, values=bare.values[:, 1:], names=bare.names[1:]))


def test_a_share_of_zero_leaves_nothing_open_for_being_far():
    config = replace(CONFIG, undetermined=replace(CONFIG.undetermined, share=0.0))
    model = train(lesions(150, EIGHT, gap=3.0), config).model
    given = new(5)
    assert UNDETERMINED not in classify(model, replace(given, values=given.values + 50)).classes


def test_prediction_sets_hold_the_class_of_new_lesions_as_often_as_is_asked_and_no_more_classes_than_needed():
    """Overlapping classes: 9 of 10 held in each class; classes far apart: the most probable class alone, and held."""
    held, sizes = {}, {}
    for gap in (1.0, 6.0):
        done = train(lesions(900, EIGHT, gap=gap, each=1), CONFIG)
        given = lesions(3000, EIGHT, gap=gap, each=1, seed=9)
        sets = classify(done.model, given).prediction_sets
        truth = np.array(given.labels)
        inside = np.array([label in one for label, one in zip(truth, sets, strict=True)])
        held[gap] = [inside[truth == name].mean() for name in CLASSES]
        sizes[gap] = np.mean([len(one) for one in sets])
        outside = [label in one for label, one in zip(done.lesions.labels, done.prediction_sets, strict=True)]
        assert np.mean(outside) == pytest.approx(0.9 if gap == 1.0 else 1.0, abs=4 * np.sqrt(0.9 * 0.1 / 900))
    # Of 300 training lesions a class the share held has a standard error of 0.017, and of 1,000 new ones 0.009.
    assert held[1.0] == pytest.approx([0.9] * 3, abs=4 * 0.02)
    assert min(held[6.0]) > 0.99
    assert sizes[1.0] > 1.3
    assert sizes[6.0] == pytest.approx(1, abs=0.01)


def test_a_set_names_the_most_probable_class_first(model):
    found = classify(model, new(200))
    for row, names in enumerate(found.prediction_sets):
        chances = [found.probabilities[row, CLASSES.index(name)] for name in names]
        assert chances == sorted(chances, reverse=True)
        assert set(names) <= set(CLASSES)
