"""A study whose second classifier looks at the images."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fdglung import cli
from fdglung.errors import ParameterError
from fdglung.experiment.config import TrainedNetwork, from_mapping, read_config
from fdglung.experiment.run import run_experiment
from tests.experiment.spheres import CONFIG, read_table, write_cohort, write_config

NETWORK = {
    "channels": ["PET", "MASK"],
    "spacing_mm": 4.0,
    "size_mm": 64.0,
    "features": [4, 4, 8, 8],
    "attention": 4,
    "epochs": 12,
    "folds": 2,
    "lesions_per_step": 8,
}
CLASSIFIERS = {"radiomics": CONFIG["classifiers"]["radiomics"], "image": {"network": NETWORK}}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # Drawing takes most of the time, and the evaluation's own tests draw.
        patch.setattr("fdglung.evaluation.plots.write_plots", lambda *given: {})
        patch.setattr("fdglung.evaluation.classification_plots.write_plots", lambda *given: {})
        folder = tmp_path_factory.mktemp("study")
        write_cohort(folder, overlap=0.8)
        config = write_config(folder, {**CONFIG, "classifiers": CLASSIFIERS})
        yield folder, run_experiment(read_config(config))


def test_it_tells_the_planted_classes_apart_on_the_lesions_that_radiomics_was_tested_on(study):
    folder, _ = study
    image, radiomics = (
        read_table(folder / f"out/classifiers/{name}/predictions.csv") for name in ("image", "radiomics")
    )
    keys = ("set", "case", "patient", "centre", "lesion", "truth")
    assert [[row[key] for key in keys] for row in image] == [[row[key] for key in keys] for row in radiomics]
    hot = [row["truth"] == "hot" for row in image]
    assert roc_auc_score(hot, [float(row["probability_hot"]) for row in image]) > 0.9
    compared = json.loads((folder / "out/classification/image/classification.json").read_text())["comparison"]
    assert {row["set"] for row in compared} >= {"internal_test", "external"}


def test_out_of_fold_predictions_are_those_of_the_command_on_the_same_vois(study, tmp_path):
    folder, _ = study
    rows = [row for row in read_table(folder / "out/tables/labels.csv") if row["set"] == "training"]
    entries = [
        {
            "name": name,
            "pet": str(folder / name / "pet.nii.gz"),
            "label": str(folder / f"out/studies/{name}/lesions/voi.nii.gz"),
        }
        for name in dict.fromkeys(row["case"] for row in rows)
    ]
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    (tmp_path / "config.yaml").write_text(json.dumps(NETWORK))
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    given = ["--labels", "labels.csv", "--config", "config.yaml", "--out", "model.pt"]
    paths = [str(tmp_path / one) if "." in one else one for one in given]
    assert cli.main(["train-image-classifier", str(tmp_path / "list.json"), *paths]) == 0
    found, own = (
        {(row["case"], row["lesion"]): float(row["probability_hot"]) for row in read_table(path)}
        for path in (
            folder / "out/classifiers/image/training_predictions.csv",
            tmp_path / "model.predictions.csv",
        )
    )
    assert list(found) == [(row["case"], row["lesion"]) for row in rows]
    assert found == pytest.approx(own, rel=1e-6)


def test_patients_have_classes_by_attention_and_the_report_says_what_it_is(study):
    folder, done = study
    patients = read_table(folder / "out/classifiers/image/patients.csv")
    tests = read_table(folder / "out/classifiers/image/predictions.csv")
    assert {row["patient"] for row in patients} == {row["patient"] for row in tests}
    sums = [sum(float(row[f"probability_{name}"]) for name in ("cool", "hot")) for row in patients]
    assert np.allclose(sums, 1)
    page = done.html.read_text(encoding="utf-8")
    assert "Residual 3D network of PET, MASK in cubes of 64 mm at 4 mm about each VOI" in page
    items = {row["number"]: row for row in read_table(folder / "out/report/claim.csv")}
    assert "Random weights" in items["24"]["evidence"]
    record = json.loads((folder / "out/study.json").read_text())
    assert record["seeds"]["classifier image"] == 0


def test_a_second_run_trains_nothing_and_other_epochs_train_the_network_alone(study):
    folder, first = study
    assert "classifiers/image" in first.made
    assert run_experiment(read_config(folder / "study.yaml")).made == ()
    changed = {**CONFIG, "classifiers": CLASSIFIERS | {"image": {"network": NETWORK | {"epochs": 1}}}}
    made = run_experiment(read_config(write_config(folder, changed))).made
    assert "classifiers/image" in made
    assert "classifiers/radiomics" not in made


@pytest.mark.parametrize(
    ("given", "attribute"),
    [
        ({"network": {"epochs": 0}}, "classifiers.image.network.epochs"),
        ({"network": {"layers": 3}}, "classifiers.image.network.layers"),
        ({"network": {"training_sets": ["a"]}}, "classifiers.image.network.training_sets"),
        ({"network": {}, "config": {}}, "classifiers.image.network"),
    ],
)
def test_a_network_that_cannot_be_is_refused_by_its_key(given, attribute, tmp_path):
    with pytest.raises(ParameterError) as error:
        from_mapping({**CONFIG, "classifiers": {"image": given}}, root=tmp_path)
    assert error.value.attribute == attribute


def test_defaults_of_a_network_are_those_of_the_command(tmp_path):
    config = from_mapping({**CONFIG, "classifiers": {"image": {"network": {}}}}, root=tmp_path)
    assert config.classifiers["image"] == TrainedNetwork()
