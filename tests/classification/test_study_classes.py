from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fdglung.classification.tables import lesions_of_table
from fdglung.errors import SettingsMismatchError, UnknownRadiomicsError
from fdglung.lesion_classes import UNDETERMINED
from fdglung.pipeline import Settings, analyze, classify, load_classifier
from fdglung.radiomics import RadiomicsSettings, extract
from fdglung.study import Study, load
from tests.classification.study_model import SETTINGS, write_model, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return load(write_study(tmp_path_factory.mktemp("phantom")))


@pytest.fixture(scope="module")
def analysis(study):
    return analyze(study)


@pytest.fixture(scope="module")
def features(analysis):
    return extract(analysis.study, analysis.lesions, SETTINGS, workers=1)


@pytest.fixture(scope="module")
def model_file(features, tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "model.skops", features)


def test_lesions_of_a_study_get_the_class_of_the_training_lesions_that_they_are_like(study, analysis, model_file):
    found = analyze(study, Settings(classifier=model_file, workers=1)).findings
    assert [said.name for said in found.classification.lesions] == ["hottest", "hot", "cool"]
    assert [said.label for said in found.classification.lesions] == [lesion.label for lesion in found.lesions]
    for said in found.classification.lesions:
        assert said.nearest[said.name] == 10
        assert sum(said.probabilities.values()) == pytest.approx(1)
        assert max(said.probabilities, key=said.probabilities.get) == said.name
    assert found.lesions == analysis.findings.lesions
    assert "60 lesions made for a test" in found.classification.notice


def test_features_that_are_there_give_what_features_computed_for_it_give(analysis, features, model_file):
    classifier = load_classifier(model_file)
    given = classify(analysis, classifier, features=features)
    assert given.findings == classify(analysis, classifier, workers=1).findings


def test_a_lesion_unlike_all_training_lesions_is_undetermined(analysis, features, model_file):
    odd = dataclasses.replace(
        features.lesions[0], features={name: 30 * value for name, value in features.lesions[0].features.items()}
    )
    changed = dataclasses.replace(features, lesions=(odd, *features.lesions[1:]))
    said = classify(analysis, load_classifier(model_file), features=changed).findings.classification
    assert [one.name for one in said.lesions] == [UNDETERMINED, "hot", "cool"]
    assert said.of(1).as_far < 0.05 < said.of(2).as_far


def test_missing_features_are_told_of_the_lesion_by_its_number(analysis, features, model_file):
    classifier = load_classifier(model_file)
    lacking = dict(features.lesions[1].features, **{classifier.model.selected[0]: np.nan})
    changed = dataclasses.replace(
        features, lesions=(features.lesions[0], dataclasses.replace(features.lesions[1], features=lacking))
    )
    found = classify(analysis, classifier, features=changed).findings
    assert any(text.startswith("Classes: lesion 2 lack") for text in found.warnings)


def test_what_is_to_know_of_a_lesions_features_is_told_beside_its_class(analysis, features, model_file):
    text = "On the CT the mask was moved by 12.0 mm: check that the lesion lies there."
    changed = dataclasses.replace(
        features,
        lesions=(
            features.lesions[0],
            dataclasses.replace(features.lesions[1], warnings=(text, "The outline is rough.")),
            dataclasses.replace(features.lesions[2], warnings=("The outline is rough.",)),
        ),
    )
    found = classify(analysis, load_classifier(model_file), features=changed).findings
    assert [one for one in found.warnings if "features of the class" in one] == [
        f"Lesion 2, features of the class: {text}",
        "Lesions 2, 3, features of the class: The outline is rough.",
    ]


def test_features_of_other_settings_are_refused(analysis, model_file):
    other = extract(analysis.study, analysis.lesions, RadiomicsSettings(families=("stat", "ih")), workers=1)
    with pytest.raises(SettingsMismatchError):
        classify(analysis, load_classifier(model_file), features=other)


def test_a_model_without_the_settings_of_its_features_is_refused_before_the_study_is_worked_on(features, tmp_path):
    path = write_model(tmp_path / "bare.skops", features, settings=None)
    with pytest.raises(UnknownRadiomicsError, match=r"features\.settings\.yaml"):
        analyze(Study(None, None), Settings(classifier=path))


def test_a_study_without_lesions_is_classified_without_work(analysis, model_file):
    bare = dataclasses.replace(analysis, findings=dataclasses.replace(analysis.findings, lesions=()))
    assert classify(bare, load_classifier(model_file)).findings.classification.lesions == ()


def test_a_table_of_a_study_numbers_its_rows_as_its_lesions(features):
    table = lesions_of_table(features)
    assert [row + 1 for row in table.rows] == [lesion.label for lesion in features.lesions]
    assert table.settings == SETTINGS.digest
