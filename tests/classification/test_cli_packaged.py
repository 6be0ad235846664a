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

from fdglung.evaluation.bootstrap import Bootstrap
from tests.classification.test_cli_classify import QUICK, run


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
