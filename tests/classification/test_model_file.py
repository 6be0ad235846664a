from __future__ import annotations

import io
import itertools
import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import skops.io

from fdglung.classification import from_mapping
from fdglung.classification.model_file import TRUSTED, load_model, model_bytes
from fdglung.classification.training import train
from fdglung.errors import ModelFileError, ModelMismatchError, UntrustedModelError
from tests.classification.made import lesions


class Foreign:
    """Stands for code that a file would bring along."""

    def __init__(self):
        self.payload = 1


GRIDS = {
    "logistic_regression": {"C": [1.0]},
    "svm": {"C": [1.0]},
    "random_forest": {"n_estimators": [10]},
    "extra_trees": {"n_estimators": [10]},
    "gradient_boosting": {"max_iter": [5]},
}


def trained(name="logistic_regression", calibration="sigmoid"):
    folds = {"outer_folds": 2, "inner_folds": 2}
    config = from_mapping(
        {"model": {"name": name, "grid": GRIDS[name]}, "validation": folds, "calibration": calibration}
    )
    return train(replace(lesions(90, 6), settings="f00d" * 16), config).model


@pytest.fixture(scope="module")
def model():
    return trained()


def changed(model, **about):
    """Return a file whose description is changed."""
    content = skops.io.loads(model_bytes(model), trusted=list(TRUSTED))
    content["about"] = json.dumps(json.loads(content["about"]) | about)
    return skops.io.dumps(content)


CALIBRATIONS = ("sigmoid", "isotonic", "temperature", "none")
POSSIBLE = [pair for pair in itertools.product(GRIDS, CALIBRATIONS) if pair != ("svm", "none")]
"""An SVM has no probabilities of its own: the configuration refuses it uncalibrated."""


@pytest.mark.parametrize(("name", "calibration"), POSSIBLE)
def test_a_model_comes_back_as_it_was(name, calibration, tmp_path):
    model = trained(name, calibration)
    path = tmp_path / "model.skops"
    path.write_bytes(model_bytes(model))
    back = load_model(path)
    prepared = model.prepared(np.random.default_rng(0).normal(size=(20, len(model.selected))))
    assert np.array_equal(back.probabilities(prepared), model.probabilities(prepared))
    for field in ("classes", "names", "selected", "ranked", "settings", "config", "summary", "versions", "chosen"):
        assert getattr(back, field) == getattr(model, field)
    for field in ("unlike", "own_probabilities", "patient_weights", "lesion_numbers"):
        assert np.array_equal(getattr(back, field), getattr(model, field))


def test_the_file_says_what_it_is_and_what_it_was_trained_on(model):
    about = json.loads(skops.io.loads(model_bytes(model), trusted=list(TRUSTED))["about"])
    assert about["notice"].startswith("Research software. Not a medical device.")
    assert about["summary"]["lesions"] == 90
    assert about["summary"]["classes"] == {"benign": 30, "lung cancer": 30, "lymphoma": 30}
    assert about["settings"] == "f00d" * 16
    assert {"fdglung", "scikit-learn"} <= set(about["versions"])
    assert about["names"] == [f"PET_{n:02d}" for n in range(6)]


def test_no_name_of_a_patient_is_in_the_file(model):
    with zipfile.ZipFile(io.BytesIO(model_bytes(model))) as archive:
        texts = b"".join(archive.read(name) for name in archive.namelist())
    assert b"p001" not in texts
    assert b"PET_01" in texts


@pytest.mark.parametrize("content", [b"", b"no zip", pickle.dumps({"estimator": 1})])
def test_what_is_no_skops_file_is_refused(content, tmp_path):
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(ModelFileError, match="no classifier of this program"):
        load_model(tmp_path / "model.skops")
    with pytest.raises(ModelFileError, match="FileNotFoundError"):
        load_model(tmp_path / "missing.skops")


def test_a_file_that_ends_too_early_or_has_a_wrong_byte_is_refused(model, tmp_path):
    whole = model_bytes(model)
    with zipfile.ZipFile(io.BytesIO(whole)) as stored:
        largest = max(stored.infolist(), key=lambda one: one.compress_size)
    place = largest.header_offset + 100 + largest.compress_size // 2
    for broken in (whole[: len(whole) // 2], whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]):
        (tmp_path / "model.skops").write_bytes(broken)
        with pytest.raises(ModelFileError):
            load_model(tmp_path / "model.skops")


def test_a_file_with_another_type_is_refused_and_the_type_is_named(model, tmp_path):
    content = skops.io.loads(model_bytes(model), trusted=list(TRUSTED))
    content["calibrator"] = Foreign()
    (tmp_path / "model.skops").write_bytes(skops.io.dumps(content))
    with pytest.raises(UntrustedModelError, match="Foreign"):
        load_model(tmp_path / "model.skops")


def test_a_file_of_another_kind_format_or_scikit_learn_is_refused(model, tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(changed(model, format="something else"))
    with pytest.raises(ModelFileError, match="no classifier"):
        load_model(path)
    path.write_bytes(changed(model, format_version=99))
    with pytest.raises(ModelMismatchError, match="format version 99"):
        load_model(path)
    path.write_bytes(changed(model, versions={"scikit-learn": "0.24.1"}))
    with pytest.raises(ModelMismatchError, match=r"scikit-learn 0\.24\.1"):
        load_model(path)


@pytest.mark.parametrize(
    "other", [{"selected": ["PET_05"]}, {"classes": ["a", "b", "c"]}, {"settings": "beef"}, {"config": {"sed": 1}}]
)
def test_a_file_whose_parts_do_not_fit_each_other_is_refused(model, other, tmp_path):
    (tmp_path / "model.skops").write_bytes(changed(model, **other))
    with pytest.raises(ModelMismatchError):
        load_model(tmp_path / "model.skops")
