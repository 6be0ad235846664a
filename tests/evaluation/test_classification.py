from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from fdglung import RESEARCH_NOTICE, cli
from fdglung.errors import (
    DuplicatedPatientError,
    MixedColumnError,
    OutputExistsError,
    ParameterError,
    PatientInTwoSetsError,
    UnknownClassError,
)
from fdglung.evaluation.class_parts import measure_parts
from fdglung.evaluation.classification import evaluate_classification
from fdglung.evaluation.classification_settings import ClassificationSettings
from fdglung.evaluation.leak_check import check_feature_table
from fdglung.evaluation.prediction_rows import by_patient
from fdglung.evaluation.predictions import read_predictions
from tests.evaluation.probabilities import CLASSES, made, write_table

PLOTS = [
    f"{level}_{kind}"
    for level in ("lesion", "patient")
    for kind in ("roc", "confusion", "calibration", "decision_curve")
]
TABLES = [
    "measures.csv",
    "confusion.csv",
    "calibration.csv",
    "roc.csv",
    "decision_curve.csv",
    "classification.md",
    "classification.json",
]
ROWS = made(patients=90)
SETS = {f"p{n}": "internal_test" if n < 50 else "external" for n in range(90)}
CENTRES = {f"p{n}": "A" if n < 50 else "BC"[n % 2] for n in range(90)}
QUICK = ClassificationSettings(resamples=200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("classification")
    write_table(root / "P.csv", ROWS, sets=SETS, centres=CENTRES)
    write_table(root / "Q.csv", made(patients=90, noise=7, skill=0.8), sets=SETS, centres=CENTRES, shuffle=1)
    return root


@pytest.fixture(scope="module")
def done(folder):
    return evaluate_classification(folder / "P.csv", folder / "out", compare=folder / "Q.csv", settings=QUICK)


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def rows_of(set_name):
    return np.array([SETS[patient] == set_name for patient in ROWS.patients])


def arguments(folder, out, *more):
    return ["evaluate", "classification", *map(str, ("--predictions", folder / "P.csv", "--out", out, *more))]


@pytest.mark.parametrize("set_name", ["internal_test", "external"])
def test_each_set_stands_apart_with_the_figures_of_scikit_learn(done, set_name):
    part = done.find("lesion", set_name)
    kept = rows_of(set_name)
    truth, chances = ROWS.truth[kept], ROWS.probabilities[kept]
    assert part.measures.n == kept.sum()
    assert part.measures.values["auc", "macro"] == pytest.approx(
        metrics.roc_auc_score(truth, chances, multi_class="ovr")
    )
    f1 = metrics.f1_score(truth, chances.argmax(axis=1), average="macro")
    assert part.measures.values["f1", "macro"] == pytest.approx(f1)
    assert np.array_equal(part.confusion, metrics.confusion_matrix(truth, chances.argmax(axis=1)))


def test_a_set_of_several_centres_is_parted_by_centre_and_one_of_one_is_not(done):
    assert [(part.set_name, part.centre) for part in done.parts if part.level == "lesion"] == [
        ("internal_test", ""),
        ("external", ""),
        ("external", "B"),
        ("external", "C"),
    ]
    counts = [done.find("lesion", "external", centre).measures.n for centre in ("", "B", "C")]
    assert counts[0] == counts[1] + counts[2]


def test_patients_are_measured_by_the_mean_of_their_lesions(done):
    part = done.find("patient", "external")
    names = [p for p in dict.fromkeys(ROWS.patients) if SETS[p] == "external"]
    owners = np.array(ROWS.patients)
    means = np.array([ROWS.probabilities[owners == p].mean(axis=0) for p in names])
    truth = np.array([ROWS.truth[owners == p][0] for p in names])
    assert part.measures.n == part.measures.patients == len(names)
    assert part.measures.values["auc", "macro"] == pytest.approx(metrics.roc_auc_score(truth, means, multi_class="ovr"))


def test_intervals_rest_on_patients_and_hold_the_figure(done):
    part = done.find("lesion", "internal_test")
    assert part.measures.patients == 50
    for key in (("accuracy", "all"), ("auc", "macro"), ("brier", "all")):
        found = part.measures.estimate(key)
        assert found.low < found.value < found.high


def test_the_better_model_is_told_apart_by_pairs(done):
    found = done.find("lesion", "internal_test").comparison["auc", "macro"]
    assert found.difference.value == pytest.approx(found.first.value - found.second.value)
    assert found.difference.low > 0
    assert found.p < 0.05


def test_all_files_are_there_and_plots_are_pictures_with_the_notice(done):
    names = [f"{name}{ending}" for name in PLOTS for ending in (".png", ".svg")]
    assert set(done.files) == {*names, *TABLES, "comparison.csv"}
    for name in PLOTS:
        with Image.open(done.files[f"{name}.png"]) as picture:
            foot = np.asarray(picture.convert("RGB")).astype(int)[-60:]
            assert ((foot[..., 0] - foot[..., 1]) > 80).sum() > 200
        assert done.files[f"{name}.svg"].read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_tables_hold_the_figures_and_the_settings(done):
    part = done.find("lesion", "external")
    (row,) = [
        row
        for row in table(done.files["measures.csv"])
        if (row["level"], row["set"], row["centre"], row["measure"], row["class"])
        == ("lesion", "external", "", "auc", "lymphoma")
    ]
    assert float(row["value"]) == pytest.approx(part.measures.values["auc", "class lymphoma"], rel=1e-7)
    counts = [int(row["count"]) for row in table(done.files["confusion.csv"])]
    assert sum(counts) == sum(one.measures.n for one in done.parts)
    document = json.loads(done.files["classification.json"].read_text(encoding="utf-8"))
    assert document["notice"] == RESEARCH_NOTICE
    assert document["settings"] == {"bins": 10, "resamples": 200, "seed": 0, "confidence": 0.95}
    assert document["software"]["scikit-learn"]
    assert len(document["figures"]) == len(table(done.files["measures.csv"]))
    assert len(document["comparison"]) == len(table(done.files["comparison.csv"]))


def test_the_curve_in_the_table_has_the_area_of_the_figure(done):
    rows = [
        row
        for row in table(done.files["roc.csv"])
        if (row["level"], row["set"], row["centre"], row["model"], row["class"])
        == ("patient", "external", "", "first", "benign")
    ]
    across, up = (
        np.array([float(row[name]) for row in rows]) for name in ("false_positive_rate", "true_positive_rate")
    )
    area = (np.diff(across) * (up[1:] + up[:-1]) / 2).sum()
    assert area == pytest.approx(done.find("patient", "external").measures.values["auc", "class benign"], abs=1e-6)


def test_the_page_has_the_notice_the_figures_and_the_comparison(done):
    page = done.files["classification.md"].read_text(encoding="utf-8")
    assert RESEARCH_NOTICE in page
    found = done.find("lesion", "external").measures.estimate(("auc", "class lymphoma"))
    assert f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})" in page
    assert "first less second" in page
    assert page.count("True class by row") == len(done.parts)


def test_names_cannot_break_tables_or_plots(tmp_path):
    classes = ("<b>|a_$x$", "b*\\frac", "c`c")
    rows = made(patients=40, classes=classes)
    done = evaluate_classification(write_table(tmp_path / "p.csv", rows), tmp_path / "out", settings=QUICK)
    page = done.files["classification.md"].read_text(encoding="utf-8")
    assert "<b>" not in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables}
    assert widths == {len(classes) + 2, 10}


def test_labels_that_mean_nothing_have_an_area_of_half_within_the_interval():
    inside = 0
    for seed in range(40):
        parts, _ = measure_parts(made(seed=seed, skill=0), QUICK)
        found = parts[0].measures.estimate(("auc", "macro"))
        inside += found.low <= 0.5 <= found.high
    assert inside >= 34


def test_a_set_of_one_class_is_said_to_have_no_curve(tmp_path):
    rows = made(patients=40, classes=("benign", "lymphoma"))
    sets = {p: f"s{t}" for p, t in zip(rows.patients, rows.truth, strict=True)}
    done = evaluate_classification(write_table(tmp_path / "p.csv", rows, sets=sets), tmp_path / "out", settings=QUICK)
    assert done.absent["lesion_roc"] == "no set has rows of two classes"
    assert "lesion_roc.png" not in done.files
    assert any("no row is of the class" in text for text in done.warnings)
    assert table(done.files["roc.csv"]) == []


def features(path, *, leak=None):
    """Write features of each lesion; `leak` copies those of one row over another's."""
    values = np.random.default_rng(0).normal(size=(len(ROWS.patients), 12))
    if leak:
        values[leak[1]] = values[leak[0]]
    lines = ["patient,set,lesion,scanner," + ",".join(f"f{n}" for n in range(12))]
    for row, patient in enumerate(ROWS.patients):
        lines.append(f"{patient},{SETS[patient]},{row},x," + ",".join(map(repr, values[row].tolist())))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_planted_leak_is_found_in_the_features_and_leaves_nothing_behind(folder, tmp_path):
    path = features(tmp_path / "f.csv", leak=(3, 150))
    with pytest.raises(DuplicatedPatientError, match="rows 5 and 152"):
        evaluate_classification(folder / "P.csv", tmp_path / "out", features=path, settings=QUICK)
    assert [one.name for one in tmp_path.iterdir()] == ["f.csv"]
    check_feature_table(features(tmp_path / "f.csv"), read_predictions(folder / "P.csv"))


def test_a_patient_of_the_predictions_must_not_be_trained_on(folder, tmp_path):
    path = features(tmp_path / "f.csv")
    path.write_text(path.read_text().replace("p60,external", "p60,train"))
    with pytest.raises(PatientInTwoSetsError, match="lie in another set of the predictions"):
        check_feature_table(path, read_predictions(folder / "P.csv"))


def test_text_among_features_is_named_by_line_and_column(folder, tmp_path):
    path = features(tmp_path / "f.csv")
    lines = path.read_text().splitlines()
    lines[4] = ",".join([*lines[4].split(",")[:-1], "large"])
    path.write_text("\n".join(lines))
    with pytest.raises(MixedColumnError, match=r"f11.*line 5"):
        check_feature_table(path)


def test_an_earlier_output_is_replaced_only_when_asked(folder, done):
    with pytest.raises(OutputExistsError):
        evaluate_classification(folder / "P.csv", folder / "out")


def test_a_bad_table_leaves_nothing_behind(tmp_path):
    rows = made(patients=30)
    path = write_table(tmp_path / "p.csv", rows)
    path.write_text(path.read_text().replace(",lymphoma,", ",Lymphoma,"))
    with pytest.raises(UnknownClassError, match="Lymphoma"):
        evaluate_classification(path, tmp_path / "new" / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["p.csv"]


@pytest.mark.parametrize("given", [{"bins": 1}, {"resamples": 10}, {"seed": -1}, {"confidence": 1}])
def test_settings_out_of_range_are_refused(given):
    with pytest.raises(ParameterError):
        ClassificationSettings(**given)


def test_the_command_prints_figures_and_the_notice_and_another_run_writes_the_same(folder, done, tmp_path, capsys):
    options = ("--compare", folder / "Q.csv", "--bootstrap", 200)
    assert cli.main(arguments(folder, tmp_path / "out", *options)) == 0
    out = capsys.readouterr().out
    assert "lesions, external, B:" in out
    assert "first less second model" in out
    assert RESEARCH_NOTICE in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in done.files.values()}
    for path in done.files.values():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_command_gives_json_and_the_kind_of_an_error(folder, tmp_path, capsys):
    rows = made(patients=40)
    flat = by_patient(rows)[0]
    path = write_table(tmp_path / "P.csv", flat)
    path.write_text("\n".join(re.sub("^([^,]*),[^,]*,", r"\1,", line) for line in path.read_text().splitlines()))
    options = ("--json", "--bootstrap", 200, "--bins", 5, "--seed", 3, "--confidence", 0.9)
    assert cli.main(arguments(tmp_path, tmp_path / "out", *options)) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["summary"]["settings"] == {"bins": 5, "resamples": 200, "seed": 3, "confidence": 0.9}
    assert document["summary"]["classes"] == list(CLASSES)
    assert {row["level"] for row in document["summary"]["figures"]} == {"patient"}
    path.unlink()
    assert cli.main(arguments(tmp_path, tmp_path / "new", "--json")) == cli.EXIT_BAD_INPUT
    assert json.loads(capsys.readouterr().out)["error"] == "UnreadableTableError"
