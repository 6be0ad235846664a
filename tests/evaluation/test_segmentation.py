from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from fdglung import RESEARCH_NOTICE, cli
from fdglung.errors import NegativeLabelError, OutputExistsError
from fdglung.evaluation.segmentation import evaluate_segmentation
from fdglung.evaluation.settings import EvaluationSettings
from tests.evaluation.shapes import box, write

PLOTS = ("bland_altman.png", "volumes.png", "froc.png", "dice_by_size.png", "dice_by_centre.png")
TABLES = ("cases.csv", "lesions.csv", "predicted.csv", "summary.csv", "summary.json", "froc.csv")
A, B, FAR = box((2, 2, 2), (6, 6, 6)), box((15, 15, 15), (4, 4, 4)), box((25, 2, 2), (2, 2, 2))
NONE = np.zeros_like(A)
SCANS = {"s1": (A | B, A), "s2": (A, A | FAR), "s3": (NONE, NONE), "s4": (NONE, FAR), "s5": (B, B)}
PATIENTS = {
    "s1": ("p1", "Oslo"),
    "s2": ("p1", "Oslo"),
    "s3": ("p2", "Oslo"),
    "s4": ("p3", "Wien"),
    "s5": ("p3", "Wien"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluation")
    rows = [("case", "patient", "centre"), *((name, *who) for name, who in PATIENTS.items())]
    (root / "groups.csv").write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    for name, (reference, prediction) in SCANS.items():
        write(reference, root / "r" / f"{name}.nii.gz", spacing=(2, 2, 2))
        write(prediction, root / "p" / f"{name}.nii.gz", spacing=(2, 2, 2))
        scores = 0.9 * prediction - 0.5 * (prediction & FAR)
        write(scores.astype(np.float32), root / "s" / f"{name}.nii.gz", spacing=(2, 2, 2))
    return root


def given(folder):
    return {"scores": folder / "s", "groups": folder / "groups.csv"}


@pytest.fixture(scope="module")
def done(folder):
    return evaluate_segmentation(folder / "p", folder / "r", folder / "out", **given(folder))


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def arguments(folder, out, *more):
    names = ("--predictions", folder / "p", "--references", folder / "r", "--out", out, *more)
    return ["evaluate", "segmentation", *map(str, names)]


def test_the_summary_counts_scans_and_lesions(done):
    assert done.summary.find("detection_any_overlap").value == pytest.approx(3 / 4)
    assert done.summary.find("false_positives_per_scan").value == pytest.approx(2 / 5)
    assert done.summary.find("scan_sensitivity").value == 1
    assert done.summary.find("scan_specificity").value == 0.5
    dices = [2 * 216 / (216 + 64 + 216), 2 * 216 / (216 + 216 + 8), 1]
    assert done.summary.find("dice_mean").value == pytest.approx(np.mean(dices))
    assert done.summary.find("dice_median").value == pytest.approx(np.median(dices))
    assert done.summary.find("false_negative_volume_mean_ml").value == pytest.approx(64 * 0.008 / 3)
    assert done.summary.find("false_positive_volume_mean_ml").value == pytest.approx(2 * 8 * 0.008 / 5)


def test_figures_rest_on_patients_and_not_on_lesions(done):
    found = done.summary.find("detection_any_overlap")
    assert (found.n, found.patients) == (4, 2)
    assert done.summary.find("false_positives_per_scan").patients == 3


def test_figures_stand_by_size_and_by_centre(done):
    size = {
        level: done.summary.find("detection_any_overlap", group="size", level=level)
        for level in ("up to 10 mm", ">10 to 20 mm")
    }
    assert [estimate.value for estimate in size.values()] == [0.5, 1]
    assert done.summary.find("false_positives_per_scan", group="size", level="up to 10 mm").value == pytest.approx(0.4)
    assert done.summary.find("scan_specificity", group="centre", level="Oslo").value == 1
    assert done.summary.find("scan_specificity", group="centre", level="Wien").value == 0


def test_agreement_of_volume_leaves_out_scans_that_are_empty_in_both(done):
    differences = np.array([-64, 8, 8, 0]) * 0.008
    bias, upper = (done.summary.find(f"volume_{name}_ml") for name in ("bias", "upper_limit"))
    assert bias.n == 4
    assert bias.value == pytest.approx(differences.mean())
    assert upper.value == pytest.approx(differences.mean() + 1.96 * differences.std(ddof=1))


def test_the_froc_curve_gains_nothing_but_false_ones_at_low_scores(done):
    curve = done.summary.froc
    assert curve.thresholds == pytest.approx([0.9, 0.4])
    assert curve.sensitivity == pytest.approx([0.75, 0.75])
    assert curve.false_per_scan == pytest.approx([0, 0.4])


def test_all_files_are_there_and_plots_are_pictures(done):
    assert set(done.files) == {*PLOTS, *TABLES}
    for name in PLOTS:
        with Image.open(done.files[name]) as picture:
            assert picture.size == (1050, 780)
            # The notice at the foot is drawn in red.
            foot = np.asarray(picture.convert("RGB")).astype(int)[-60:]
            assert ((foot[..., 0] - foot[..., 1]) > 80).sum() > 200


def test_tables_hold_a_row_each_and_nothing_for_what_is_not_defined(done):
    cases = {row["case"]: row for row in table(done.files["cases.csv"])}
    assert list(cases) == list(SCANS)
    assert cases["s4"]["dice"] == cases["s3"]["hd95_mm"] == cases["s4"]["false_negative_ml"] == ""
    assert float(cases["s4"]["false_positive_ml"]) == pytest.approx(0.064)
    assert cases["s5"]["centre"] == "Wien"
    assert [row["detected"] for row in table(done.files["lesions.csv"])] == ["1", "0", "1", "1"]
    assert sum(row["false"] == "1" for row in table(done.files["predicted.csv"])) == 2
    document = json.loads(done.files["summary.json"].read_text(encoding="utf-8"))
    assert document["notice"] == RESEARCH_NOTICE
    assert document["counts"]["cases_without_lesions"] == 2
    assert document["settings"]["tolerance_mm"] == 2
    assert len(document["figures"]) == len(table(done.files["summary.csv"]))


def test_what_was_not_given_is_said_to_be_absent(folder, tmp_path):
    found = evaluate_segmentation(
        folder / "p", folder / "r", tmp_path / "out", settings=EvaluationSettings(resamples=100)
    )
    assert "--scores" in found.summary.absent["froc"]
    assert "--groups" in found.summary.absent["dice_by_centre.png"]
    assert {"froc.csv", "froc.png", "dice_by_centre.png"}.isdisjoint(found.files)
    assert found.summary.find("detection_any_overlap").patients == 3


def test_scans_without_any_lesion_are_summed_up_too(folder, tmp_path):
    for side in "rp":
        write(NONE, tmp_path / side / "a.nii.gz")
    found = evaluate_segmentation(tmp_path / "p", tmp_path / "r", tmp_path / "out", scores=tmp_path / "p")
    assert found.summary.find("scan_specificity").value == 1
    assert math.isnan(found.summary.find("dice_mean").value)
    assert set(found.summary.absent) >= {"froc", *PLOTS}


def test_a_bad_file_leaves_nothing_behind(folder, tmp_path):
    for side in "rp":
        write(A, tmp_path / side / "a.nii.gz")
    write(-A.astype(np.int16), tmp_path / "p" / "a.nii.gz")
    with pytest.raises(NegativeLabelError, match=r"a\.nii\.gz"):
        evaluate_segmentation(tmp_path / "p", tmp_path / "r", tmp_path / "new" / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "r"]


def test_an_interrupted_run_leaves_nothing_behind(folder, tmp_path):
    def stop(text, fraction):
        if text == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_segmentation(folder / "p", folder / "r", tmp_path / "out", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_output_is_replaced_only_when_asked(folder, done):
    with pytest.raises(OutputExistsError):
        evaluate_segmentation(folder / "p", folder / "r", folder / "out")
    again = evaluate_segmentation(folder / "p", folder / "r", folder / "out", overwrite=True, **given(folder))
    assert again.summary.rows == done.summary.rows


def test_a_prediction_on_another_grid_is_warned_of_in_the_table(folder, tmp_path, capsys):
    write(A, tmp_path / "r" / "a.nii.gz")
    write(
        np.kron(A, np.ones((2, 2, 2))).astype(bool),
        tmp_path / "p" / "a.nii.gz",
        spacing=(0.5,) * 3,
        origin=(-0.25,) * 3,
    )
    assert cli.main(arguments(tmp_path, tmp_path / "out")) == 0
    (row,) = table(tmp_path / "out" / "cases.csv")
    assert float(row["dice"]) == 1
    assert "another grid" in row["warnings"]
    assert "warning: a: The prediction lies on another grid" in capsys.readouterr().out


def test_the_command_prints_figures_and_the_notice(folder, tmp_path, capsys):
    assert cli.main(arguments(folder, tmp_path / "out", "--groups", folder / "groups.csv", "--bootstrap", 200)) == 0
    out = capsys.readouterr().out
    assert "5 cases of 3 patients, 4 lesions" in out
    assert "not there: froc: no scores were given" in out
    assert RESEARCH_NOTICE in out


def test_the_command_gives_json_and_takes_its_options(folder, tmp_path, capsys):
    options = ("--json", "--tolerance-mm", 4, "--size-edges-mm", 5, "--components", "--confidence", 0.9, "--labels", 1)
    assert cli.main(arguments(folder, tmp_path / "out", *options)) == 0
    document = json.loads(capsys.readouterr().out)
    settings = document["summary"]["settings"]
    assert (settings["tolerance_mm"], settings["size_edges_mm"], settings["split"]) == (4, [5], True)
    assert document["notice"] == RESEARCH_NOTICE


def test_bad_input_ends_with_the_kind_of_error(tmp_path, capsys):
    assert cli.main([*arguments(tmp_path, tmp_path / "out"), "--json"]) == cli.EXIT_BAD_INPUT
    assert json.loads(capsys.readouterr().out)["error"] == "NoLabelImagesError"
