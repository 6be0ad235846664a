from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from apps.lesion_report.packager.models import sha256
from fdglung import cli
from tests.cases import ROOT
from tests.simple_thorax import simple_thorax, write_dicom

pytestmark = pytest.mark.usefixtures("module_with_own_lungs")
# As in the image, the Deploy SDK without MONAI, whose imports take longer than a run.
SDK_ALONE = {"PYTHONPATH": str(ROOT / "tests" / "apps" / "without_monai_core")}
OBJECTS = ("lesions.seg.dcm", "measurements.sr.dcm", "report.dcm")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_dicom(simple_thorax(seed=3, ct_matrix=128), tmp_path_factory.mktemp("study") / "dicom")


def run_app(study, out, **variables):
    return subprocess.run(
        [sys.executable, "-m", "apps.lesion_report", "-i", str(study), "-o", str(out)],
        cwd=ROOT,
        env=os.environ | SDK_ALONE | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def by_command(study, tmp_path_factory):
    """Output folder of `fdglung analyze`."""
    out = tmp_path_factory.mktemp("command") / "cli"
    assert cli.main(["analyze", str(study), str(out)]) == 0
    return out


def lesion_masks(folder):
    segmentation = hd.seg.segread(folder / "lesions.seg.dcm")
    volume = segmentation.get_volume(combine_segments=True)
    return np.asarray(volume.array), volume.affine


def uids(folder):
    objects = [dcmread(folder / name) for name in OBJECTS]
    return [(one.SOPInstanceUID, one.SeriesInstanceUID) for one in objects]


def test_command_and_application_find_the_same_lesions_to_the_voxel(study, by_command, tmp_path):
    by_app = tmp_path / "app"
    ended = run_app(study, by_app)
    assert ended.returncode == 0, ended.stderr[-2000:]
    (mask_cli, affine_cli), (mask_app, affine_app) = (lesion_masks(face) for face in (by_command, by_app))
    assert mask_cli.max() >= 2
    assert (mask_cli == mask_app).all()
    assert np.allclose(affine_cli, affine_app)
    rows_cli, rows_app = (list(csv.reader((face / "lesions.csv").open())) for face in (by_command, by_app))
    assert rows_cli == rows_app
    found_cli, found_app = (json.loads((face / "findings.json").read_text()) for face in (by_command, by_app))
    assert found_cli == found_app
    assert uids(by_command) == uids(by_app)
    names_cli, names_app = ({path.name for path in face.iterdir()} for face in (by_command, by_app))
    assert names_app == names_cli | {"status.json"}
    status = json.loads((by_app / "status.json").read_text())
    assert (status["status"], status["exit_code"], set(status["files"])) == ("done", 0, names_cli)


@pytest.mark.slow
def test_command_and_application_find_the_same_lesions_by_the_network_that_ships(study, tmp_path):
    (tmp_path / "models" / "lesions").mkdir(parents=True)
    shutil.copyfile(ROOT / "bundle" / "models" / "model.onnx", tmp_path / "models" / "lesions" / "model.onnx")
    assert cli.main(["analyze", str(study), str(tmp_path / "cli"), "--method", "network"]) == 0
    network = {"HOLOSCAN_CONFIG_PATH": str(ROOT / "apps" / "lesion_report" / "network.yaml")}
    ended = run_app(study, tmp_path / "app", HOLOSCAN_MODEL_PATH=str(tmp_path / "models"), **network)
    assert ended.returncode == 0, ended.stderr[-2000:]
    (by_cli, _), (by_app, _) = (lesion_masks(tmp_path / face) for face in ("cli", "app"))
    assert by_cli.max() >= 1
    assert (by_cli == by_app).all()
    (used,) = json.loads((tmp_path / "app" / "findings.json").read_text())["provenance"]["lesions"]["networks"]
    assert (used["file"], used["sha256"]) == ("model.onnx", sha256(ROOT / "bundle" / "models" / "model.onnx"))
    assert uids(tmp_path / "cli") == uids(tmp_path / "app")


def test_a_retry_gives_the_same_objects_whatever_its_files_are_called_and_however_many_threads_it_has(
    study, by_command, tmp_path
):
    again = tmp_path / "again"
    again.mkdir()
    for number, path in enumerate(sorted(study.rglob("*.dcm"), reverse=True)):
        shutil.copyfile(path, again / f"{number:06d}")
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        assert cli.main(["analyze", str(again), str(tmp_path / "two")]) == 0
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    assert uids(by_command) == uids(tmp_path / "two")


def test_a_study_that_cannot_be_used_ends_with_its_reason_in_status_json_and_no_other_output(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "letter.txt").write_text("no image")
    ended = run_app(tmp_path / "study", tmp_path / "out")
    assert ended.returncode == 2
    assert "NotDicomError" in ended.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["status.json"]
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert (status["status"], status["exit_code"], status["error"]["kind"]) == ("failed", 2, "NotDicomError")
    assert status["error"]["remedy"]
    # a second run is not hindered by what the first one left
    assert "NotDicomError" in run_app(tmp_path / "study", tmp_path / "out").stderr


def test_a_parameter_that_cannot_be_ends_the_run_before_it_begins(study, tmp_path):
    (tmp_path / "app.yaml").write_text("segmentation: {seed_suv: -3}")
    ended = run_app(study, tmp_path / "out", HOLOSCAN_CONFIG_PATH=str(tmp_path / "app.yaml"))
    assert ended.returncode == 2
    assert "segmentation.seed_suv" in ended.stderr
    assert json.loads((tmp_path / "out" / "status.json").read_text())["error"]["attribute"] == "segmentation.seed_suv"


def test_an_input_that_is_not_there_is_refused(tmp_path):
    assert "HOLOSCAN_INPUT_PATH" in run_app(tmp_path / "nowhere", tmp_path / "out").stderr


@pytest.mark.slow
def test_radiomics_are_written_beside_the_report_where_they_are_asked_for(study, tmp_path):
    (tmp_path / "app.yaml").write_text(
        "radiomics: {enabled: true, settings: {families: [stat], modalities: {PET: {filters: null}}}}\n"
        "report: {outputs: [csv]}\n"
    )
    ended = run_app(study, tmp_path / "out", HOLOSCAN_CONFIG_PATH=str(tmp_path / "app.yaml"))
    assert ended.returncode == 0, ended.stderr[-2000:]
    lesions, features = (
        list(csv.DictReader((tmp_path / "out" / name).open())) for name in ("lesions.csv", "features.csv")
    )
    assert [row["tracking_uid"] for row in features] == [row["tracking_uid"] for row in lesions]
    assert not (tmp_path / "out" / "report.pdf").exists()


def test_a_failure_of_the_last_step_leaves_the_output_folder_as_it_was(study, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    ended = run_app(study, tmp_path / "out")
    assert ended.returncode == 2
    assert "OutputExistsError" in ended.stderr.splitlines()[-1]
    assert [(path.name, path.read_text()) for path in (tmp_path / "out").iterdir()] == [("letter.txt", "mine")]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_packager_s_requirements_are_the_lock_s_and_cover_what_the_package_declares():
    pins = [line for line in (ROOT / "apps/lesion_report/requirements.txt").read_text().splitlines() if line[0] != "#"]
    assert set(pins) <= set((ROOT / "requirements.lock").read_text().splitlines())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["deploy"]]
    names = {re.split("[<>=]", requirement)[0].lower() for requirement in declared}
    assert names <= {pin.split("==")[0].lower() for pin in pins}
    # the packager joins the files of several applications: a last line without its end would spoil two pins
    assert (ROOT / "apps/lesion_report/requirements.txt").read_text().endswith("\n")
