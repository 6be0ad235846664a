from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fdglung.classification import CautionKind, from_mapping
from fdglung.classification.centre_effects import centre_effects
from fdglung.classification.config_parts import HarmonisationSettings
from fdglung.classification.model_file import load_model, model_bytes
from fdglung.classification.nested import macro_auc
from fdglung.classification.prediction import classify
from fdglung.classification.training import train
from fdglung.errors import ParameterError
from fdglung.radiomics.harmonisation import Harmoniser
from tests.classification.made import lesions

SMALL = {"model": {"grid": {"C": [1.0]}}, "validation": {"outer_folds": 3, "inner_folds": 3}}
HARMONISED = from_mapping({**SMALL, "harmonisation": {"by": "centre"}})


def shifted(given, *, seed=9):
    """Return lesions of six centres, each of which moves and stretches each feature in its own way."""
    random = np.random.default_rng(seed)
    # Patients of each class in turn, so that centres have the same mix: ComBat is not told the classes.
    order = [patient for _, patient in sorted(set(zip(given.labels, given.patients, strict=True)))]
    centres = tuple(f"centre {order.index(patient) % 6}" for patient in given.patients)
    moves, stretches = random.normal(0, 4, (6, given.values.shape[1])), random.uniform(0.5, 2, (6, 1))
    whose = np.array([int(name[-1]) for name in centres])
    return replace(given, values=stretches[whose] * given.values + moves[whose], centres=centres)


def test_the_lines_are_combats_own_values():
    given = shifted(lesions(120, 7))
    table = pd.DataFrame(given.values, columns=list(given.names)).assign(centre=given.centres)
    truth = Harmoniser(status_column=None).fit_transform(table).to_numpy()
    settings = HarmonisationSettings()
    effects = centre_effects(given.values, given.centres, settings, np.ones(7, dtype=bool))
    np.testing.assert_allclose(effects.removed(given.values, given.centres), truth, rtol=1e-9)


def test_centres_that_are_not_known_and_columns_that_are_no_radiomics_stay_as_they_are():
    given = shifted(lesions(120, 7))
    only = np.array([True] * 6 + [False])
    effects = centre_effects(given.values, given.centres, HarmonisationSettings(), only)
    done = effects.removed(given.values, given.centres)
    assert np.array_equal(done[:, 6], given.values[:, 6])
    assert not np.allclose(done[:, 0], given.values[:, 0])
    assert np.array_equal(effects.removed(given.values, ["Bern"] * 120), given.values)


def test_a_centres_effect_that_hides_the_classes_is_taken_off():
    # Of three features and six centres no straight line is free of the centres.
    clear = lesions(240, 3, gap=1.5)
    plain, done = train(shifted(clear), from_mapping(SMALL)), train(shifted(clear), HARMONISED)
    truth = train(clear, from_mapping(SMALL))
    areas = [macro_auc(one.codes, one.probabilities) for one in (plain, done, truth)]
    assert areas[0] < areas[2] - 0.1
    assert areas[1] == pytest.approx(areas[2], abs=0.02)


def test_a_model_from_a_file_takes_them_off_and_tells_of_centres_that_it_does_not_know(tmp_path):
    done = train(shifted(lesions(240, 8, gap=1.5)), HARMONISED)
    path = tmp_path / "model.skops"
    path.write_bytes(model_bytes(done.model))
    model = load_model(path)
    assert model.harmonised == tuple(f"centre {n}" for n in range(6))
    new = shifted(lesions(60, 8, gap=1.5, seed=4))
    right = [
        np.mean([a == b for a, b in zip(found.classes, new.labels, strict=True)])
        for found in (classify(model, new), classify(model, replace(new, centres=("Bern",) * 60)))
    ]
    assert right[0] > right[1] + 0.1
    kinds = {one.kind: one.text for one in classify(model, replace(new, centres=("Bern",) * 60)).cautions}
    assert "the centre Bern are not known, and features are left as they are" in kinds[CautionKind.NOT_HARMONISED]
    assert CautionKind.NOT_HARMONISED not in {one.kind for one in classify(model, new).cautions}


def test_they_are_learned_from_training_lesions_alone():
    given = shifted(lesions(240, 8, gap=1.5))
    done = train(given, HARMONISED)
    # Lesions of the first fold's test part are moved; what the fold's model says of the others' folds stays.
    rows = done.fold == 1
    values = given.values.copy()
    values[rows] += 100.0
    again = train(replace(given, values=values), HARMONISED)
    assert again.folds[0].selected == done.folds[0].selected
    assert again.folds[0].score == done.folds[0].score
    assert again.folds[1].score != done.folds[1].score


def test_one_centre_or_small_ones_are_an_error_that_counts_them():
    given = lesions(120, 6)
    with pytest.raises(ParameterError, match=r"harmonisation\.by: centre.*Ulm"):
        train(replace(given, centres=("Ulm",) * 120), HARMONISED)
    with pytest.raises(ParameterError, match=r"not known \d+"):
        train(given, from_mapping({**SMALL, "harmonisation": {"by": "scanner"}}))


def test_small_centres_are_told_and_left():
    given = lesions(240, 6)
    centres = ("Bern",) * 4 + given.centres[4:]
    done = train(replace(given, centres=centres), HARMONISED)
    assert done.model.harmonised == ("Bonn", "Ulm")
    assert any(one.kind is CautionKind.NOT_HARMONISED and "Bern (4 lesions)" in one.text for one in done.cautions)
