from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import study
from fdglung.annotation.measured import NUMBERS, annotated_seg, lesion_numbers, measured_lesions
from tests.simple_thorax import simple_thorax, write_dicom


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    phantom = simple_thorax(ct_matrix=64, pet_matrix=96, slice_spacing_mm=6.0)
    return study.load(write_dicom(phantom, tmp_path_factory.mktemp("phantom"))), phantom


def test_the_seg_holds_the_label_its_annotator_and_its_version(loaded, tmp_path):
    from highdicom.seg import segread

    found, phantom = loaded
    for version in (1, 2):
        seg = annotated_seg(found, phantom.lesion_mask, annotator="Jürgen^X=Y", version=version)
        seg.save_as(tmp_path / f"{version}.dcm")
    first, second = (segread(tmp_path / f"{version}.dcm") for version in (1, 2))
    assert str(first.ContentCreatorName) == "Jurgen X Y^"
    assert {one.SegmentAlgorithmType for one in first.SegmentSequence} == {"SEMIAUTOMATIC"}
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.StudyInstanceUID == found.pet_headers[0].StudyInstanceUID
    assert int(first.pixel_array.sum()) == int((sitk.GetArrayFromImage(phantom.lesion_mask) > 0).sum())


def test_a_label_without_lesions_is_a_seg_too(loaded):
    found, phantom = loaded
    seg = annotated_seg(found, phantom.lesion_mask * 0, annotator="a", version=1)
    assert seg.SegmentSequence[0].SegmentLabel == "No avid lung lesion found"


@pytest.mark.validator
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_a_validator_finds_no_error_in_the_seg(loaded, tmp_path):
    found, phantom = loaded
    annotated_seg(found, phantom.lesion_mask, annotator="anna", version=3).save_as(tmp_path / "seg.dcm")
    done = subprocess.run(["dciodvfy", str(tmp_path / "seg.dcm")], capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


def test_a_label_is_measured_as_its_voxels_are(loaded):
    found, phantom = loaded
    lesions = measured_lesions(found, phantom.lesion_mask)
    mask, suv = (sitk.GetArrayFromImage(image) for image in (phantom.lesion_mask, found.pet))
    voxel_ml = np.prod(found.pet.GetSpacing()) / 1000
    assert len(lesions) == 3
    for lesion in lesions:
        voxels = mask == mask[np.unravel_index(np.where(mask > 0, abs(suv - lesion.suv_max), 1e9).argmin(), mask.shape)]
        assert lesion.suv_mean == pytest.approx(suv[voxels].mean(), rel=1e-5)
        assert lesion.mtv_ml == pytest.approx(voxels.sum() * voxel_ml)


def test_numbers_are_those_of_the_lesions_and_of_known_voxels_they_are_not_measured_again(loaded, monkeypatch):
    found, phantom = loaded
    lesions = measured_lesions(found, phantom.lesion_mask)
    memory = {}
    for _ in range(2):
        rows = lesion_numbers(found, phantom.lesion_mask, memory=memory)
        assert [row["label"] for row in rows] == [1, 2, 3]
        for row, lesion in zip(rows, lesions, strict=True):
            assert {name: row[name] for name in NUMBERS} == {name: getattr(lesion, name) for name in NUMBERS}
        monkeypatch.setattr("fdglung.annotation.measured.lesions.measure", None)
    # One lesion less: those that stay get other labels.
    without = sitk.Mask(phantom.lesion_mask, phantom.lesion_mask != hottest_of(found.pet, phantom.lesion_mask))
    rows = lesion_numbers(found, without, memory=memory)
    assert [(row["label"], row["suv_max"]) for row in rows] == [(1, lesions[1].suv_max), (2, lesions[2].suv_max)]


def hottest_of(pet, labels):
    values, suv = sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(pet)
    return int(values[np.unravel_index(np.where(values > 0, suv, 0).argmax(), suv.shape)])
