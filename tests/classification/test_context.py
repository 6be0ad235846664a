from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fdglung.classification import CautionKind, ClassifierConfig, from_mapping, read_labelled, read_lesions
from fdglung.classification.config import to_mapping
from fdglung.classification.config_parts import ContextSettings, HarmonisationSettings
from fdglung.classification.context import with_context
from fdglung.classification.data_check import check_data
from fdglung.classification.model_file import load_model, model_bytes
from fdglung.classification.nested import macro_auc
from fdglung.classification.parts import is_radiomics
from fdglung.classification.prediction import classify
from fdglung.classification.study import classified
from fdglung.classification.tables import lesions_of_table
from fdglung.classification.training import train
from fdglung.errors import DuplicatedPatientError, FeatureTableError, MissingFeaturesError, ParameterError
from fdglung.radiomics import RadiomicsSettings
from fdglung.radiomics.tables import OK, FeatureTable, LesionFeatures
from tests.classification.made import lesions

SMALL = {"model": {"grid": {"C": [1.0]}}, "validation": {"outer_folds": 3, "inner_folds": 3}}


def table(folder, rows, columns=("case", "lesion", "PET_a", "CT_b")):
    pd.DataFrame(rows, columns=list(columns)).to_csv(folder / "features.csv", index=False)
    return folder / "features.csv"


ROWS = [
    ["s1", 1, 1.0, 10.0],
    ["s2", 1, 7.0, None],
    ["s1", 2, 2.0, None],
    ["s1", 3, 9.0, 30.0],
    ["s2", 2, 4.0, None],
]


def test_each_lesion_gets_what_all_lesions_of_its_study_are_like(tmp_path):
    found = with_context(read_lesions([table(tmp_path, ROWS)]), ContextSettings())
    names = [f"STUDY_{statistic}_{name}" for statistic in ("median", "max") for name in ("PET_a", "CT_b")]
    assert found.names == ("PET_a", "CT_b", "STUDY_log_lesions", *names)
    first, second = [np.log(3), 2.0, 20.0, 9.0, 30.0], [np.log(2), 5.5, np.nan, 7.0, np.nan]
    np.testing.assert_allclose(found.values[:, 2:], [first, second, first, first, second], rtol=1e-12)
    assert with_context(found, ContextSettings()) is found


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ({"statistics": ()}, {"STUDY_log_lesions": np.log(3)}),
        ({"number": False, "statistics": ("min",)}, {"STUDY_min_PET_a": 1.0, "STUDY_min_CT_b": 10.0}),
    ],
)
def test_some_of_them_may_do(asked, first, tmp_path):
    found = with_context(read_lesions([table(tmp_path, ROWS)]), ContextSettings(**asked))
    assert dict(zip(found.names[2:], found.values[0, 2:].tolist(), strict=True)) == pytest.approx(first)


def test_studies_of_one_name_are_told_apart_by_their_patients(tmp_path):
    rows = [["p1", "before", 1, 1.0], ["p2", "before", 1, 5.0], ["p1", "after", 1, 9.0], ["p1", "before", 2, 3.0]]
    found = with_context(
        read_lesions([table(tmp_path, rows, ["patient", "case", "lesion", "PET_a"])]), ContextSettings()
    )
    expected = [[np.log(2), 2, 3], [0, 5, 5], [0, 9, 9], [np.log(2), 2, 3]]
    np.testing.assert_allclose(found.values[:, 1:], expected, atol=1e-12)


def test_lesions_without_a_class_are_of_the_study_all_the_same(tmp_path):
    labels = pd.DataFrame({"case": ["s1", "s2"], "lesion": [2, 1], "class": ["a", "b"], "patient": ["p1", "p2"]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    config = from_mapping({"context": {"statistics": []}})
    found = read_labelled([table(tmp_path, ROWS)], tmp_path / "labels.csv", config)
    assert found.values[:, 2].tolist() == pytest.approx([np.log(2), np.log(3)])
    assert found.labels == ("b", "a")


def test_clinical_columns_have_no_statistics(tmp_path):
    given = read_lesions([table(tmp_path, ROWS)])
    given = replace(
        given, names=("CLINICAL_age", *given.names), values=np.column_stack([np.full(5, 60.0), given.values])
    )
    names = with_context(given, ContextSettings()).names
    assert len(names) == 3 + 5
    assert not any(name.endswith("CLINICAL_age") for name in names[1:])


def test_effects_of_centres_are_on_medians_and_not_on_the_number():
    names = ["PET_a", "STUDY_log_lesions", "STUDY_median_PET_a", "CLINICAL_age"]
    assert is_radiomics(names).tolist() == [True, False, True, False]


def test_centres_are_taken_off_medians_and_not_off_the_number():
    """Offset and scale of ComBat are learned of columns that differ by centre: of the number nothing may be taken."""
    given = _patients(random=np.random.default_rng(3), told="number")
    shift = np.array([3.0 * (centre == "Ulm") for centre in given.centres])
    given = replace(given, values=given.values + shift[:, None])
    config = replace(
        from_mapping({**SMALL, "context": {}, "correlation": 1.0}), harmonisation=HarmonisationSettings(mean_only=True)
    )
    model = train(with_context(given, config.context), config).model
    places = {name: place for place, name in enumerate(model.selected)}
    one, other = model.harmonised.index("Bonn"), model.harmonised.index("Ulm")
    apart = model.offset[other] - model.offset[one]
    assert apart[places["STUDY_log_lesions"]] == 0
    medians = [place for name, place in places.items() if name.startswith("STUDY_median_")]
    assert medians
    assert (np.abs(apart[medians]) > 1).all()


def _patients(*, random, told, count=90):
    """Return 1 to 8 lesions a patient; the class is told by their number, or by the middle of noisy features."""
    rows = []
    for patient in range(count):
        code = patient % 3
        number = 1 + 3 * code + int(random.integers(2)) if told == "number" else int(random.integers(5, 9))
        middle = np.eye(5)[code] * (0.0 if told == "number" else 1.2)
        rows += [(patient, n, code, *random.normal(middle, 1.5)) for n in range(number)]
    found = np.array(rows)
    return replace(
        lesions(len(rows), 5, told=0),
        values=found[:, 3:],
        keys={"patient": tuple(f"p{int(n)}" for n in found[:, 0]), "lesion": tuple(f"{int(n)}" for n in found[:, 1])},
        patients=tuple(f"p{int(n)}" for n in found[:, 0]),
        centres=tuple(("Bonn", "Ulm")[int(n) // 3 % 2] for n in found[:, 0]),
        labels=tuple("abc"[int(n)] for n in found[:, 2]),
    )


@pytest.mark.parametrize(("told", "least"), [("number", 0.95), ("median", 0.85)])
def test_what_the_study_tells_is_learned(told, least):
    given = _patients(random=np.random.default_rng(0), told=told)
    alone, config = from_mapping(SMALL), from_mapping({**SMALL, "context": {}})
    areas = [
        macro_auc(done.codes, done.probabilities)
        for done in (train(given, alone), train(with_context(given, config.context), config))
    ]
    assert areas[0] < 0.75
    assert areas[1] > least


def test_context_without_meaning_stays_at_chance():
    given = _patients(random=np.random.default_rng(1), told="median")
    mixed = dict(
        zip(dict.fromkeys(given.patients), np.random.default_rng(2).permutation(np.repeat([*"abc"], 30)), strict=True)
    )
    given = replace(given, labels=tuple(str(mixed[patient]) for patient in given.patients))
    config = from_mapping({**SMALL, "context": {}})
    done = train(with_context(given, config.context), config)
    assert macro_auc(done.codes, done.probabilities) == pytest.approx(0.5, abs=0.12)


def test_a_study_is_classified_as_its_table_is(tmp_path):
    given = _patients(random=np.random.default_rng(0), told="number")
    config = from_mapping({**SMALL, "context": {}})
    settings = RadiomicsSettings(families=("stat",))
    given = replace(given, settings=settings.digest)
    (tmp_path / "model.skops").write_bytes(model_bytes(train(with_context(given, config.context), config).model))
    model = load_model(tmp_path / "model.skops")
    assert model.config.context == ContextSettings()
    whose = np.flatnonzero(np.array(given.patients) == "p5")
    rows = tuple(
        LesionFeatures(place + 1, None, OK, (), dict(zip(given.names, map(float, given.values[row]), strict=True)))
        for place, row in enumerate(whose)
    )
    classes, told = classified(model, FeatureTable(rows, settings, {}))
    whole = classify(model, given)
    assert [one.probabilities["c"] for one in classes] == pytest.approx(whole.probabilities[whose, 2].tolist())
    assert len([text for text in told if "rests on all lesions of its study" in text]) == 1
    alone = classify(model, lesions_of_table(FeatureTable(rows[:1], settings, {})))
    assert alone.probabilities[0, 2] < whole.probabilities[whose[0], 2] - 0.3
    # One that was missed would change the class of a lesion alone too.
    assert [one.kind for one in alone.cautions if one.kind is CautionKind.CONTEXT] == [CautionKind.CONTEXT]


def test_a_patient_under_two_ids_is_found_though_a_lesion_of_it_is_missing():
    given = lesions(120, 12, each=3)
    rows = [*range(120), 0, 1]
    twice = replace(
        given,
        values=given.values[rows],
        keys={"patient": (*given.patients, "again", "again"), "lesion": (*given.keys["lesion"], "1", "2")},
        patients=(*given.patients, "again", "again"),
        centres=tuple(given.centres[row] for row in rows),
        labels=tuple(given.labels[row] for row in rows),
        rows=tuple(range(122)),
    )
    with pytest.raises(DuplicatedPatientError):
        check_data(with_context(twice, ContextSettings()))


def test_lesions_of_unknown_studies_are_refused(tmp_path):
    columns = ["tracking_uid", "lesion", "PET_a"]
    path = table(tmp_path, [["1.1", 1, 1.0], ["1.2", 1, 2.0]], columns)
    with pytest.raises(FeatureTableError, match="which lesions are of one study") as caught:
        with_context(read_lesions([path]), ContextSettings())
    assert "CASE=TABLE" in caught.value.remedy
    path = table(tmp_path, [["1.1", 1, 1.0], ["1.2", 2, 2.0]], columns)
    assert with_context(read_lesions([path]), ContextSettings()).values[:, 1] == pytest.approx(np.log([2, 2]))
    path = table(tmp_path, [["s1", 1, 1.0], [None, 2, 2.0]], ["case", "lesion", "PET_a"])
    with pytest.raises(FeatureTableError, match="row 2 name no study"):
        with_context(read_lesions([path]), ContextSettings())


def test_settings_are_checked_and_come_back():
    config = from_mapping({"context": {"statistics": []}})
    assert config.context == ContextSettings(number=True, statistics=())
    assert from_mapping(to_mapping(config)) == config
    assert ClassifierConfig().context is None
    for wrong in ({"statistics": [], "number": False}, {"number": "yes"}, {"mean": True}, {"statistics": ["mean"]}):
        with pytest.raises(ParameterError):
            from_mapping({"context": wrong})


def test_a_missing_feature_is_named_as_it_is_measured():
    given = _patients(random=np.random.default_rng(0), told="median")
    config = from_mapping({**SMALL, "context": {"number": False}})
    model = train(with_context(given, config.context), config).model
    used = next(name for name in model.selected if name.startswith("STUDY_"))
    feature = used.removeprefix("STUDY_median_").removeprefix("STUDY_max_")
    kept = [place for place, name in enumerate(given.names) if name != feature]
    lacking = replace(given, names=tuple(given.names[place] for place in kept), values=given.values[:, kept])
    with pytest.raises(MissingFeaturesError) as caught:
        classify(model, lacking)
    assert caught.value.attribute == feature
