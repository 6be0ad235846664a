from __future__ import annotations

import pytest
import yaml

from fdglung.classification import ClassifierConfig, from_mapping, from_yaml, to_mapping, to_yaml
from fdglung.errors import ParameterError


def test_a_configuration_comes_back_from_its_document():
    config = from_mapping(
        {
            "classes": ["a", "b"],
            "selection": {"method": "lasso", "stability": {"resamples": 20}},
            "model": {"name": "svm", "parameters": {"kernel": "linear"}, "grid": {"C": [1, 2.5]}},
        }
    )
    assert from_yaml(to_yaml(config)) == config
    assert from_mapping(to_mapping(ClassifierConfig())) == ClassifierConfig() == from_yaml("")


def test_every_key_is_written_out():
    written = yaml.safe_load(to_yaml(ClassifierConfig()))
    assert written["validation"] == {"outer_folds": 5, "inner_folds": 5, "score": "macro_auc"}
    assert written["selection"]["stability"] is None


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"sed": 1}, "sed"),
        ({"selection": {"methode": "lasso"}}, "selection.methode"),
        ({"selection": {"stability": {"halves": 3}}}, "selection.stability.halves"),
        ({"model": {"C": 1}}, "model.C"),
        ({"validation": {"folds": 5}}, "validation.folds"),
        ({"undetermined": {"alpha": 0.1}}, "undetermined.alpha"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_it(content, named):
    with pytest.raises(ParameterError) as caught:
        from_mapping(content)
    assert caught.value.attribute == named


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"model": {"name": "oracle"}}, "model.name"),
        ({"model": {"grid": {"C": 1}}}, "model.grid.C"),
        ({"model": {"parameters": {"C": 1}, "grid": {"C": [1]}}}, "model.C"),
        ({"selection": {"n_features": 0}}, "selection.n_features"),
        ({"selection": {"stability": {"threshold": 1.1}}}, "selection.stability.threshold"),
        ({"validation": {"outer_folds": 1}}, "validation.outer_folds"),
        ({"undetermined": {"share": 0.7}}, "undetermined.share"),
        ({"correlation": 0}, "correlation"),
        ({"prediction_set_coverage": 1}, "prediction_set_coverage"),
        ({"prediction_set_coverage": 0.4}, "prediction_set_coverage"),
        ({"prediction_set_coverage": "most"}, "prediction_set_coverage"),
        ({"classes": ["a"]}, "classes"),
        ({"classes": "benign"}, "classes"),
        ({"seed": -1}, "seed"),
        ({"scaling": "log"}, "scaling"),
        ({"calibration": "none", "model": {"name": "svm"}}, "calibration"),
        ({"format": "something else"}, "format"),
        ({"format_version": 2}, "format_version"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_names_its_key(content, named):
    with pytest.raises(ParameterError) as caught:
        from_mapping(content)
    assert caught.value.attribute == named


def test_a_file_that_is_missing_or_no_yaml_is_an_error(tmp_path):
    with pytest.raises(ParameterError, match="cannot be read"):
        from_yaml(tmp_path / "missing.yaml")
    with pytest.raises(ParameterError, match="no YAML"):
        from_yaml("a: [1")
