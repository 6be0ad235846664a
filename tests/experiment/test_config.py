from __future__ import annotations

import copy

import pytest
import yaml

from fdglung import cli
from fdglung.errors import ParameterError
from fdglung.experiment.config import EvaluationPart, ReferenceSettings, StatisticsPart, from_mapping
from fdglung.radiomics import RadiomicsSettings
from fdglung.segmentation import SegmentationSettings
from tests.experiment.spheres import CONFIG


def test_the_example_names_every_default(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        cli.main(["study", "--example-config"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    config = from_mapping(yaml.safe_load(text), root=tmp_path)
    assert config.data.cohort == tmp_path / "cohort"
    assert config.segmentation == SegmentationSettings()
    assert config.reference == ReferenceSettings()
    assert config.evaluation == EvaluationPart()
    assert config.statistics == StatisticsPart()
    assert config.radiomics == RadiomicsSettings()
    given = yaml.safe_load(text)
    assert set(given["segmentation"]) | {"voi_fraction"} == set(SegmentationSettings.__dataclass_fields__)
    assert config.segmentation.voi_fraction == config.voi_percent / 100 == 0.4


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["sets", "internal_test"], ["train"], "sets"),
        (["sets"], {"training": ["train"]}, "sets"),
        (["sets"], {"test": ["test"]}, "sets"),
        (["colour"], "red", "colour"),
        (["data", "pet"], "x", "data.pet"),
        (["data", "cohort"], "x", "data.cohort, studies"),
        (["data", "at_most"], {"internal": 3}, "data.at_most.internal"),
        (["reference", "min_suv_max"], -1, "reference.min_suv_max"),
        (["segmentation", "voi_fraction"], 0.4, "segmentation.voi_fraction"),
        (["segmentation", "method"], "magic", "segmentation.method"),
        (["voi_percent"], 0.4, "voi_percent"),
        (["radiomics", "modalities"], {"MR": {}}, "radiomics.modalities.MR"),
        (
            ["classifiers", "radiomics", "config", "model"],
            {"name": "oracle"},
            "classifiers.radiomics.config.model.name",
        ),
        (["classifiers", "radiomics", "folds"], 3, "classifiers.radiomics.folds"),
        (["classifiers", "../x"], {}, "classifiers.../x"),
        (["evaluation", "resamples"], 5, "evaluation.resamples"),
        (["evaluation", "resample"], 500, "evaluation.resample"),
        (["statistics", "by"], "class", "statistics.by"),
        (["answers"], {"metrics": {2: {"answer": "maybe", "evidence": "x"}}}, "answers.metrics.2.answer"),
        (["answers"], {"metrics": {2: {"answer": True}}}, "answers.metrics.2.evidence"),
        (["workers"], 0, "workers"),
    ],
)
def test_what_cannot_be_is_refused_and_named(tmp_path, path, value, named):
    content = copy.deepcopy(CONFIG)
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(ParameterError) as raised:
        from_mapping(content, root=tmp_path)
    assert raised.value.attribute == named


def test_a_key_that_is_needed_is_named_where_it_is_missing(tmp_path):
    with pytest.raises(ParameterError) as raised:
        from_mapping({key: value for key, value in CONFIG.items() if key != "data"}, root=tmp_path)
    assert raised.value.attribute == "data"
