from __future__ import annotations

import pandas as pd
import pytest

from fdglung import cli
from fdglung.classification.image.model_file import load_image_model
from tests.bundle.bundles import workflow
from tests.classification.image.made import TINY, lesions, write_cohort

SMALL = {**TINY, "epochs": 2, "folds": 2, "cache_dir": "", "threads": 1}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort") / "all", lesions(patients=8))


def test_the_bundle_trains_and_classifies_as_the_commands_do(cohort, tmp_path):
    model = tmp_path / "bundle" / "model.pt"
    workflow("train_classifier", dataset=cohort, model=str(model), trained_on="balls", **SMALL).run()
    read = load_image_model(model)
    assert read.trained_on == "balls"
    from fdglung.classification.image.config import to_yaml

    (tmp_path / "config.yaml").write_text(to_yaml(read.config))
    given = ("train-image-classifier", cohort, "--config", tmp_path / "config.yaml", "--out", tmp_path / "model.pt")
    assert cli.main([str(one) for one in given]) == 0
    again = load_image_model(tmp_path / "model.pt")
    assert all((read.weights[name] == again.weights[name]).all() for name in read.weights)
    out = tmp_path / "classes.csv"
    workflow("inference_classifier", dataset=cohort, kind="infer", model=str(model), classes_csv=str(out)).run()
    given = ("classify", cohort, "--model", model, "--out", tmp_path / "cli.csv")
    assert cli.main([str(one) for one in given]) == 0
    assert out.read_text() == (tmp_path / "cli.csv").read_text()
    assert len(pd.read_csv(out)) == 16
