import errno
import json
import logging
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import RESEARCH_NOTICE, files, study
from fdglung.errors import InputError, OutputExistsError, OutputWriteError
from tests.cases import ROOT, case
from tests.dicom.series_files import SECRETS, ct_series, pet_series, pixels, truth_pet, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("study")
    write(target, pet_series())
    write(target, ct_series())
    (target / "notes.txt").write_text("no DICOM")
    return target


@pytest.fixture(scope="module")
def loaded(folder):
    return study.load(folder)


def names(target: Path) -> list[str]:
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))


def assert_same(image, other):
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(other))
    assert image.GetPixelID() == other.GetPixelID()
    np.testing.assert_allclose(image.GetOrigin(), other.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(image.GetSpacing(), other.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(image.GetDirection(), other.GetDirection(), atol=1e-6)


def test_a_study_holds_suv_and_hounsfield_units_of_its_files(loaded):
    np.testing.assert_allclose(sitk.GetArrayFromImage(loaded.pet), truth_pet(pet_series()), rtol=1e-6)
    expected = np.stack([pixels(one).astype(int) - 1024 for one in ct_series()])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(loaded.ct), expected)
    assert (loaded.warnings, loaded.skipped_files) == ((), 1)


def test_suv_alone_is_that_of_the_study(folder, loaded, tmp_path):
    assert study.load_suv(folder) == loaded.suv
    assert study.load_suv(write(tmp_path, ct_series())) is None


def test_nifti_files_hold_the_images_and_their_places(loaded, tmp_path):
    written = study.write_nifti(loaded, tmp_path / "out")
    assert names(tmp_path) == ["out", "out/ct_hu.nii.gz", "out/pet_suvbw.nii.gz", "out/study.json"]
    assert set(written) == {"ct_hu.nii.gz", "pet_suvbw.nii.gz", "study.json"}
    assert_same(sitk.ReadImage(written["pet_suvbw.nii.gz"]), loaded.pet)
    assert_same(sitk.ReadImage(written["ct_hu.nii.gz"]), loaded.ct)


def test_an_image_that_is_not_there_is_not_written(loaded, tmp_path):
    study.write_nifti(replace(loaded, pet=None, pet_headers=(), suv=None), tmp_path / "ct")
    study.write_nifti(replace(loaded, ct=None, ct_headers=()), tmp_path / "pet")
    assert names(tmp_path) == [
        "ct",
        "ct/ct_hu.nii.gz",
        "ct/study.json",
        "pet",
        "pet/pet_suvbw.nii.gz",
        "pet/study.json",
    ]


def test_the_summary_tells_all_but_the_patient(loaded, tmp_path):
    study.write_nifti(loaded, tmp_path / "out")
    text = (tmp_path / "out" / "study.json").read_text()
    assert not any(secret in text for secret in SECRETS)
    told = json.loads(text)
    assert told["notice"] == RESEARCH_NOTICE
    assert told["study_instance_uid"] == "1.2.3.0"
    assert told["pet"]["size"] == [9, 7, 6]
    assert told["pet"]["spacing_mm"] == pytest.approx([4, 5, 4])
    assert told["pet"]["origin_mm"] == pytest.approx([-16, -15, -100])
    assert told["suv"]["units"] == "BQML"
    assert {entry["uid"]: entry["taken"] for entry in told["series"]} == {"1.2.3.4": True, "1.2.3.2": True}
    assert told["skipped_files"] == 1
    assert {"fdglung", "pydicom", "SimpleITK"} <= set(told["versions"])


def test_an_output_that_is_there_is_refused_and_kept_unless_overwritten(loaded, tmp_path):
    out = tmp_path / "out"
    study.write_nifti(loaded, out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(OutputExistsError, match="--overwrite"):
        study.write_nifti(loaded, out)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    study.write_nifti(replace(loaded, ct=None), out, overwrite=True)
    assert names(tmp_path) == ["out", "out/pet_suvbw.nii.gz", "out/study.json"]


@pytest.mark.parametrize("failing", ["pet_suvbw.nii.gz", "ct_hu.nii.gz"])
def test_a_disk_that_fills_leaves_nothing(loaded, tmp_path, monkeypatch, failing):
    write_nifti_image = study.write_nifti_image

    def full(image, path):
        if path.name == failing:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_nifti_image(image, path)

    monkeypatch.setattr(study, "write_nifti_image", full)
    with pytest.raises(OutputWriteError, match=r"No space left.*Free space"):
        study.write_nifti(loaded, tmp_path / "out")
    assert names(tmp_path) == []


def test_a_real_limit_on_file_size_is_noticed_though_simpleitk_says_nothing(tmp_path):
    script = f"""
import resource, signal
import numpy as np, SimpleITK as sitk
from fdglung.errors import OutputWriteError
from fdglung.study import Study, write_nifti
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
image = sitk.GetImageFromArray(np.random.default_rng(0).random((40, 64, 64), np.float32))
try:
    write_nifti(Study(pet=image, ct=None), {str(tmp_path / "out")!r})
except OutputWriteError as error:
    print("refused:", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.startswith("refused:")
    assert names(tmp_path) == []


def test_an_interruption_leaves_nothing(loaded, tmp_path, monkeypatch):
    def interrupted(image, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "write_nifti_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.write_nifti(loaded, tmp_path / "out")
    assert names(tmp_path) == []


def test_a_nifti_that_was_cut_is_an_error(loaded, tmp_path, monkeypatch):
    write_image = sitk.WriteImage

    def cut(image, name, **options):
        write_image(image, name, **options)
        data = Path(name).read_bytes()
        Path(name).write_bytes(data[: len(data) // 2])

    monkeypatch.setattr(sitk, "WriteImage", cut)
    with pytest.raises(OSError, match=r"error|space"):
        files.write_nifti_image(loaded.pet, tmp_path / "a.nii.gz")


def test_nothing_of_the_patient_is_logged_or_warned(tmp_path, caplog, recwarn):
    caplog.set_level(logging.DEBUG)
    # Names of files may hold names of patients, and so may values that pydicom finds invalid.
    source = tmp_path / "SECRET_PATIENT"
    series = pet_series(PatientSex="SECRET SECRET SECRET")
    write(source, series, name="SECRET")
    write(source, ct_series(), name="SECRETCT")
    study.load(source)
    data = (source / "SECRET003.dcm").read_bytes()
    (source / "SECRET003.dcm").write_bytes(data[:700])
    with pytest.raises(InputError):
        study.load(source)
    said = caplog.text + " ".join(str(warning.message) for warning in recwarn)
    assert not any(secret in said for secret in SECRETS)


def test_a_real_study_in_a_zip_gives_the_same_images(tmp_path):
    source = case("acrin_nsclc_042")
    target = tmp_path / "study.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(source.rglob("*.dcm"), reverse=True):
            archive.write(path, path.relative_to(source))
    expected, zipped = study.load(source), study.load(target)
    assert_same(zipped.pet, expected.pet)
    assert_same(zipped.ct, expected.ct)
    assert zipped.series == expected.series
    assert zipped.suv == expected.suv
