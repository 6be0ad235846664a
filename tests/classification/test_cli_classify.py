from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fdglung import RESEARCH_NOTICE, cli
from fdglung.evaluation.bootstrap import Bootstrap
from fdglung.radiomics.settings import RadiomicsSettings, to_yaml
from tests.classification.made import lesions, write

QUICK = """
validation: {outer_folds: 3, inner_folds: 3}
model: {grid: {C: [1.0]}}
"""


def run(*given):
    return cli.main([str(one) for one in given])


def packaged(folder, load, *, shuffled=False):
    """Write one of scikit-learn's tables as features and labels; return values, classes, patients and centres."""
    values, codes = load(return_X_y=True)
    random = np.random.default_rng(0)
    if shuffled:
        codes = random.permutation(codes)
    patients, centres = np.arange(len(codes)) // 2, random.integers(2, size=len(codes) // 2 + 1)
    names = [f"PET_{column:02d}" for column in range(values.shape[1])]
    keys = pd.DataFrame({"patient": [f"p{one}" for one in patients], "lesion": np.arange(len(codes)) % 2})
    pd.concat([keys, pd.DataFrame(values, columns=names)], axis=1).to_csv(folder / "features.csv", index=False)
    keys.assign(
        **{"class": [f"class {code}" for code in codes], "centre": [f"c{centres[one]}" for one in patients]}
    ).to_csv(folder / "labels.csv", index=False)
    return values, codes, np.array([f"p{one}" for one in patients]), centres[patients]


def test_a_packaged_table_gives_what_a_plain_script_gives(tmp_path):
    values, codes, patients, centres = packaged(tmp_path, load_breast_cancer)
    # All 30 features may be kept, so that nothing is selected and scikit-learn alone does the same.
    (tmp_path / "config.yaml").write_text(
        "correlation: 1\nmodel: {grid: {C: [0.01, 1.0]}}\nvalidation: {outer_folds: 5, inner_folds: 4}\n"
    )
    features, labels, out = (tmp_path / name for name in ("features.csv", "labels.csv", "model.skops"))
    given = ("--labels", labels, "--config", tmp_path / "config.yaml", "--out", out)
    assert run("train-classifier", features, *given) == 0
    assert run("classify", features, "--model", out, "--out", tmp_path / "classes.csv") == 0

    def folds(rows, number):
        maker = StratifiedGroupKFold(number, shuffle=True, random_state=0)
        strata = 2 * codes[rows] + centres[rows]
        return list(maker.split(rows, strata, patients[rows]))

    def fitted(rows):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, random_state=0))
        inner = folds(rows, 4)
        search = GridSearchCV(pipeline, {"logisticregression__C": [0.01, 1.0]}, scoring="roc_auc", cv=inner)
        search.fit(values[rows], codes[rows])
        calibration = CalibratedClassifierCV(search.best_estimator_, cv=inner, ensemble=False)
        return calibration.fit(values[rows], codes[rows])

    every = np.arange(len(codes))
    truth = np.zeros(len(codes))
    for train, test in folds(every, 5):
        truth[test] = fitted(train).predict_proba(values[test])[:, 1]
    predictions = pd.read_csv(tmp_path / "model.predictions.csv")
    assert predictions["truth"].tolist() == [f"class {code}" for code in codes]
    np.testing.assert_allclose(predictions["probability_class 1"], truth, atol=1e-9)
    classes = pd.read_csv(tmp_path / "classes.csv")
    np.testing.assert_allclose(classes["probability_class 1"], fitted(every).predict_proba(values)[:, 1], atol=1e-9)
    report = json.loads((tmp_path / "model.report.json").read_text())
    assert report["out_of_fold"]["macro_auc"] == pytest.approx(roc_auc_score(codes, truth))


def test_shuffled_labels_of_a_packaged_table_give_an_auc_of_a_half(tmp_path):
    _, codes, patients, _ = packaged(tmp_path, load_wine, shuffled=True)
    (tmp_path / "config.yaml").write_text(QUICK)
    given = ("--labels", tmp_path / "labels.csv", "--config", tmp_path / "config.yaml")
    assert run("train-classifier", tmp_path / "features.csv", *given, "--out", tmp_path / "model.skops") == 0
    table = pd.read_csv(tmp_path / "model.predictions.csv")
    for code in range(3):
        scores = table[f"probability_class {code}"].to_numpy()
        area = Bootstrap(resamples=500).statistic(
            lambda rows, scores=scores, code=code: roc_auc_score(codes[rows] == code, scores[rows]), patients.tolist()
        )
        assert area.low < 0.5 < area.high


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
