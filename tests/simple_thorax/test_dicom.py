from __future__ import annotations

import json
import math
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from fdglung.errors import OutputExistsError, OutputWriteError
from tests.simple_thorax import SphereLesion, simple_thorax, write_dicom
from tests.simple_thorax import dicom as writer_module

SMALL = {"ct_matrix": 64, "pet_matrix": 64, "slice_spacing_mm": 8.0}


@pytest.fixture(scope="module")
def phantom():
    return simple_thorax(**SMALL)


@pytest.fixture(scope="module")
def written(phantom, tmp_path_factory):
    return write_dicom(phantom, tmp_path_factory.mktemp("phantom") / "study")


def images(study, name):
    return [pydicom.dcmread(path) for path in sorted((study / name).glob("*.dcm"))]


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_suv_read_back_equals_the_phantom_within_half_a_stored_count(phantom, written):
    expected = sitk.GetArrayFromImage(phantom.pet).astype(np.float64)
    slopes = set()
    for dataset, plane in zip(images(written, "pet"), expected, strict=True):
        tracer = dataset.RadiopharmaceuticalInformationSequence[0]
        injected = pydicom.valuerep.DT(tracer.RadiopharmaceuticalStartDateTime)
        started = pydicom.valuerep.DT(dataset.SeriesDate + dataset.SeriesTime)
        half_lives = (started - injected).total_seconds() / tracer.RadionuclideHalfLife
        count = float(dataset.RescaleSlope) * float(dataset.PatientWeight) * 1000
        count /= float(tracer.RadionuclideTotalDose) * 2**-half_lives
        assert np.abs(dataset.pixel_array * count - plane).max() <= 0.5 * count * (1 + 1e-6)
        assert dataset.pixel_array.max() >= 32766
        slopes.add(float(dataset.RescaleSlope))
    assert len(slopes) > 0.9 * len(expected)


def test_hounsfield_units_read_back_equal_the_phantom(phantom, written):
    expected = sitk.GetArrayFromImage(phantom.ct)
    for dataset, plane in zip(images(written, "ct"), expected, strict=True):
        assert (dataset.pixel_array * int(dataset.RescaleSlope) + int(dataset.RescaleIntercept) == plane).all()


@pytest.mark.parametrize("name", ["ct", "pet"])
def test_simpleitk_reads_the_series_where_the_phantom_lies(phantom, written, name):
    image = getattr(phantom, name)
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(written / name))
    found = sitk.ReadImage(files)
    assert found.GetSize() == image.GetSize()
    assert np.allclose(found.GetOrigin(), image.GetOrigin(), atol=1e-5)
    assert np.allclose(found.GetSpacing(), image.GetSpacing(), atol=1e-5)


def test_decay_factor_frame_time_and_acquisition_time_tell_one_story(written):
    datasets = images(written, "pet")
    started = pydicom.valuerep.DT(datasets[0].SeriesDate + datasets[0].SeriesTime)
    decay = math.log(2) / float(datasets[0].RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife)
    beds = set()
    for dataset in datasets:
        offset = (pydicom.valuerep.DT(dataset.AcquisitionDate + dataset.AcquisitionTime) - started).total_seconds()
        beds.add(offset)
        frame = dataset.ActualFrameDuration / 1000
        # activity at the start over its mean in the frame
        expected = math.exp(decay * offset) * decay * frame / (1 - math.exp(-decay * frame))
        assert float(dataset.DecayFactor) == pytest.approx(expected, rel=1e-6)
        assert math.exp(decay * float(dataset.FrameReferenceTime) / 1000) == pytest.approx(expected, rel=1e-6)
    assert len(beds) == 4


def test_ct_and_pet_share_patient_study_and_frame_of_reference(written):
    ct, pet = images(written, "ct"), images(written, "pet")
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert len({dataset[keyword].value for dataset in ct + pet}) == 1
    assert len({dataset.SeriesInstanceUID for dataset in ct + pet}) == 2
    assert len({dataset.SOPInstanceUID for dataset in ct + pet}) == len(ct + pet)


def test_the_truth_stands_beside_the_dicom_folder_not_inside(phantom, written):
    assert {path.suffix for path in written.rglob("*") if path.is_file()} == {".dcm"}
    truth = json.loads((written.parent / "truth.json").read_text())
    assert truth["parameters"] == phantom.parameters
    for entry, lesion in zip(truth["lesions"], phantom.lesions, strict=True):
        assert tuple(entry["centre_mm"]) == lesion.centre_mm
        assert entry["suv"] == lesion.suv
        assert entry["volume_ml"] == pytest.approx(4 / 3 * math.pi * lesion.radius_mm**3 / 1000)


def test_the_same_seed_gives_the_same_bytes(written, tmp_path):
    again = write_dicom(simple_thorax(**SMALL), tmp_path / "again")
    assert contents(again.parent) == contents(written.parent)


@pytest.mark.parametrize("change", [{"seed": 1}, {"lesions": ()}, {"pet_noise": 0.05}])
def test_another_phantom_has_other_uids(written, tmp_path, change):
    other = write_dicom(simple_thorax(with_ct=False, **(SMALL | change)), tmp_path / "other")
    assert not {d.SOPInstanceUID for d in images(other, "pet")} & {d.SOPInstanceUID for d in images(written, "pet")}


def test_a_phantom_without_activity_can_be_written(tmp_path):
    phantom = simple_thorax(lesions=(), with_ct=False, **SMALL)
    empty = sitk.Image(phantom.pet.GetSize(), sitk.sitkFloat32)
    empty.CopyInformation(phantom.pet)
    study = write_dicom(type(phantom)(None, empty, (), None, None, phantom.parameters), tmp_path / "empty")
    assert all((dataset.pixel_array == 0).all() and dataset.RescaleSlope > 0 for dataset in images(study, "pet"))


@pytest.mark.validator
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_dciodvfy_finds_no_error_in_any_image(written):
    for path in sorted(written.rglob("*.dcm")):
        ended = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        assert ("CTImage" if "ct_" in path.name else "PETImage") in ended.stderr
        assert not [line for line in ended.stderr.splitlines() if line.startswith("Error")], path.name


def test_a_folder_in_use_is_refused_and_only_a_phantom_replaced(tmp_path):
    phantom = simple_thorax(lesions=[SphereLesion((-72, 4, 52), 12, 5)], with_ct=False, **SMALL)
    study = write_dicom(phantom, tmp_path / "study")
    with pytest.raises(OutputExistsError, match="not empty"):
        write_dicom(phantom, study.parent)
    assert write_dicom(phantom, study.parent, overwrite=True) == study
    (study.parent / "letter.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="no phantom made"):
        write_dicom(phantom, study.parent, overwrite=True)
    assert (study.parent / "letter.txt").read_text() == "mine"
    assert (study / "pet" / "pet_0001.dcm").exists()


def test_a_full_disk_leaves_nothing_half_written(phantom, tmp_path, monkeypatch):
    written = []

    def save(dataset, path, **options):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        path.write_bytes(b"part")

    monkeypatch.setattr(writer_module.Dataset, "save_as", save)
    with pytest.raises(OutputWriteError, match="No space left"):
        write_dicom(phantom, tmp_path / "study")
    assert len(written) == 3
    assert not list(tmp_path.rglob("*.*"))
