from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from fdglung import RESEARCH_NOTICE, cli
from fdglung.classification.image.cases import read_images
from fdglung.errors import DataListError, LabelTableError, PatientInTwoSetsError, UnknownLesionClassError
from tests.classification.image.made import CONFIG, TINY, lesions, write_cohort

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort") / "all", lesions(patients=12))


def run(*given):
    return cli.main([str(one) for one in given])


def rewritten(folder, name, change):
    path = folder / name
    path.write_text(change(path.read_text()))
    return folder


def test_lesions_come_with_their_patches_classes_and_patients(cohort):
    made = lesions(patients=12)
    found = read_images(cohort, CONFIG, labels=cohort / "lesions.csv")
    assert found.lesions.patients == made.lesions.patients
    assert found.lesions.labels == made.lesions.labels
    assert found.patient_classes == made.patient_classes
    # Two lesions lie side by side in one image; the middle of each patch is its own lesion's.
    middle = (slice(None), slice(None), *(slice(4, 12),) * 3)
    np.testing.assert_allclose(found.raw[middle], made.raw[middle], rtol=1e-4, atol=1e-2)


def test_patches_from_the_cache_are_those_that_were_made_and_other_settings_make_others(cohort, tmp_path):
    first = read_images(cohort, CONFIG, labels=cohort / "lesions.csv", cache=tmp_path)
    count = len(list(tmp_path.iterdir()))
    again = read_images(cohort, CONFIG, labels=cohort / "lesions.csv", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == count == 12
    np.testing.assert_array_equal(first.raw, again.raw)
    finer = dataclasses.replace(CONFIG, spacing_mm=3.0, size_mm=48.0)
    assert not np.array_equal(read_images(cohort, finer, cache=tmp_path).raw, first.raw)
    broken = next(tmp_path.iterdir())
    broken.write_bytes(broken.read_bytes()[:100])
    again = read_images(cohort, CONFIG, labels=cohort / "lesions.csv", cache=tmp_path)
    np.testing.assert_array_equal(first.raw, again.raw)


def test_lesions_of_other_sets_are_left_out_and_a_patient_in_two_is_refused(tmp_path):
    folder = write_cohort(tmp_path / "cohort", lesions(patients=4))
    lines = [line.rpartition(",")[0] for line in (folder / "lesions.csv").read_text().splitlines()]
    sets = ["set", *("external" if line.startswith("p003") else "train" for line in lines[1:])]
    (folder / "lesions.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(lines, sets, strict=True)))
    found = read_images(folder, CONFIG, labels=folder / "lesions.csv")
    assert set(found.lesions.patients) == {"p000", "p001", "p002"}
    sets[-1] = "train"
    (folder / "lesions.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(lines, sets, strict=True)))
    with pytest.raises(PatientInTwoSetsError):
        read_images(folder, CONFIG, labels=folder / "lesions.csv")


def test_a_patient_with_lesions_of_two_classes_has_none_unless_the_list_says_so(tmp_path):
    folder = write_cohort(tmp_path / "cohort", lesions(patients=3))
    rows = (folder / "lesions.csv").read_text().splitlines()
    rows[1] = rows[1].replace("bright", "?").replace("dense", "bright").replace("?", "dense")
    (folder / "lesions.csv").write_text("\n".join(rows))
    assert set(read_images(folder, CONFIG, labels=folder / "lesions.csv").patient_classes) == {"p001", "p002"}
    document = json.loads((folder / "datalist.json").read_text())
    document["training"][0]["patient_class"] = "dense"
    (folder / "datalist.json").write_text(json.dumps(document))
    assert read_images(folder, CONFIG, labels=folder / "lesions.csv").patient_classes["p000"] == "dense"


@pytest.mark.parametrize(
    ("name", "change", "kind", "told"),
    [
        ("datalist.json", lambda text: "[", DataListError, "cannot be read"),
        ("datalist.json", lambda text: '{"training": []}', DataListError, "no entries"),
        ("datalist.json", lambda text: text.replace('"ct"', '"other"', 1), DataListError, r"training\[0\] names no ct"),
        ("datalist.json", lambda text: text.replace("p001/pet", "p009/pet"), DataListError, "p009.*is not there"),
        ("datalist.json", lambda text: text.replace("p001/", "p000/"), DataListError, "share the name p000"),
        ("lesions.csv", lambda text: text.replace(",bright,", ",grey,"), UnknownLesionClassError, "grey"),
        ("lesions.csv", lambda text: text.replace(",class,", ",kind,"), LabelTableError, "no column class"),
        ("p001/ct.nii.gz", lambda text: "no image", DataListError, "p001: .*cannot be read"),
    ],
)
def test_what_is_wrong_with_list_labels_or_images_is_said(tmp_path, name, change, kind, told):
    folder = write_cohort(tmp_path / "cohort", lesions(patients=3))
    path = folder / name
    path.write_text(change("" if name.endswith("gz") else path.read_text()))
    with pytest.raises(kind, match=told):
        read_images(folder, CONFIG, labels=folder / "lesions.csv")


@pytest.fixture(scope="module")
def trained(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "config.json").write_text(json.dumps(TINY | {"epochs": 3, "folds": 2}))
    given = ("--config", folder / "config.json", "--out", folder / "model.pt", "--trained-on", "12 made patients")
    assert run("train-image-classifier", cohort, *given) == 0
    return folder


def test_the_command_writes_model_predictions_and_report(trained):
    made = lesions(patients=12)
    table = pd.read_csv(trained / "model.predictions.csv", dtype={"lesion": str})
    assert table["patient"].tolist() == list(made.lesions.patients)
    assert table["truth"].tolist() == list(made.lesions.labels)
    assert table.filter(like="probability_").sum(axis=1).to_numpy() == pytest.approx(np.ones(24))
    patients = pd.read_csv(trained / "model.patients.csv")
    assert patients.set_index("patient")["truth"].to_dict() == made.patient_classes
    assert RESEARCH_NOTICE in (trained / "model.report.md").read_text()
    document = json.loads((trained / "model.report.json").read_text())
    assert (document["training"]["lesions"], document["notice"]) == (24, RESEARCH_NOTICE)


def test_classify_gives_the_lesions_of_a_list_their_classes_and_attention(trained, cohort, tmp_path, capsys):
    out = tmp_path / "classes.csv"
    assert run("classify", cohort, "--model", trained / "model.pt", "--out", out) == 0
    assert "has seen them" in capsys.readouterr().out
    table = pd.read_csv(out)
    assert table.groupby("case")["attention"].sum().to_numpy() == pytest.approx(np.ones(12))
    assert len(pd.read_csv(tmp_path / "classes.patients.csv")) == 12
    about = json.loads((tmp_path / "classes.about.json").read_text())
    assert (about["trained_on"], about["notice"]) == ("12 made patients", RESEARCH_NOTICE)
    assert run("classify", cohort, "--model", trained / "model.pt", "--out", out) == cli.EXIT_BAD_INPUT


def test_what_the_commands_cannot_do_ends_them_and_nothing_is_written(trained, cohort, tmp_path, capsys):
    model, out = trained / "model.pt", tmp_path / "classes.csv"
    for given, told in (
        (("classify", cohort, "--model", model, "--out", out, "--shap"), "--shap"),
        (("classify", cohort, cohort, "--model", model, "--out", out), "more than one source"),
        (("classify", cohort, "--model", tmp_path / "none.pt", "--out", out), "ModelFileError"),
        (("train-image-classifier", cohort, "--out", tmp_path / "model.skops"), ".pt or .onnx"),
        (("train-image-classifier", cohort / "datalist.json", "--out", tmp_path / "m.pt"), "no table of classes"),
    ):
        assert run(*given) == cli.EXIT_BAD_INPUT
        assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
