from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fdglung import RESEARCH_NOTICE, cli
from fdglung.pipeline import analyze
from fdglung.radiomics import extract
from fdglung.radiomics.settings import RadiomicsSettings, to_yaml
from fdglung.study import load
from tests.classification.made import lesions, write
from tests.classification.study_model import SETTINGS, write_model, write_study

QUICK = """
validation: {outer_folds: 3, inner_folds: 3}
model: {grid: {C: [1.0]}}
"""


def run(*given):
    return cli.main([str(one) for one in given])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    features, labels = write(folder, lesions(120, 8, gap=3.0))
    (folder / "features.settings.yaml").write_text(to_yaml(RadiomicsSettings()))
    (folder / "config.yaml").write_text(QUICK)
    given = ("--labels", labels, "--config", folder / "config.yaml", "--out", folder / "model.skops")
    assert run("train-classifier", features, *given) == 0
    return folder


def test_training_writes_model_predictions_selection_and_report(trained):
    table = pd.read_csv(trained / "model.predictions.csv")
    made = lesions(120, 8, gap=3.0)
    assert table.columns[:7].tolist() == ["patient", "lesion", "centre", "fold", "truth", "predicted", "as_far"]
    assert table["patient"].tolist() == list(made.patients)
    assert table["centre"].tolist() == list(made.centres)
    assert table.filter(like="probability_").sum(axis=1).to_numpy() == pytest.approx(np.ones(120))
    assert table.groupby("patient")["fold"].nunique().max() == 1
    selected = pd.read_csv(trained / "model.selected.csv")
    assert set(selected["fold"]) == {"1", "2", "3", "final"}
    assert (selected[selected["feature"] == "PET_00"]["folds_with_it"] == 3).all()
    report = (trained / "model.report.md").read_text()
    assert RESEARCH_NOTICE in report
    assert "| PET_00 | 3 |" in report
    document = json.loads((trained / "model.report.json").read_text())
    assert document["notice"] == RESEARCH_NOTICE
    assert document["settings"] == RadiomicsSettings().digest


def test_classes_come_with_likeness_neighbours_and_where_they_are_from(trained, tmp_path, capsys):
    features, _ = write(tmp_path, lesions(30, 8, gap=3.0, seed=5))
    (tmp_path / "features.settings.yaml").write_text(to_yaml(RadiomicsSettings()))
    out = tmp_path / "classes.csv"
    assert run("classify", features, "--model", trained / "model.skops", "--out", out, "--shap", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["notice"] == RESEARCH_NOTICE
    table = pd.read_csv(out)
    assert (table.filter(like="nearest_").sum(axis=1) == 10).all()
    about = json.loads((tmp_path / "classes.about.json").read_text())
    assert (about["notice"], about["training"]["lesions"]) == (RESEARCH_NOTICE, 120)
    shap = pd.read_csv(tmp_path / "classes.shap.csv")
    sums = (
        shap.groupby(["patient", "lesion", "class"])["shap"].sum()
        + shap.groupby(["patient", "lesion", "class"])["background"].first()
    )
    for name in ("benign", "lung cancer", "lymphoma"):
        truth = table.set_index(["patient", "lesion"])[f"probability_{name}"]
        found = sums.xs(name, level="class").reindex(truth.index)
        np.testing.assert_allclose(found, truth, atol=1e-9)


def test_features_of_other_settings_end_the_command_and_nothing_is_written(trained, tmp_path, capsys):
    features, _ = write(tmp_path, lesions(6, 8))
    (tmp_path / "features.settings.yaml").write_text(to_yaml(RadiomicsSettings(families=("stat",))))
    out = tmp_path / "classes.csv"
    assert run("classify", features, "--model", trained / "model.skops", "--out", out) == 2
    assert "SettingsMismatchError" in capsys.readouterr().err
    assert not list(tmp_path.glob("classes*"))


def test_a_training_that_fails_writes_nothing(tmp_path, capsys):
    features, labels = write(tmp_path, lesions(12, 8))
    assert run("train-classifier", features, "--labels", labels, "--out", tmp_path / "model.skops") == 2
    assert "TooFewCasesError" in capsys.readouterr().err
    assert not list(tmp_path.glob("model*"))


def test_an_error_in_a_worker_process_keeps_its_kind(tmp_path, capsys):
    features, labels = write(tmp_path, lesions(45, 8, each=1))
    (tmp_path / "config.yaml").write_text("validation: {outer_folds: 3, inner_folds: 12}\n")
    given = ("--labels", labels, "--config", tmp_path / "config.yaml", "--workers", 2)
    assert run("train-classifier", features, *given, "--out", tmp_path / "model.skops") == 2
    assert "TooFewCasesError: validation.inner_folds" in capsys.readouterr().err


def test_an_earlier_output_stays_unless_it_may_be_replaced(trained, tmp_path, capsys):
    for name in ("model.skops", "model.report.md"):
        (tmp_path / name).write_text("mine")
        given = ("--labels", trained / "labels.csv", "--config", trained / "config.yaml")
        assert run("train-classifier", trained / "features.csv", *given, "--out", tmp_path / "model.skops") == 2
        assert "OutputExistsError" in capsys.readouterr().err
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    assert (
        run("classify", trained / "features.csv", "--model", trained / "model.skops", "--out", tmp_path / "c.txt") == 2
    )
    assert "does not end in .csv" in capsys.readouterr().err


def test_a_study_is_classified_as_its_report_says(tmp_path, capsys):
    study = write_study(tmp_path / "study")
    loaded = load(study)
    analysis = analyze(loaded)
    model = write_model(tmp_path / "model.skops", extract(loaded, analysis.lesions, SETTINGS, workers=1))
    assert run("classify", study, "--model", model, "--out", tmp_path / "classes.csv") == 0
    table = pd.read_csv(tmp_path / "classes.csv")
    assert table["class"].tolist() == ["hottest", "hot", "cool"]
    said = list(analysis.findings.warnings)
    assert any("lungs were segmented by the classical method" in warning for warning in said)
    assert json.loads((tmp_path / "classes.about.json").read_text())["study_warnings"] == said
    assert set(said) <= {line.removeprefix("warning: ") for line in capsys.readouterr().out.splitlines()}
    assert run("analyze", study, tmp_path / "report", "--classifier", model) == 0
    printed = capsys.readouterr().out
    assert "hottest (hottest " in printed
    assert "trained on 60 lesions made for a test" in printed
    report = pd.read_csv(tmp_path / "report" / "lesions.csv")
    assert report["class"].tolist() == table["class"].tolist()
    assert report["prediction_set"].tolist() == table["prediction_set"].tolist()
    assert f"; not ruled out: {', '.join(table['prediction_set'][0].split('|'))})" in printed
    for name in ("cool", "hot", "hottest"):
        assert report[f"probability_{name}"].to_numpy() == pytest.approx(table[f"probability_{name}"], rel=1e-5)


def test_a_study_beside_a_table_is_refused(tmp_path, trained, capsys):
    given = ("--model", trained / "model.skops", "--out", tmp_path / "classes.csv")
    assert run("classify", tmp_path, trained / "features.csv", *given) == cli.EXIT_BAD_INPUT
    assert "one study at a time" in capsys.readouterr().err
