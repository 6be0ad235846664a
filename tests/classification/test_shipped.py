from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from apps.lesion_report.configuration import ClassificationOptions, Configuration, with_models
from fdglung.classification.cautions import CautionKind
from fdglung.classification.model_file import load_model
from fdglung.classification.parts import measured
from fdglung.classification.prediction import classify
from fdglung.classification.shipped import FILE, PHANTOM, model_path
from fdglung.classification.tables import lesions_of_table
from fdglung.cli import main
from fdglung.pipeline import Settings, load_classifier
from fdglung.radiomics import extract, from_yaml
from tests.cases import ROOT
from tests.simple_thorax import SphereLesion, simple_thorax


@pytest.fixture(scope="module")
def model():
    return load_model(FILE)


def test_it_is_small_and_says_that_it_learned_from_synthetic_lesions(model):
    assert FILE.stat().st_size < 8_000_000
    assert model.trained_on.endswith(" synthetic patients (fdglung phantom)")
    count = int(model.trained_on.split()[0])
    assert model.trained_on.startswith(f"{count} synthetic lesions of {model.summary['patients']} ")
    # Most were measured twice, in the context of all lesions of the study and of the avid ones.
    assert count == model.summary["lesions"] < len(model.codes) < 2 * count
    assert len(model.selected) <= 0.1 * count
    assert model.classes == ("benign", "lung_cancer", "lymphoma", "metastasis")
    assert not model.clinical
    assert model.harmonised == ()


def test_it_is_used_only_where_it_is_asked_for_by_its_name():
    assert Settings().classifier is None
    assert Configuration().classification.model is None
    assert model_path(PHANTOM) == FILE
    assert model_path(Path("model.skops")) == Path("model.skops")
    found = load_classifier(PHANTOM)
    assert found.name == "phantom.skops"
    assert "synthetic" in found.model.trained_on


def test_the_application_takes_it_from_the_package_without_a_models_folder(tmp_path):
    configuration = Configuration(classification=ClassificationOptions(model=PHANTOM))
    assert with_models(configuration, tmp_path / "none").classifier == FILE


def test_the_package_carries_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["fdglung"]
    inside = FILE.relative_to(ROOT / "fdglung").as_posix()
    assert any(fnmatch(inside, pattern) for pattern in patterns)


def test_its_settings_are_those_of_the_file_that_it_is_made_from(model):
    assert from_yaml(ROOT / "benchmarks" / "phantom_radiomics.yaml").digest == model.settings


def test_it_classifies_lesions_by_features_of_its_own_settings(model):
    ball = SphereLesion(name="ball", centre_mm=(-72.0, 4.0, 52.0), radius_mm=14.0, suv=8.0)
    thorax = simple_thorax(ct_matrix=128, lesions=[ball])
    table = extract({"PET": thorax.pet, "CT": thorax.ct}, thorax.lesion_mask, from_yaml(model.radiomics), workers=1)
    found = classify(model, lesions_of_table(table))
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(len(table.lesions)))
    assert not any(one.kind is CautionKind.IMPUTED_VALUES for one in found.cautions)


def test_a_table_says_what_its_classes_come_from(tmp_path, model, capsys):
    of_middling = {measured(name): str(value) for name, value in zip(model.selected, model.medians, strict=True)}
    names, values = ",".join(of_middling), ",".join(of_middling.values())
    (tmp_path / "features.csv").write_text(f"patient,lesion,{names}\np1,1,{values}\n", encoding="utf-8")
    out = tmp_path / "classes.csv"
    assert main(["classify", str(tmp_path / "features.csv"), "--model", "phantom", "--out", str(out)]) == 0
    assert f"trained on {model.trained_on}" in capsys.readouterr().out
    assert model.trained_on in out.read_text(encoding="utf-8")
    assert f'"trained_on": "{model.trained_on}"' in (tmp_path / "classes.about.json").read_text(encoding="utf-8")
