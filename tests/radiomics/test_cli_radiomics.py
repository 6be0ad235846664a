from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from fdglung import cli
from fdglung.radiomics import from_yaml, read_table
from fdglung.radiomics.perturbation import random_chains
from fdglung.radiomics.repetition import repeat
from tests.cases import ROOT
from tests.radiomics import lesions as cases
from tests.simple_thorax import simple_thorax, write_dicom

FEW = {
    "modalities": {"PET": {"filters": {"log_sigma_mm": [3], "bin_count": 16}}},
    "families": ["stat", "cm"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    images = cases.pet_and_ct() | {"MASK": cases.mask()}
    for name, image in images.items():
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    (folder / "few.yaml").write_text(yaml.safe_dump(FEW))
    return folder


def arguments(files, out, *more):
    return [
        "radiomics",
        *("--pet", str(files / "PET.nii.gz"), "--mask", str(files / "MASK.nii.gz")),
        *("--settings", str(files / "few.yaml"), "--out", str(out), "--workers", "1", *more),
    ]


def test_images_and_a_mask_become_a_table_with_its_settings(files, tmp_path, capsys):
    out = tmp_path / "features.csv"
    assert cli.main([*arguments(files, out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["files"]) == {"features.csv", "features.settings.yaml", "features.columns.csv"}
    table = read_table(out)
    assert printed["features"] == len(table.names)
    assert [lesion["lesion"] for lesion in printed["lesions"]] == [lesion.label for lesion in table.lesions]
    assert all(lesion["ok"] for lesion in printed["lesions"])
    assert {name.split("_")[1] for name in table.names} == {"suv", "mtv", "tlg", "original", "log-sigma-3-0-mm-3D"}
    assert table.settings == from_yaml(files / "few.yaml")


def test_the_settings_beside_a_table_give_the_same_table(files, tmp_path):
    assert cli.main(arguments(files, tmp_path / "one.csv")) == 0
    again = arguments(files, tmp_path / "two.csv")
    again[again.index("--settings") + 1] = str(tmp_path / "one.settings.yaml")
    assert cli.main(again) == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_pyradiomics_parameter_files_give_its_names(files, tmp_path):
    for name, width in (("pet", 0.5), ("ct", 25)):
        parameters = {"setting": {"binWidth": width}, "imageType": {"Original": {}}, "featureClass": {"glcm": None}}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(parameters))
    given = arguments(files, tmp_path / "features.parquet", "--ct", str(files / "CT.nii.gz"))
    where = given.index("--settings")
    both = ["--pyradiomics", str(tmp_path / "pet.yaml"), "--pyradiomics-ct", str(tmp_path / "ct.yaml")]
    given[where : where + 2] = both
    assert cli.main(given) == 0
    names = read_table(tmp_path / "features.parquet").names
    assert "PET_original_glcm_Idmn" in names
    assert "CT_original_glcm_MCC" in names


def test_a_study_gives_its_own_lesions_with_their_tracking_uids(tmp_path, files, capsys):
    study = write_dicom(simple_thorax(ct_matrix=128), tmp_path / "dicom")
    given = ["radiomics", str(study), "--out", str(tmp_path / "features.csv"), "--settings", str(files / "few.yaml")]
    assert cli.main(given) == 0
    assert "warning: The lungs were segmented by the classical method" in capsys.readouterr().out
    table = read_table(tmp_path / "features.csv")
    assert len(table.lesions) >= 2
    assert all(lesion.tracking_uid and lesion.status == "ok" for lesion in table.lesions)
    assert cli.main(["analyze", str(study), str(tmp_path / "report")]) == 0
    findings = json.loads((tmp_path / "report" / "findings.json").read_text())
    assert [lesion["tracking_uid"] for lesion in findings["lesions"]] == [x.tracking_uid for x in table.lesions]
    for found, lesion in zip(findings["lesions"], table.lesions, strict=True):
        for name in ("suv_max", "suv_mean", "suv_peak", "mtv_ml", "tlg_g"):
            assert lesion.features[f"PET_{name}"] == pytest.approx(found[name], rel=1e-6)


def test_perturb_writes_the_intraclass_correlations_of_repeated_extractions(files, tmp_path, capsys):
    out = tmp_path / "features.csv"
    assert cli.main([*arguments(files, out), "--perturb", "3", "--perturb-seed", "5", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    with (tmp_path / "features.icc.csv").open(newline="") as stream:
        rows = {row["feature"]: row for row in csv.DictReader(stream)}
    images = {"PET": sitk.ReadImage(str(files / "PET.nii.gz"))}
    mask, settings = sitk.ReadImage(str(files / "MASK.nii.gz")), from_yaml(files / "few.yaml")
    tables = repeat(images, mask, random_chains(3, seed=5), settings, workers=1)
    assert set(rows) == {name for table in tables for name in table.names}
    for name in ("PET_original_stat_mean_Q4LE", "PET_log-sigma-3-0-mm-3D_stat_var_ECT3", "PET_suv_max"):
        values = np.array([[lesion.features.get(name, np.nan) for table in tables for lesion in table.lesions]])
        values = values.reshape(3, -1).T
        values = values[np.isfinite(values).all(axis=1)]
        # Shrout & Fleiss, ICC(1,1)
        n, k = values.shape
        between = k * values.mean(axis=1).var(ddof=1)
        within = values.var(axis=1, ddof=1).mean()
        assert float(rows[name]["icc"]) == pytest.approx((between - within) / (between + (k - 1) * within), rel=1e-9)
        assert (int(rows[name]["lesions"]), int(rows[name]["repetitions"])) == (n, k)
        assert rows[name]["note"] == "few lesions"
    assert sum(printed["reliability"].values()) == len(rows)
    assert printed["files"]["features.icc.csv"] == str(tmp_path / "features.icc.csv")
    assert cli.main(arguments(files, tmp_path / "alone.csv")) == 0
    assert (tmp_path / "alone.csv").read_bytes() == out.read_bytes()
    assert not (tmp_path / "alone.icc.csv").exists()


def test_perturb_serves_a_study_too_and_shows_its_progress(tmp_path, files):
    study = write_dicom(simple_thorax(ct_matrix=128), tmp_path / "dicom")
    given = ["radiomics", str(study), "--out", str(tmp_path / "features.csv"), "--settings", str(files / "few.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", "fdglung", *given, "--perturb", "2", "--workers", "1"],
        **{"cwd": ROOT, "capture_output": True, "text": True, "timeout": 180, "check": False},
    )
    assert done.returncode == 0, done.stderr
    assert "repetition" in done.stderr
    assert "the lesions are few" in done.stdout
    assert (tmp_path / "features.icc.csv").exists()


def test_one_lesion_has_no_intraclass_correlation_and_nothing_is_written(files, tmp_path, capsys):
    one = sitk.ReadImage(str(files / "MASK.nii.gz")) == cases.PLAIN
    sitk.WriteImage(one, str(tmp_path / "one.nii.gz"))
    given = arguments(files, tmp_path / "features.csv")
    given[given.index("--mask") + 1] = str(tmp_path / "one.nii.gz")
    assert cli.main([*given, "--perturb"]) == cli.EXIT_BAD_INPUT
    assert "needs 2 lesions" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["one.nii.gz"]


@pytest.mark.parametrize(
    ("change", "attribute"),
    [
        (lambda a: [*a, "--perturb", "1"], "--perturb"),
        (lambda a: [*a, "study"], "STUDY"),
        (lambda a: [x for x in a if not x.endswith("MASK.nii.gz") and x != "--mask"], "--mask"),
        (lambda a: [x.replace("PET.nii", "none.nii") for x in a], "--pet"),
        (lambda a: [x.replace("few.yaml", "none.yaml") for x in a], "--settings"),
        (lambda a: [x.replace(".csv", ".xls") for x in a], "output file"),
    ],
)
def test_what_cannot_be_used_ends_with_its_reason_and_no_output(files, tmp_path, capsys, change, attribute):
    assert cli.main(change(arguments(files, tmp_path / "features.csv"))) == cli.EXIT_BAD_INPUT
    assert attribute in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_runs_with_processes(files, tmp_path):
    given = arguments(files, tmp_path / "features.csv")
    given[given.index("--workers") + 1] = "2"
    done = subprocess.run(
        [sys.executable, "-m", "fdglung", *given], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert cli.main(arguments(files, tmp_path / "alone.csv")) == 0
    assert (tmp_path / "features.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
