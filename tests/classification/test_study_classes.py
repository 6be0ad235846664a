from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fdglung.classification import Lesions
from fdglung.classification.config import from_mapping
from fdglung.classification.model_file import model_bytes
from fdglung.classification.tables import lesions_of_table
from fdglung.classification.training import train
from fdglung.errors import SettingsMismatchError, UnknownRadiomicsError
from fdglung.lesion_classes import UNDETERMINED
from fdglung.pipeline import Settings, analyze, classify, load_classifier
from fdglung.radiomics import RadiomicsSettings, extract, to_yaml
from fdglung.study import Study, load
from tests.simple_thorax import SphereLesion, simple_thorax, write_dicom

SETTINGS = RadiomicsSettings(families=("stat",))
CLASSES = ("cool", "hot", "hottest")
SPHERES = [
    SphereLesion(name="hottest", centre_mm=(-72.0, 4.0, 52.0), radius_mm=14.0, suv=16.0),
    SphereLesion(name="hot", centre_mm=(-75.0, 20.0, -30.0), radius_mm=14.0, suv=10.0),
    SphereLesion(name="cool", centre_mm=(72.0, 4.0, 40.0), radius_mm=14.0, suv=5.0),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return load(write_dicom(simple_thorax(ct_matrix=128, lesions=SPHERES), tmp_path_factory.mktemp("phantom")))


@pytest.fixture(scope="module")
def analysis(study):
    return analyze(study)


@pytest.fixture(scope="module")
def features(analysis):
    return extract(analysis.study, analysis.lesions, SETTINGS, workers=1)


@pytest.fixture(scope="module")
def model_file(features, tmp_path_factory):
    """Write a classifier of lesions that lie, 20 a class, around the three of the study."""
    path = tmp_path_factory.mktemp("model") / "model.skops"
    path.write_bytes(model_bytes(train(around(features), CONFIG, trained_on="60 lesions made for a test").model))
    return path


CONFIG = from_mapping({"validation": {"outer_folds": 3, "inner_folds": 3}})


def around(features, settings=SETTINGS):
    random = np.random.default_rng(0)
    hottest_first = np.repeat(features.values[np.argsort(-features.values[:, suv(features)])], 20, axis=0)
    values = hottest_first * random.normal(1, 0.02, hottest_first.shape)
    count = len(values)
    return Lesions(
        names=features.names,
        values=values,
        keys={"lesion": ("1",) * count},
        patients=tuple(f"p{row}" for row in range(count)),
        centres=("",) * count,
        labels=tuple(np.repeat(CLASSES[::-1], 20).tolist()),
        rows=tuple(range(count)),
        settings=settings.digest if settings else None,
        radiomics=to_yaml(settings) if settings else None,
    )


def suv(features):
    return features.names.index("PET_suv_mean")


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


def test_features_of_other_settings_are_refused(analysis, model_file):
    other = extract(analysis.study, analysis.lesions, RadiomicsSettings(families=("stat", "ih")), workers=1)
    with pytest.raises(SettingsMismatchError):
        classify(analysis, load_classifier(model_file), features=other)


def test_a_model_without_the_settings_of_its_features_is_refused_before_the_study_is_worked_on(features, tmp_path):
    path = tmp_path / "bare.skops"
    path.write_bytes(model_bytes(train(around(features, settings=None), CONFIG).model))
    with pytest.raises(UnknownRadiomicsError, match=r"features\.settings\.yaml"):
        analyze(Study(None, None), Settings(classifier=path))


def test_a_study_without_lesions_is_classified_without_work(analysis, model_file):
    bare = dataclasses.replace(analysis, findings=dataclasses.replace(analysis.findings, lesions=()))
    assert classify(bare, load_classifier(model_file)).findings.classification.lesions == ()


def test_a_table_of_a_study_numbers_its_rows_as_its_lesions(features):
    table = lesions_of_table(features)
    assert [row + 1 for row in table.rows] == [lesion.label for lesion in features.lesions]
    assert table.settings == SETTINGS.digest
