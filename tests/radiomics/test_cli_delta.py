from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from fdglung import cli
from tests.radiomics import followed
from tests.simple_thorax import simple_thorax, write_dicom

FEW = {"modalities": {"PET": {"bin_width": 0.5, "bin_origin": 0}}, "families": ["stat"]}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Both studies of a synthetic person as NIfTI, the second one moved."""
    folder = tmp_path_factory.mktemp("studies")
    motion = followed.turned((0, 0, 4), (5, -8, 10))
    for index, study in enumerate((followed.baseline(), followed.followup())):
        images = {"pet": (study.pet, {}), "ct": (study.ct, {"background": -1000.0})}
        images["mask"] = (study.lesion_mask, {"labels": True})
        for name, (image, options) in images.items():
            moved = followed.carried(image, motion, **options) if index else image
            sitk.WriteImage(moved, str(folder / f"{name}_{index}.nii.gz"))
    (folder / "few.yaml").write_text(yaml.safe_dump(FEW))
    return folder


def arguments(files, out):
    both = [part for name in ("pet", "ct", "mask") for part in (f"--{name}", *_pair(files, name))]
    return ["delta", *both, "--settings", str(files / "few.yaml"), "--out", str(out), "--workers", "1"]


def _pair(files, name):
    return [str(files / f"{name}_{index}.nii.gz") for index in range(2)]


def read(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_two_studies_as_images_become_a_table_of_changes(files, tmp_path, capsys):
    out = tmp_path / "delta.csv"
    assert cli.main([*arguments(files, out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    rows = read(out)
    assert [row["status"] for row in rows] == ["matched", "merged", "gone", "new"]
    assert [one["status"] for one in printed["matches"]] == [row["status"] for row in rows]
    assert printed["registration"]["rotation_deg"] == pytest.approx(4, abs=0.5)
    assert float(rows[0]["ratio_PET_mtv_ml"]) == pytest.approx(1.4**3, rel=0.15)
    assert (rows[1]["baseline_lesions"], rows[1]["followup_lesions"]) == ("2 3", "2")
    assert set(printed["files"]) == {"delta.csv", "delta.settings.yaml"}


@pytest.mark.slow
def test_a_merged_lesion_may_be_compared_with_the_largest(files, tmp_path):
    volumes = []
    for policy in ("union", "largest"):
        out = tmp_path / f"{policy}.csv"
        assert cli.main([*arguments(files, out), "--several", policy]) == 0
        volumes.append(float(read(out)[1]["baseline_PET_mtv_ml"]))
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(files / "mask_0.nii.gz")))
    counts = [int(np.sum(labels == label)) for label in (followed.MERGED_A, followed.MERGED_B)]
    voxel_ml = followed.GRID_MM**3 / 1000
    assert volumes == pytest.approx([sum(counts) * voxel_ml, max(counts) * voxel_ml])


@pytest.mark.slow
def test_a_study_beside_itself_has_not_changed(tmp_path, files, capsys):
    study = write_dicom(simple_thorax(ct_matrix=128), tmp_path / "dicom")
    out = tmp_path / "delta.csv"
    assert cli.main(["delta", str(study), str(study), "--out", str(out), "--settings", str(files / "few.yaml")]) == 0
    rows = read(out)
    assert len(rows) >= 2
    assert {row["status"] for row in rows} == {"matched"}
    assert all(float(row["difference_PET_suv_max"]) == 0 and float(row["overlap"]) == 1 for row in rows)
    printed = capsys.readouterr().out
    assert "matched: 1 -> 1" in printed
    assert "warning: Baseline: The lungs were segmented by the classical method" in printed


def test_what_cannot_be_used_ends_with_its_reason_and_no_output(files, tmp_path, capsys):
    good = arguments(files, tmp_path / "delta.csv")
    no_mask = [part for part in good if part != "--mask" and "mask_" not in part]
    for given, attribute in (
        ([*good, "study"], "STUDY"),
        (["delta", "study", "--out", str(tmp_path / "delta.csv")], "STUDY"),
        (no_mask, "--mask"),
        ([part.replace(".csv", ".parquet") for part in good], "output file"),
        ([*good, "--reach-mm", "-3"], "reach_mm"),
    ):
        assert cli.main(given) == cli.EXIT_BAD_INPUT
        assert attribute in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
