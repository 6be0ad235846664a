from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import study
from fdglung.annotation.measured import annotated_seg, measured_lesions
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
