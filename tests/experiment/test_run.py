from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pypdf
import pytest
import SimpleITK as sitk
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score

from fdglung import RESEARCH_NOTICE, cli
from fdglung.classification import read_labelled
from fdglung.experiment.config import read_config
from fdglung.experiment.report import SYNTHETIC_NOTICE
from fdglung.experiment.run import run_experiment
from tests.experiment.spheres import BALLS, CONFIG, read_table, write_cohort, write_config, write_table


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    """Draw nothing: it takes most of the time, and the evaluation's own tests draw; a slow one here does too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fdglung.evaluation.plots.write_plots", lambda *given: {})
        patch.setattr("fdglung.evaluation.classification_plots.write_plots", lambda *given: {})
        yield patch


@pytest.fixture(scope="module")
def study(tmp_path_factory, undrawn):
    folder = tmp_path_factory.mktemp("study")
    config = write_cohort(folder)
    return folder, run_experiment(read_config(config))


def digests(out):
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_every_ball_is_found_and_has_the_class_and_suv_that_were_planted(study):
    folder, _ = study
    lesions = read_table(folder / "out/tables/lesions.csv")
    classes = {row["study"]: row["class"] for row in read_table(folder / "lesions.csv")}
    assert len(lesions) == BALLS * 24
    assert all(row["class"] == classes[row["case"]] for row in lesions)
    pet = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "s03/pet.nii.gz")))
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "s03/label.nii.gz")))
    own = {row["reference"]: float(row["suv_max"]) for row in lesions if row["case"] == "s03"}
    assert own == {str(n): pytest.approx(pet[label == n].max(), rel=1e-6) for n in range(1, BALLS + 1)}
    summary = json.loads((folder / "out/segmentation/external/summary.json").read_text())
    figures = {row["measure"]: row["value"] for row in summary["figures"] if row["group"] == "overall"}
    assert figures["detection_any_overlap"] == 1
    assert figures["false_positives_per_scan"] == 0
    assert figures["dice_mean"] > 0.95


def test_the_flow_counts_what_was_planted_and_why_the_rest_was_left_out(study):
    folder, _ = study
    rows = read_table(folder / "out/tables/flow.csv")
    flow = {(row["set"], row["level"], row["what"]): int(row["count"]) for row in rows}
    for name, studies in (("training", 12), ("internal_test", 6), ("external", 6)):
        assert flow[name, "study", "of this set"] == studies
        assert flow[name, "reference lesion", "in the references"] == (BALLS + 1) * studies
        assert flow[name, "reference lesion", "SUVmax below the study's least"] == studies
        assert flow[name, "found lesion", "classified"] == BALLS * studies
        assert flow[name, "classified lesion", "hot"] == BALLS * studies // 2
    excluded = read_table(folder / "out/tables/exclusions.csv")
    assert len(excluded) == 24
    assert {row["lesion"] for row in excluded} == {f"reference {BALLS + 1}"}


@pytest.mark.parametrize("name", ["radiomics", "conventional"])
@pytest.mark.parametrize("set_name", ["internal_test", "external"])
def test_the_figures_are_those_that_scikit_learn_finds_in_the_written_predictions(study, name, set_name):
    folder, _ = study
    rows = [r for r in read_table(folder / f"out/classifiers/{name}/predictions.csv") if r["set"] == set_name]
    truth = np.array([row["truth"] for row in rows])
    scores = np.array([[float(row[f"probability_{c}"]) for c in ("cool", "hot")] for row in rows])
    called = np.array(["cool", "hot"])[scores.argmax(axis=1)]
    document = json.loads((folder / f"out/classification/{name}/classification.json").read_text())
    figures = {
        (row["measure"], row["class"] or row["over"]): row["value"]
        for row in document["figures"]
        if (row["level"], row["set"], row["centre"]) == ("lesion", set_name, "")
    }
    assert figures["accuracy", "all"] == pytest.approx(accuracy_score(truth, called))
    assert figures["auc", "hot"] == pytest.approx(roc_auc_score(truth == "hot", scores[:, 1]))
    assert figures["f1", "macro"] == pytest.approx(f1_score(truth, called, average="macro"))
    matrix = [r["count"] for r in document["confusion"] if (r["level"], r["set"]) == ("lesion", set_name)]
    assert matrix == confusion_matrix(truth, called, labels=["cool", "hot"]).ravel().tolist()


def test_no_training_patient_is_among_the_predictions_and_training_is_told_out_of_fold(study):
    folder, _ = study
    trained = {row["patient"] for row in read_table(folder / "studies.csv") if row["set"] == "train"}
    tests = read_table(folder / "out/classifiers/radiomics/predictions.csv")
    assert not trained & {row["patient"] for row in tests}
    fold = read_table(folder / "out/classifiers/radiomics/training_predictions.csv")
    assert {row["patient"] for row in fold} == trained
    assert {row["fold"] for row in fold} == {"1", "2"}


def test_the_statistics_are_those_that_scipy_finds_in_the_table_of_patients(study):
    folder, _ = study
    patients = read_table(folder / "out/tables/patients.csv")
    sides = [[float(row["suv_max"]) for row in patients if row["class"] == name] for name in ("cool", "hot")]
    tests = {row["column"]: row for row in read_table(folder / "out/statistics/class/tests.csv")}
    welch, mann = stats.ttest_ind(*sides, equal_var=False).pvalue, stats.mannwhitneyu(*sides).pvalue
    wanted = mann if "Mann" in tests["suv_max"]["test"] else welch
    assert float(tests["suv_max"]["p"]) == pytest.approx(wanted, rel=1e-6)
    sex = [[sum(r["class"] == c and r["sex"] == s for r in patients) for s in "fm"] for c in ("cool", "hot")]
    assert float(tests["sex"]["p"]) == pytest.approx(stats.fisher_exact(sex).pvalue, rel=1e-6)


def test_html_and_pdf_say_what_the_files_say(study):
    folder, done = study
    page = done.html.read_text(encoding="utf-8")
    text = " ".join(" ".join(one.extract_text() for one in pypdf.PdfReader(done.pdf).pages).split())
    document = json.loads((folder / "out/classification/radiomics/classification.json").read_text())
    rows = [r for r in document["figures"] if (r["level"], r["centre"], r["measure"]) == ("lesion", "", "auc")]
    assert len(rows) == 6
    for row in rows:
        words = f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        assert words in page
        assert words in text
    for words in (RESEARCH_NOTICE, SYNTHETIC_NOTICE):
        assert words in page
        assert words in text
    assert all("Synthetic data" in one.extract_text() for one in pypdf.PdfReader(done.pdf).pages)
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_a_second_run_makes_nothing_and_leaves_the_same_bytes(study):
    folder, first = study
    before = digests(folder / "out")
    assert "report" in first.made
    again = run_experiment(read_config(folder / "study.yaml"))
    assert again.made == ()
    assert digests(folder / "out") == before


def test_a_changed_key_does_only_the_steps_behind_it_and_a_damaged_file_its_own(study, tmp_path):
    folder, _ = study
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = write_config(copy, {**CONFIG, "evaluation": {"resamples": 120}})
    made = run_experiment(read_config(config)).made
    assert {name.split("/")[0] for name in made} == {"segmentation", "classification", "report"}
    settings = CONFIG["classifiers"] | {
        "conventional": {"config": CONFIG["classifiers"]["conventional"]["config"] | {"seed": 1}}
    }
    config = write_config(copy, {**CONFIG, "evaluation": {"resamples": 120}, "classifiers": settings})
    made = run_experiment(read_config(config)).made
    assert "classifiers/conventional" in made
    assert {name for name in made if not name.startswith("classification/conventional")} == {
        "classifiers/conventional",
        "report",
    }
    (copy / "out/studies/s05/lesions/voi.nii.gz").write_bytes(b"broken")
    assert run_experiment(read_config(config)).made == ("studies/s05/lesions",)


def test_study_json_names_versions_seeds_and_the_checksum_of_every_file(study):
    folder, _ = study
    record = json.loads((folder / "out/study.json").read_text())
    assert record["notice"] == RESEARCH_NOTICE
    assert record["synthetic"] is True
    assert record["seeds"] == {"bootstrap": 0, "statistics": 0, "classifier radiomics": 0, "classifier conventional": 0}
    assert {"fdglung", "numpy", "scikit-learn", "SimpleITK"} <= set(record["software"])
    pet = hashlib.sha256((folder / "s00/pet.nii.gz").read_bytes()).hexdigest()
    assert record["inputs"]["s00"]["pet"] == pet
    named = {f"{step}/{name}": digest for step, files in record["steps"].items() for name, digest in files.items()}
    found = {k: v for k, v in digests(folder / "out").items() if not k.endswith("step.json")}
    assert found == named | {name: found[name] for name in ("configuration.json", "study.json")}


def test_another_classifiers_probabilities_are_compared_on_the_same_lesions(study, tmp_path, capsys):
    folder, _ = study
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    rows = read_table(copy / "out/classifiers/radiomics/predictions.csv")
    lines = [f"{r['case']},{r['lesion']},{float(r['truth'] == 'cool')},{float(r['truth'] == 'hot')}" for r in rows]
    header = "case,lesion,probability_cool,probability_hot"
    (copy / "oracle.csv").write_text("\n".join([header, *lines[::-1]]) + "\n")
    classifiers = CONFIG["classifiers"] | {"oracle": {"predictions": "oracle.csv", "about": "A perfect oracle"}}
    config = write_config(copy, {**CONFIG, "classifiers": classifiers})
    assert cli.main(["study", str(config), "--json"]) == 0
    assert "classification/oracle" in json.loads(capsys.readouterr().out)["made"]
    found = json.loads((copy / "out/classification/oracle/classification.json").read_text())["comparison"]
    row = next(r for r in found if (r["level"], r["set"], r["measure"]) == ("lesion", "external", "accuracy"))
    assert row["first"] == 1
    own = [r for r in rows if r["set"] == "external"]
    right = [max(("cool", "hot"), key=lambda c, r=r: float(r[f"probability_{c}"])) == r["truth"] for r in own]
    assert row["second"] == pytest.approx(np.mean(right))
    (copy / "oracle.csv").write_text("\n".join([header, *lines[1:]]) + "\n")
    assert cli.main(["study", str(config)]) == cli.EXIT_BAD_INPUT
    assert "UnpairedRowsError: columns case, lesion: 1 lesions of the test sets have no row" in capsys.readouterr().err


@pytest.mark.slow
def test_the_report_holds_the_figures_of_each_set_and_classifier(study, tmp_path, undrawn):
    folder, _ = study
    shutil.copytree(folder, tmp_path / "copy")
    for part in ("segmentation", "classification"):
        shutil.rmtree(tmp_path / "copy/out" / part)
    undrawn.undo()
    done = run_experiment(read_config(tmp_path / "copy/study.yaml"))
    page = done.html.read_text(encoding="utf-8")
    drawn = sorted((done.out / "classification/radiomics").glob("lesion_*.png"))
    assert len(drawn) == 4
    drawn += [done.out / f"segmentation/{name}/volumes.png" for name in ("internal_test", "external")]
    for path in drawn:
        assert base64.b64encode(path.read_bytes()).decode() in page
    pictures = [one for page in pypdf.PdfReader(done.pdf).pages for one in page.images]
    assert len(pictures) == page.count("<figure>")


def test_a_classifier_of_whole_studies_counts_findings_that_are_no_lesion_too(tmp_path):
    write_cohort(tmp_path, training=16, tests=4)
    for path in tmp_path.glob("s*/label.nii.gz"):
        label = sitk.ReadImage(str(path))
        sitk.WriteImage(sitk.Mask(label, label != BALLS), str(path))
    lesions = [row for row in read_table(tmp_path / "lesions.csv") if row["lesion"] != str(BALLS)]
    write_table(tmp_path / "lesions.csv", lesions)
    classifier = {"config": {**CONFIG["classifiers"]["radiomics"]["config"], "context": {"statistics": []}}}
    config = read_config(write_config(tmp_path, {**CONFIG, "classifiers": {"radiomics": classifier}}))
    run_experiment(config)
    tables = tmp_path / "out/tables"
    assert len(read_table(tables / "features.csv")) == BALLS * 24
    assert len(read_table(tables / "labels.csv")) == (BALLS - 1) * 24
    found = read_labelled(
        [tables / "features.csv"],
        tables / "labels.csv",
        replace(config.classifiers["radiomics"].config, training_sets=("training",)),
    )
    numbers = found.values[:, found.names.index("STUDY_log_lesions")]
    assert numbers == pytest.approx(np.full((BALLS - 1) * 16, np.log(BALLS)))
    told = (tmp_path / "out/classifiers/radiomics/cautions.txt").read_text(encoding="utf-8")
    assert "one value only and are left out: STUDY_log_lesions" in told
    assert "rests on all lesions of its study" in told
    flow = {(row["set"], row["what"]): int(row["count"]) for row in read_table(tables / "flow.csv")}
    assert flow["external", "touches no lesion of the reference"] == 4
    assert flow["external", "classified"] == (BALLS - 1) * 4
    patients = read_table(tables / "patients.csv")
    assert {row["lesions"] for row in patients} == {str(BALLS - 1)}
